"""The list: pages, filters, orders, and how little it asks of database and keys."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from mailconfig.models import Lane, Purpose, SMTPProvider
from tests.factories import make_account, make_mailbox
from tests.integration.api.calls import URL, make_provider, refused

pytestmark = pytest.mark.django_db

KEYS = [
    *("id", "caption", "driver", "host", "port", "username", "sendFrom", "sendFromName", "encryption"),
    *("isEnabled", "hasPassword", "createTime", "updateTime"),
]


def make_providers(count: int, **values: Any) -> None:
    """Many at once, named by their number, every third one disabled."""
    rows = SMTPProvider.objects.bulk_create(
        SMTPProvider(
            kind="smtp_provider",
            name=f"Number {number:04}",
            host="smtp.example.com",
            username="shop",
            from_email="shop@example.com",
            from_name="The shop",
            is_enabled=number % 3 != 0,
            **values,
        )
        for number in range(count)
    )
    Lane.objects.bulk_create(Lane(account_id=row.pk, purpose=Purpose.SEND) for row in rows)


def captions(response: Any) -> list[str]:
    """Those on the page."""
    assert response.status_code == 200, response.content
    return [item["caption"] for item in response.json()]


def followed(response: Any, relation: str) -> str | None:
    """Where a relation of the Link header leads."""
    found = re.search(rf'<([^>]+)>; rel="{relation}"', response.headers.get("Link", ""))
    return found[1] if found else None


def test_nothing_is_an_empty_array(api: APIClient) -> None:
    response = api.get(URL)

    assert response.json() == []
    assert response["X-Total-Count"] == "0"
    assert "Link" not in response


def test_a_provider_has_these_fields_and_no_password(api: APIClient) -> None:
    provider = make_provider()

    (item,) = api.get(URL).json()

    assert list(item) == KEYS
    assert item == api.get(f"{URL}/{provider.pk}").json()
    times = [item.pop("createTime"), item.pop("updateTime")]
    assert item == {
        "id": provider.pk,
        "caption": "Shop",
        "driver": "smtp",
        "host": "127.0.0.1",
        "port": 2525,
        "username": "shop@mail.test",
        "sendFrom": "shop@example.com",
        "sendFromName": "The shop",
        "encryption": "tls",
        "isEnabled": True,
        "hasPassword": True,
    }
    assert [datetime.fromisoformat(text) for text in times] == [provider.created_at, provider.updated_at]
    assert all(text.endswith("Z") for text in times)


@pytest.mark.parametrize(
    ("security", "word"), [("tls", "ssl"), ("starttls", "tls"), ("none", ""), ("opportunistic", "")]
)
def test_an_encryption_that_only_the_admin_knows_has_no_word(
    api: APIClient, security: str, word: str
) -> None:
    make_provider(security=security)

    assert api.get(URL).json()[0]["encryption"] == word


def test_only_providers_are_listed(api: APIClient) -> None:
    make_account()
    make_mailbox()
    deleted = make_provider()
    api.delete(f"{URL}/{deleted.pk}")

    assert api.get(URL).json() == []


def test_a_walk_over_the_pages_meets_every_provider_once(api: APIClient) -> None:
    make_providers(205)
    seen: list[str] = []
    url: str | None = f"{URL}?sort=-caption"
    pages = 0
    response: Any = None
    while url:
        response = api.get(url)
        seen += captions(response)
        assert response["X-Total-Count"] == "205"
        url = followed(response, "next")
        pages += 1

    assert pages == 11
    assert seen == [f"Number {number:04}" for number in reversed(range(205))]
    last = api.get(followed(response, "last") or "")
    assert captions(last) == seen[200:]
    url, back = followed(last, "prev"), captions(last)
    while url:
        response = api.get(url)
        back = captions(response) + back
        url = followed(response, "prev")
    assert back == seen


def test_twenty_are_answered_and_at_most_a_hundred(api: APIClient) -> None:
    make_providers(105)

    assert len(api.get(URL).json()) == 20
    assert len(api.get(URL, {"limit": 100}).json()) == 100
    assert captions(api.get(URL, {"limit": 1, "offset": 104})) == ["Number 0104"]
    beyond = api.get(URL, {"offset": 999_999_999})
    assert (beyond.json(), beyond["X-Total-Count"]) == ([], "105")
    assert captions(api.get(followed(beyond, "prev") or "")) == captions(api.get(URL, {"offset": 100}))


def test_filters_count_and_link_what_they_leave(api: APIClient) -> None:
    make_providers(90)

    for spelling in ("false", "0"):
        response = api.get(URL, {"isEnabled": spelling, "limit": 7})
        assert response["X-Total-Count"] == "30"
        assert not any(item["isEnabled"] for item in response.json())
        following = api.get(followed(response, "next") or "")
        assert captions(following) == [f"Number {number:04}" for number in range(21, 42, 3)]
    assert api.get(URL, {"isEnabled": "true"})["X-Total-Count"] == "60"
    assert captions(api.get(URL, {"caption": "Number 0007"})) == ["Number 0007"]
    assert captions(api.get(URL, {"caption": "number 7"})) == []
    assert captions(api.get(URL, {"caption": "Number 0003", "isEnabled": "1"})) == []


def test_a_caption_is_looked_for_as_it_is(api: APIClient) -> None:
    for name in ("", "50% off_", 'a"b', "日本語", "a&b=c"):
        make_provider(name=name)
        assert captions(api.get(URL, {"caption": name})) == [name]
    assert captions(api.get(URL, {"caption": "%"})) == []


def test_an_order_may_have_several_fields(api: APIClient) -> None:
    for name, port in (("b", 25), ("a", 465), ("b", 587), ("a", 25)):
        make_provider(name=name, host=f"h{port}.example.com")

    def hosts(sort: str) -> list[tuple[str, str]]:
        return [(item["caption"], item["host"]) for item in api.get(URL, {"sort": sort}).json()]

    assert hosts("caption,-createTime") == sorted(hosts("caption,-createTime"), key=lambda pair: pair[0])
    assert hosts("-caption,host") == [
        ("b", "h25.example.com"),
        ("b", "h587.example.com"),
        ("a", "h25.example.com"),
        ("a", "h465.example.com"),
    ]
    ids = [item["id"] for item in api.get(URL, {"sort": "-id"}).json()]
    assert ids == sorted(ids, reverse=True)
    assert [item["id"] for item in api.get(URL).json()] == sorted(ids)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=-1", "limit=0", "limit=101", "limit=1000000000", "limit=abc", "limit=", "limit=1.0", "limit=%EF%BC%91"),
        *("offset=-1", "offset=abc", "offset=1000000000", "offset=9999999999999999999", "offset="),
        *("isEnabled=yes", "isEnabled=", "isEnabled=TRUE", "isEnabled=2", "isEnabled=None"),
        *("sort=password", "sort=secret", "sort=name", "sort=--caption", "sort=%3F", "sort=owner__password"),
        *("caption=%00", "caption=a&caption=b", "host=x", "host=%00", "secret=x", "caption__startswith=a"),
        *("isEnabled[]=1", "filter[caption]=a", "page=1", "%00=1", "sort=" + "caption," * 5000 + "x"),
    ],
    ids=lambda query: query[:30],
)  # fmt: skip
def test_an_unknown_or_bad_parameter_is_refused_by_name(api: APIClient, query: str) -> None:
    make_provider()

    body = refused(api.get(f"{URL}?{query}"), 400)

    (name,) = body["errors"]
    assert query.replace("%00", "\0").startswith(name)


def test_a_thousand_are_listed_by_as_many_queries_as_ten_and_without_any_key(
    api: APIClient, settings: Any
) -> None:
    provider = make_provider()
    make_providers(9)
    settings.FIELD_ENCRYPTION_KEY = []  # what is decrypted now is an error

    def asked(**parameters: Any) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert api.get(URL, parameters).status_code == 200
        return len(queries)

    few = asked(limit=10)
    make_providers(990)

    # The token, the permissions of the user and of the groups, the count, the page.
    assert few == asked(limit=100) == asked(limit=100, sort="-caption", offset=500, isEnabled="true") == 5
    with CaptureQueriesContext(connection) as queries:
        assert api.get(f"{URL}/{provider.pk}").json()["hasPassword"]
    assert len(queries) == 4
