"""Who may do what: every call, by everybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from mailconfig.models import SMTPProvider, Tenant
from tests.bearer import client_of
from tests.factories import make_tenant, make_user
from tests.integration.api.calls import BODY, URL, make_provider, refused
from tests.integration.api.conftest import permit

pytestmark = pytest.mark.django_db

CALLS = {
    "list": ("GET", "", "view"),
    "read": ("GET", "/{id}", "view"),
    "create": ("POST", "", "add"),
    "change": ("PATCH", "/{id}", "change"),
    "delete": ("DELETE", "/{id}", "delete"),
    "status": ("GET", "/{id}/status", "view"),
    "ask": ("GET", "/{id}/status", "view"),
}
GOOD = {"list": 200, "read": 200, "create": 201, "change": 200, "delete": 204, "status": 422, "ask": 202}


def call(user: User | None, name: str, key: int) -> Any:
    """Make a call; the server of the provider is none that may be used."""
    method, path, _needed = CALLS[name]
    body = {"create": BODY, "change": {"caption": "x"}}.get(name)
    headers = {"Prefer": "respond-async"} if name == "ask" else {}
    client = client_of(user)
    return client.generic(
        method,
        URL + path.format(id=key),
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers=headers,
    )


@pytest.fixture
def provider(settings: Any) -> SMTPProvider:
    """Whose host is an address that may not be used, so that a check ends at once."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_NETWORKS": []}
    return make_provider(host="127.0.0.1")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("permission", ["view", "add", "change", "delete"])
def test_each_call_needs_its_permission_and_no_other(
    provider: SMTPProvider, name: str, permission: str
) -> None:
    user = permit(make_user("carol"), f"{permission}_smtpprovider")

    response = call(user, name, provider.pk)

    if permission == CALLS[name][2]:
        assert response.status_code == GOOD[name], response.content
    else:
        refused(response, 403)


@pytest.mark.parametrize("name", CALLS)
def test_who_is_who_makes_no_difference_without_permission(
    provider: SMTPProvider, name: str, alice: User
) -> None:
    tenant: Tenant = make_tenant()
    member = permit(
        make_user("member"), "view_outboundemail", "change_mailbox", "test_account", "view_account"
    )
    tenant.members.add(member)
    SMTPProvider.objects.filter(pk=provider.pk).update(tenant=tenant, owner=member)

    for user in (make_user("staff", is_staff=True), make_user("anybody"), member):
        refused(call(user, name, provider.pk), 403)
    refused(call(None, name, provider.pk), 401)


@pytest.mark.parametrize("name", CALLS)
def test_a_superuser_or_a_member_of_a_permitted_group_may(provider: SMTPProvider, name: str) -> None:
    group = Group.objects.create(name="back office")
    group.permissions.set(Permission.objects.filter(codename=f"{CALLS[name][2]}_smtpprovider"))
    clerk = make_user("clerk")
    clerk.groups.add(group)
    root = make_user("root", is_superuser=True)
    users = (clerk,) if name == "delete" else (clerk, root)

    for user in users:
        assert call(user, name, provider.pk).status_code == GOOD[name]


@pytest.mark.parametrize("name", [name for name in CALLS if "{id}" in CALLS[name][1]])
def test_whose_row_it_is_does_not_matter(name: str, provider: SMTPProvider, alice: User) -> None:
    SMTPProvider.objects.filter(pk=provider.pk).update(tenant=make_tenant(), owner=make_user("owner"))

    assert call(alice, name, provider.pk).status_code == GOOD[name]
