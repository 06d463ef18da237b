"""Aliases over REST: read by who sees the mailbox, listed as mailboxes are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from mailconfig.api.mailboxes.resources import email_hash
from mailconfig.models import MailAlias
from tests.factories import make_mailbox, make_user

from .calls import URL, data_of, made, refusals

pytestmark = pytest.mark.django_db

ALIASES = "/api/v2/mailAliases"


def alias_of(key: int, email: str = "sales@example.com", **values: Any) -> MailAlias:
    return MailAlias.objects.create(mailbox_id=key, email=email, **values)


def emails(response: Any) -> list[str]:
    return [one["attributes"]["email"] for one in data_of(response)]


def test_an_alias_says_all_that_it_has(api: APIClient) -> None:
    key = made(api)["id"]
    alias = alias_of(key, can_send=True)

    found = data_of(api.get(f"{ALIASES}/{alias.pk}"))

    times = {name: found["attributes"].pop(name) for name in ("createdAt", "updatedAt")}
    assert all(time.endswith("Z") for time in times.values())
    assert found == {
        "type": "mailAlias",
        "id": alias.pk,
        "attributes": {
            "canSend": True,
            "email": "sales@example.com",
            "emailHash": email_hash("Sales@example.com"),
        },
        "relationships": {
            "mailbox": {
                "data": {"type": "mailbox", "id": key},
                "links": {"related": f"http://testserver{URL}/{key}"},
            }
        },
        "links": {"self": f"http://testserver{ALIASES}/{alias.pk}"},
    }


def test_a_mailbox_says_where_its_aliases_are(api: APIClient) -> None:
    read, other = made(api), made(api, email="you@example.com")
    alias_of(read["id"])
    alias_of(other["id"], "other@example.com")

    assert emails(api.get(read["relationships"]["mailAliases"]["links"]["related"])) == ["sales@example.com"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sort=-email", ["c@x.test", "b@x.test", "a@x.test"]),
        ("filter[email]=B@x.test,c@x.test", ["b@x.test", "c@x.test"]),
        ("filter[mailbox][id]={key}", ["a@x.test", "b@x.test"]),
        ("filter[mailbox][id]={key}&filter[id]=1..inf&page[size]=1", ["a@x.test"]),
        ("filter[createdAt]=2020-01-01..2020-01-02", []),
        ("page[limit]=2&page[offset]=1", ["b@x.test", "c@x.test"]),
    ],
)
def test_aliases_are_filtered_sorted_and_paged(api: APIClient, query: str, found: list[str]) -> None:
    key, other = made(api)["id"], made(api, email="you@example.com")["id"]
    for email in ("a@x.test", "b@x.test"):
        alias_of(key, email)
    alias_of(other, "c@x.test")

    assert emails(api.get(f"{ALIASES}?{query.format(key=key)}")) == found


def test_pages_are_counted_and_lead_on(api: APIClient) -> None:
    key = made(api)["id"]
    for number in range(3):
        alias_of(key, f"a{number}@x.test")

    first = api.get(f"{ALIASES}?page[size]=2&count=true&sort=email")
    assert first.json()["meta"] == {"count": 3}
    assert emails(api.get(first.json()["links"]["next"])) == ["a2@x.test"]


def test_mailboxes_come_along_as_they_are_wanted_and_once(api: APIClient) -> None:
    key = made(api)["id"]
    for number in range(3):
        alias_of(key, f"a{number}@x.test")
    query = "include=mailbox&fields[mailbox]=email&fields[mailAlias]=email&provideAuthorizationMeta=true"

    with CaptureQueriesContext(connection) as asked:
        answer = api.get(f"{ALIASES}?{query}").json()

    assert len(asked) <= 9
    assert [one["attributes"] for one in answer["included"]] == [{"email": "me@example.com"}]
    assert all(one["relationships"] == {} for one in answer["data"])
    assert all(one["meta"] == {"canWrite": False, "canDelete": False} for one in answer["data"])


@pytest.mark.parametrize(
    "query", ["filter[canSend]=true", "sort=canSend", "include=user", "fields[mailAlias]=password", "x=1"]
)
def test_what_is_not_known_is_refused(api: APIClient, query: str) -> None:
    assert refusals(api.get(f"{ALIASES}?{query}")) == {query.partition("=")[0]: "validationError"}


def test_aliases_of_others_are_nobodys(api: APIClient) -> None:
    alias = alias_of(make_mailbox(owner=make_user("bob")).pk)

    assert emails(api.get(ALIASES)) == []
    for path in (f"{ALIASES}/{alias.pk}", f"{ALIASES}/x", f"{URL}/{alias.mailbox_id}/mailAliases"):
        assert refusals(api.get(path), 404) == {"": "resourceNotFound"}
