"""Who knocks at a surface: everybody whom the access tables name."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import Permission, User

from mailconfig.models import Tenant

EVERY = ("view", "add", "change", "delete")
KINDS = ("outboundemail", "smtpprovider", "tenantmailconfig", "mailbox", "webhookendpoint", "suppression")

ACTORS = (
    "anonymous",
    "inactive",  # of the tenant, with every permission, switched off
    "stranger",  # of no tenant, without permission
    "outsider",  # of another tenant, with every permission
    "colleague",  # of the tenant, without permission
    "reader",  # of the tenant, may view
    "keeper",  # of the tenant, with every permission
    "owner",  # of the tenant, without permission; the row is theirs
    "staff",  # of the tenant, without permission, may enter the admin
    "clerk",  # of the tenant, with every permission, may enter the admin
    "superuser",  # of no tenant
)


def make_people(tenant: Tenant, other: Tenant) -> Mapping[str, User | None]:
    """Everybody in :data:`ACTORS`; anonymous is ``None``."""
    people = {
        name: User(
            username=name,
            email=f"{name}@example.com",
            is_active=name != "inactive",
            is_staff=name in {"staff", "clerk", "superuser"},
            is_superuser=name == "superuser",
        )
        for name in ACTORS[1:]
    }
    User.objects.bulk_create(people.values())
    tenant.members.set(
        user for name, user in people.items() if name not in {"stranger", "outsider", "superuser"}
    )
    other.members.set([people["outsider"]])
    allowed = Permission.objects.filter(
        content_type__app_label="mailconfig",
        codename__in=[f"{action}_{kind}" for action in EVERY for kind in KINDS],
    )
    viewing = [one for one in allowed if one.codename.startswith("view")]
    for name in ("inactive", "outsider", "keeper", "clerk"):
        people[name].user_permissions.set(allowed)
    people["reader"].user_permissions.set(viewing)
    return {"anonymous": None, **people}
