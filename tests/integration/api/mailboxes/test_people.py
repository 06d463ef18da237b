"""Whose a mailbox is, who may make it somebody else's, and what each is told of what they may do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailconfig.models import Mailbox, Tenant
from tests.bearer import client_of
from tests.factories import make_mailbox, make_tenant, make_user
from tests.integration.api.conftest import VERBS, permit

from .calls import URL, changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db

USER = "/data/relationships/user"


@pytest.fixture
def acme(alice: User, bob: User) -> Tenant:
    """Alice, who may do all with its mailboxes, and Bob, who may nothing."""
    tenant = make_tenant(slug="acme")
    tenant.members.set([alice, bob])
    permit(alice, *(f"{verb}_mailbox" for verb in VERBS))
    return tenant


def test_a_new_mailbox_is_its_makers_own(api: APIClient, alice: User, acme: Tenant) -> None:
    resource = made(api)
    here = resource["links"]["self"]
    assert resource["relationships"] == {
        name: {"data": {"type": "user", "id": alice.pk}, "links": {"related": f"{here}/{name}"}}
        for name in ("user", "creator", "updater")
    } | {name: {"links": {"related": f"{here}/{name}"}} for name in ("mailAliases", "mailings")}
    assert resource["attributes"]["userId"] == alice.pk
    assert Mailbox.objects.get().tenant == acme


def test_it_is_nobodys_tenants_where_nobody_could_say_whose(
    api: APIClient, alice: User, acme: Tenant
) -> None:
    make_tenant().members.add(alice)
    made(api)
    assert Mailbox.objects.get().tenant is None


def test_with_permission_it_is_made_for_a_colleague(api: APIClient, bob: User, acme: Tenant) -> None:
    for key in (bob.pk, str(bob.pk)):
        resource = made(api, user=key)
        assert resource["relationships"]["user"]["data"] == {"type": "user", "id": bob.pk}
    assert {box.tenant for box in Mailbox.objects.all()} == {acme}
    assert len(data_of(client_of(bob).get(URL))) == 2


def test_without_permission_only_ones_own_is_made(bob: User, alice: User, acme: Tenant) -> None:
    api = client_of(bob)
    assert refusals(send(api, "POST", "", document(user=alice.pk)), 403) == {"": "unauthorizedRequest"}
    assert made(api, user=bob.pk)["attributes"]["userId"] == bob.pk


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_who_is_no_colleague_looks_like_nobody(api: APIClient, acme: Tenant, who: str) -> None:
    key = make_user().pk if who == "stranger" else 10**9
    assert refusals(send(api, "POST", "", document(user=key))) == {f"{USER}/data/id": "validationError"}
    own = made(api)["id"]
    assert refusals(changed(api, own, user=key)) == {f"{USER}/data/id": "validationError"}


def test_a_superuser_makes_mailboxes_for_anybody(alice: User, bob: User, acme: Tenant) -> None:
    root = make_user("root", is_superuser=True)
    made(client_of(root), user=bob.pk)
    made(client_of(root), user=make_user().pk)
    assert sorted(box.tenant_id or 0 for box in Mailbox.objects.all()) == [0, acme.pk]
    assert refusals(send(client_of(root), "POST", "", document(user=10**9)))


@pytest.mark.parametrize(
    ("relationship", "status", "place"),
    [
        (None, 422, ""),
        ([], 422, ""),
        ({}, 422, "/data"),
        ({"data": None}, 422, "/data"),
        ({"data": []}, 422, "/data"),
        ({"data": {"type": "user"}}, 422, "/data/id"),
        ({"data": {"id": 1}}, 422, "/data/type"),
        ({"data": {"type": "mailbox", "id": 1}}, 409, "/data/type"),
        ({"data": {"type": "user", "id": "x"}}, 422, "/data/id"),
        ({"data": {"type": "user", "id": True}}, 422, "/data/id"),
        ({"data": {"type": "user", "id": 2**70}}, 422, "/data/id"),
        ({"data": {"type": "user", "id": 1}, "x": 1}, 422, "/x"),
    ],
    ids=str,
)
def test_a_user_that_is_none_is_refused(api: APIClient, relationship: Any, status: int, place: str) -> None:
    body = {"data": {"type": "mailbox", "relationships": {"user": relationship}}}
    assert set(refusals(send(api, "POST", "", body), status)) == {USER + place}


def test_what_says_who_made_it_is_ignored_in_a_write(
    api: APIClient, alice: User, bob: User, acme: Tenant
) -> None:
    body = document(email="a@b.test", sendMethod="ews")
    other = {"data": {"type": "user", "id": bob.pk}}
    body["data"]["relationships"] = {"creator": other, "updater": other}
    relationships = data_of(send(api, "POST", "", body))["relationships"]
    assert relationships["creator"]["data"]["id"] == alice.pk


def test_a_mailbox_becomes_a_colleagues_without_its_password(api: APIClient, bob: User, acme: Tenant) -> None:
    key = made(api, password="not-a-real-password")["id"]
    assert refusals(changed(api, key, user=bob.pk)) == {"/data/attributes/password": "validationError"}
    assert Mailbox.objects.get().owner != bob
    data = data_of(changed(api, key, user=bob.pk, password="another-not-real-password"))
    assert data["attributes"]["userId"] == bob.pk


def test_a_mailbox_without_a_password_becomes_a_colleagues(api: APIClient, bob: User, acme: Tenant) -> None:
    key = made(api)["id"]
    assert data_of(changed(api, key, user=bob.pk))["attributes"]["userId"] == bob.pk
    assert data_of(changed(api, key, user=bob.pk))["attributes"]["userId"] == bob.pk


def test_an_owner_without_permission_gives_nothing_away(alice: User, bob: User, acme: Tenant) -> None:
    key = made(client_of(bob))["id"]
    assert refusals(changed(client_of(bob), key, user=alice.pk), 403)


def test_a_mailbox_of_a_tenant_stays_among_its_members(api: APIClient, alice: User, acme: Tenant) -> None:
    other, carol = make_tenant(), make_user("carol")
    other.members.set([alice, carol])
    key = make_mailbox(owner=alice, tenant=acme).pk
    assert refusals(changed(api, key, user=carol.pk)) == {f"{USER}/data/id": "validationError"}


def test_who_looks_is_told_what_they_may_do(api: APIClient, alice: User, bob: User, acme: Tenant) -> None:
    reader = permit(make_user("reader"), "view_mailbox", "delete_mailbox")
    acme.members.add(reader)
    key = made(api, user=bob.pk)["id"]
    for person, can_write, can_delete in ((alice, True, True), (bob, True, True), (reader, False, True)):
        for path in (f"/{key}", ""):
            data = data_of(send(client_of(person), "GET", f"{path}?provideAuthorizationMeta=true"))
            one = data if path else data[0]
            assert one["meta"] == {"canWrite": can_write, "canDelete": can_delete}
            assert one["attributes"]["editable"] is can_write
    assert "meta" not in data_of(send(api, "GET", f"/{key}"))


def test_related_users_are_where_the_links_say(api: APIClient, alice: User, bob: User, acme: Tenant) -> None:
    resource = made(api, user=bob.pk)
    for name, person in (("user", bob), ("creator", alice), ("updater", alice)):
        relationship = resource["relationships"][name]
        found = data_of(api.get(relationship["links"]["related"]))
        assert found == {**relationship["data"], "attributes": {"name": person.username}}
    nobodys = make_mailbox(owner=alice).pk
    assert data_of(send(api, "GET", f"/{nobodys}/creator")) is None
