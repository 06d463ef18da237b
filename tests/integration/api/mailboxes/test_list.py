"""The list: filters, order, both ways of paging, and what of each resource is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig.models import Account, EventWebhook, Mailbox
from mailconfig.secrets import keyring
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_mailbox, make_user

from .calls import URL, data_of, refusals, send

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def boxes(alice: User) -> list[Mailbox]:
    """Five of Alice's: e to a by address, a day apart, the last two changed at the same moment."""
    found = [make_mailbox(from_email=f"{letter}@example.com", owner=alice) for letter in "edcba"]
    for number, box in enumerate(found):
        changed = DAY + timedelta(days=min(number, 3))
        Account.objects.filter(pk=box.pk).update(created_at=DAY + timedelta(days=number), updated_at=changed)
    return found


def listed(api: APIClient, query: str) -> Any:
    """The letters of the addresses, in their order."""
    data = data_of(api.get(f"{URL}?{query}"))
    return "".join(one["attributes"]["email"][0] for one in data)


@pytest.mark.parametrize(
    ("query", "letters"),
    [
        ("", "edcba"),
        ("sort=email", "abcde"),
        ("sort=-email", "edcba"),
        ("sort=-createdAt", "abcde"),
        ("sort=-updatedAt,email", "abcde"),
        ("sort=userId,-createdAt", "abcde"),
        ("sort=", "edcba"),
        ("filter[email]=A@example.com", "a"),
        ("filter[email]=a@example.com,c@example.com", "ca"),
        ("filter[email]=b@example.com..d@example.com", "dcb"),
        ("filter[email]=neginf..b@example.com,e@example.com", "eba"),
        ("filter[email]=nobody@example.com", ""),
        ("filter[createdAt]=2026-03-02", "d"),
        ("filter[createdAt]=2026-03-02T12:00:00Z", "d"),
        ("filter[createdAt]=2026-03-02T13:00:00%2B01:00", "d"),
        ("filter[createdAt]=2026-03-02T12:00:01Z", ""),
        ("filter[createdAt]=2026-03-02..2026-03-04", "dcb"),
        ("filter[createdAt]=2026-03-04T12:00:00Z..inf", "ba"),
        ("filter[createdAt]=neginf..2026-03-02T11:59:59Z", "e"),
        ("filter[createdAt]=neginf..inf", "edcba"),
        ("filter[updatedAt]=2026-03-04", "ba"),
        ("filter[updatedAt]=2026-03-04&filter[email]=a@example.com", "a"),
    ],
)
def test_filters_and_order_do_what_they_say(
    api: APIClient, boxes: list[Mailbox], query: str, letters: str
) -> None:
    assert listed(api, query) == letters


def test_ids_are_values_lists_and_ranges(api: APIClient, alice: User, boxes: list[Mailbox]) -> None:
    first, second, third, *_others = (box.pk for box in boxes)
    assert listed(api, f"filter[id]={second}") == "d"
    assert listed(api, f"filter[id]={first},{third}") == "ec"
    assert listed(api, f"filter[id]={second}..{third}") == "dc"
    assert listed(api, f"filter[id]=neginf..{second}") == "ed"
    assert listed(api, f"filter[id]={third}..inf,{first}") == "ecba"
    assert listed(api, f"filter[id]={third}..{second}") == ""
    for name in ("filter[userId]", "filter[user][id]"):
        assert listed(api, f"{name}={alice.pk}") == "edcba"
        assert listed(api, f"{name}={alice.pk + 1}..inf") == ""


def test_mailboxes_of_nobody_come_first_by_user(api: APIClient, alice: User, boxes: list[Mailbox]) -> None:
    alice.is_superuser = True
    alice.save()
    make_mailbox(from_email="z@example.com")
    make_mailbox(from_email="y@example.com", owner=make_user("zoe"))
    assert listed(api, "sort=userId,email") == "zabcdey"
    pages = walk(api, "sort=userId,email&page[size]=2")
    assert "".join(pages) == "zabcdey"


def walk(api: APIClient, query: str, link: str = "next") -> list[str]:
    """The letters of each page, following its links."""
    pages, url = [], f"{URL}?{query}"
    while url:
        answer = api.get(url)
        pages.append("".join(one["attributes"]["email"][0] for one in data_of(answer)))
        url = answer.json()["links"][link]
        assert len(pages) < 10
    return pages


@pytest.mark.parametrize("sort", ["", "email", "-updatedAt", "updatedAt,-email", "-userId,createdAt"])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_pages_by_cursor_hold_each_once_and_lead_back(
    api: APIClient, boxes: list[Mailbox], sort: str, size: int
) -> None:
    query = f"sort={sort}&page[size]={size}"
    pages = walk(api, query)
    assert "".join(pages) == listed(api, f"sort={sort}")
    assert all(len(page) == size for page in pages[:-1])

    url = f"{URL}?{query}"
    for _ in pages[1:]:
        url = api.get(url).json()["links"]["next"]
    assert walk(api, url.partition("?")[2], "prev") == pages[::-1] if len(pages) > 1 else True
    assert listed(api, api.get(url).json()["links"]["first"].partition("?")[2]) == pages[0]


def test_a_cursor_stays_where_it_is_when_rows_come_and_go(
    api: APIClient, alice: User, boxes: list[Mailbox]
) -> None:
    following = api.get(f"{URL}?sort=email&page[size]=2").json()["links"]["next"]
    Account.objects.filter(from_email__in=["a@example.com", "b@example.com"]).delete()
    make_mailbox(from_email="aa@example.com", owner=alice)
    assert listed(api, following.partition("?")[2]) == "cd"


def test_a_cursor_is_of_its_own_order_and_made_by_nobody_else(api: APIClient, boxes: list[Mailbox]) -> None:
    url = api.get(f"{URL}?sort=email&page[size]=2").json()["links"]["next"]
    cursor = re.search(r"after%5D=([^&]+)", url)
    assert cursor
    tampered = url.replace(cursor[1], cursor[1][:-1] + ("a" if cursor[1][-1] != "a" else "b"))
    for wrong in (
        url.replace("sort=email", "sort=createdAt"),
        tampered,
        url.replace("after%5D=", "after%5D=x"),
    ):
        assert refusals(api.get(wrong)) == {"page[after]": "validationError"}


def test_pages_by_offset_lead_on_and_back(api: APIClient, boxes: list[Mailbox]) -> None:
    assert walk(api, "page[limit]=2") == ["ed", "cb", "a"]
    assert walk(api, "page[limit]=2&page[offset]=4", "prev") == ["a", "cb", "ed"]
    assert listed(api, "page[offset]=10000") == ""
    links = api.get(f"{URL}?page[limit]=5").json()["links"]
    assert (links["prev"], links["next"]) == (None, None)


def test_links_keep_what_was_asked_for(api: APIClient, boxes: list[Mailbox]) -> None:
    query = f"{quote('filter[email]')}=a@example.com,b@example.com&page[size]=1&count=true"
    answer = api.get(f"{URL}?{query}").json()
    assert answer["meta"] == {"count": 2}
    following = api.get(answer["links"]["next"]).json()
    assert (len(following["data"]), following["meta"]) == (1, {"count": 2})
    assert following["links"]["next"] is None


def test_a_count_is_told_if_it_is_asked_for(api: APIClient, boxes: list[Mailbox]) -> None:
    assert "meta" not in api.get(URL).json()
    assert "meta" not in api.get(f"{URL}?count=false").json()
    assert api.get(f"{URL}?count=true&page[limit]=1").json()["meta"] == {"count": 5}


def test_only_the_fields_that_are_wanted_are_answered(api: APIClient, boxes: list[Mailbox]) -> None:
    for path in ("", f"/{boxes[0].pk}"):
        data = data_of(send(api, "GET", f"{path}?fields[mailbox]=email,user"))
        one = data if path else data[0]
        assert one["attributes"] == {"email": "e@example.com"}
        assert list(one["relationships"]) == ["user"]
        assert one["links"]["self"].endswith(f"/{boxes[0].pk}")
    assert data_of(api.get(f"{URL}?fields[mailbox]="))[0]["attributes"] == {}


def test_users_are_included_once(api: APIClient, alice: User, boxes: list[Mailbox]) -> None:
    answer = api.get(f"{URL}?include=user,creator,updater").json()
    assert answer["included"] == [{"type": "user", "id": alice.pk, "attributes": {"name": "alice"}}]
    assert api.get(f"{URL}?include=user&fields[user]=").json()["included"][0]["attributes"] == {}
    assert api.get(f"{URL}?include=creator").json()["included"] == []
    assert api.get(f"{URL}?include=").json()["included"] == [], "asked for, and nothing found (JSON:API 1.1)"
    assert "included" not in api.get(URL).json()


def test_a_parameter_of_the_list_is_none_of_one_mailbox(api: APIClient, boxes: list[Mailbox]) -> None:
    assert refusals(send(api, "GET", f"/{boxes[0].pk}?sort=email")) == {"sort": "validationError"}
    assert refusals(send(api, "GET", f"/{boxes[0].pk}/user?include=user")) == {"include": "validationError"}


@pytest.mark.parametrize(
    ("sends_by", "syncs_by"), [("sendgrid", "gmail_api"), ("ews", "ews"), ("sendgrid", "ews")]
)
def test_a_list_asks_no_more_and_opens_nothing_whatever_mailboxes_send_and_sync_by(
    api: APIClient, alice: User, settings: Settings, sends_by: str, syncs_by: str
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com"}
    asked = []
    for count in (2, 10):
        for number in range(count - Mailbox.objects.count()):
            mailbox = make_mailbox(
                owner=alice,
                from_email=f"{number}.{count}@example.com",
                username="me@example.com",
                send_method=sends_by,
                sync_method=syncs_by,
                ews_endpoint="https://mail.example.com/EWS/Exchange.asmx",
                ews_secret=Secret(PASSWORD),
                sendgrid_secret=Secret(PASSWORD),
            )
            if sends_by == "sendgrid":
                EventWebhook.objects.get_or_create(account=mailbox, service="sendgrid")
        send(api, "GET", "")
        with CaptureQueriesContext(connection) as queries, opened_secrets() as opened:
            rows = data_of(send(api, "GET", ""))
        assert len(rows) == count
        has_url = {bool(row["attributes"]["sendgridWebhookUrl"]) for row in rows}
        assert has_url == {sends_by == "sendgrid"}
        assert opened == []
        asked.append(len(queries))

    assert asked[0] == asked[1]


@contextmanager
def opened_secrets() -> Iterator[list[str]]:
    """Ciphertexts that are decrypted meanwhile."""
    opened: list[str] = []
    kept = keyring.open

    def open_(*args: Any, **values: Any) -> Any:
        opened.append(str(args[0]))
        return kept(*args, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyring, "open", open_)
        yield opened
