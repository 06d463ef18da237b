"""Two tenants, each with a row in every table of the admin, told apart by a word in all of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from mailconfig.models import (
    Account,
    AccountChange,
    Attempt,
    Bounce,
    ConnectionCheck,
    EventWebhook,
    HourFigures,
    OutboundEmail,
    SMTPProvider,
    Suppression,
    Tenant,
    TenantMailConfig,
    WebhookEndpoint,
    Worker,
)
from tests.factories import (
    account_values,
    make_mailbox,
    make_message,
    make_oauth2_client,
    make_synced,
    make_tenant,
    make_user,
)

OURS = {
    model: page
    for model, page in admin.site._registry.items()
    if model._meta.app_label == "mailconfig" and model is not HourFigures
}
"""The admin's pages that are this app's, but the dashboard, which is no list: test_dashboard.py asks the same of it."""


def rows_of(word: str, tenant: Tenant | None) -> dict[type[Model], Model]:
    """Make a row in each table, of this tenant, in whose texts the word stands."""
    kinds: tuple[type[Account], ...] = (OutboundEmail, SMTPProvider, TenantMailConfig)
    mailbox = make_mailbox(tenant=tenant, name=f"{word} mailbox", from_email=f"{word}@example.com")
    rows: list[Model] = [mailbox]
    for model in kinds if tenant else kinds[:2]:
        values = account_values(
            2525, kind=model.kind_of_class, name=f"{word} {model.__name__}", from_email=f"{word}@example.com"
        )
        rows.append(model.objects.create(tenant=tenant, **values))
    message = make_message(mailbox, subject=f"{word} subject")
    synced = make_synced(mailbox, subject=f"{word} answer", from_address=f"{word}@example.net")
    now = timezone.now()
    rows += [
        message,
        synced,
        Attempt.objects.create(
            account=mailbox, message=message, outcome="deferred", started_at=now, ended_at=now, reply_text=word
        ),
        Bounce.objects.create(message=message, address=f"{word}@example.net", reported_in=synced),
        ConnectionCheck.objects.create(account=mailbox, tenant=tenant, kind="connection", host=f"{word}.example.com"),
        EventWebhook.objects.create(account=mailbox, service="postmark"),
        Suppression.objects.create(tenant=tenant, address=f"{word}@example.org", note=word),
        make_oauth2_client(tenant=tenant, name=f"{word} app"),
    ]  # fmt: skip
    rows.append(
        AccountChange.objects.create(
            account=mailbox, account_name=f"{word} mailbox", tenant=tenant, kind="changed"
        )
    )
    if tenant is not None:
        hook = WebhookEndpoint(tenant=tenant, url=f"https://{word}.example.com/", kinds=["message.settled"])
        hook.save()
        rows += [tenant, hook]
    return {type(row): row for row in rows}


def make_neighbours() -> dict[str, dict[type[Model], Model]]:
    """Make the rows of two tenants, and those of none, by the word that stands in them."""
    rows: dict[str, dict[type[Model], Model]] = {
        word: rows_of(word, make_tenant(name=f"{word} ltd", slug=word)) for word in ("acme", "zebra")
    }
    rows["nobody"] = rows_of("nobody", None)
    now = timezone.now()
    rows["nobody"][Worker] = Worker.objects.create(
        host="nobody", pid=7, started_at=now, seen_at=now, concurrency=1
    )
    return rows  # fmt: skip


def browser_of(name: str, *codenames: str, without: tuple[str, ...] = (), of: Tenant | None = None) -> Client:
    """The browser of somebody on the staff.

    Args:
        name: of the person.
        codenames: permissions; none: all of this app but the one to see all tenants.
        without: of all, these not.
        of: the tenant that the person belongs to.
    """
    user: User = make_user(name, is_staff=True)
    found = Permission.objects.filter(content_type__app_label="mailconfig")
    if codenames:
        found = found.filter(codename__in=codenames)
        assert found.count() == len(codenames)
    user.user_permissions.set(
        found.exclude(codename__in=("see_all_tenants", *without)) if not codenames else found
    )
    if of is not None:
        of.members.add(user)
    browser = Client()
    browser.force_login(user)
    return browser


def text_of(answer: Any) -> str:
    """What the page says."""
    return str(answer.content.decode())
