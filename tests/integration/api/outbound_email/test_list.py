"""Lists: pages, filters, order, fields, and what they cost."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailconfig.api.outbound_email import listing
from mailconfig.models import Account
from mailconfig.secrets import keyring
from tests.bearer import client_of
from tests.integration.api.outbound_email.conftest import (
    URL,
    at,
    permit,
    put,
    stored,
    stored_override,
    stored_system,
)

pytestmark = pytest.mark.django_db


def ask(user: User | None, *parameters: tuple[str, object]) -> Any:
    """A list."""
    return client_of(user).get(f"{URL}?{urlencode(parameters)}")


def names(user: User, *parameters: tuple[str, object]) -> list[str]:
    """The names of the records, in their order."""
    answer = ask(user, *parameters)
    assert answer.status_code == 200, answer.content
    return [record["name"] for record in answer.json()["records"]]


@pytest.fixture
def three(alice: User) -> list[Account]:
    """Three accounts that differ in everything."""
    return [
        stored(None, alice, name="Büro", host="smtp.a.test", port=465, username="Foo@a.test"),
        stored(
            None, alice, name="100%", preset="gmail", host="mail.b.test", port=587, security="starttls",
            username="bar@b.test",
        ),
        stored(
            None, alice, name="Zentrale, neu", preset="rackspace", host="SMTP.c.test", port=25, security="none",
            username="", authentication="none", secret=None,
        ),
    ]  # fmt: skip


def test_the_records_are_those_of_the_single_calls(alice: User, three: list[Account]) -> None:
    single = [client_of(alice).get(at(account)).json() for account in three]

    assert ask(alice).json() == {"next_offset": -1, "records": single}


def test_an_empty_list_is_one_too(alice: User) -> None:
    assert ask(alice).json() == {"next_offset": -1, "records": []}


def test_pages_follow_each_other_without_gap_or_overlap(alice: User) -> None:
    for number in range(45):
        stored(None, alice, name=f"{number % 2}", secret=None, authentication="none")

    found, offset, sizes = [], 0, []
    while offset >= 0:
        page = ask(alice, ("offset", offset), ("order_by", "name:DESC")).json()
        found += [record["id"] for record in page["records"]]
        sizes.append(len(page["records"]))
        offset = page["next_offset"]

    assert sizes == [20, 20, 5]
    assert len(set(found)) == 45


def test_a_last_page_that_is_full_says_so(alice: User, three: list[Account]) -> None:
    assert ask(alice, ("max_num", 3)).json()["next_offset"] == -1
    assert ask(alice, ("max_num", 2)).json()["next_offset"] == 2
    assert ask(alice, ("offset", 10**9 - 1)).json() == {"next_offset": -1, "records": []}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("mail_smtpport:DESC", ["100%", "Büro", "Zentrale, neu"]),
        ("mail_smtpport:ASC", ["Zentrale, neu", "Büro", "100%"]),
        ("mail_smtpport:asc", ["Zentrale, neu", "Büro", "100%"]),
        ("mail_smtpport", ["Zentrale, neu", "Büro", "100%"]),
        ("type:DESC,mail_smtpport:desc", ["100%", "Büro", "Zentrale, neu"]),
        ("user_id,mail_smtpport", ["Zentrale, neu", "Büro", "100%"]),
    ],
)
def test_the_order_is_the_one_asked_for(
    alice: User, three: list[Account], order: str, expected: list[str]
) -> None:
    assert names(alice, ("order_by", order)) == expected


def test_a_field_that_is_named_often_is_ordered_by_once(alice: User) -> None:
    """A query with thousands of columns is one that the database refuses."""
    assert listing.ordering(",".join(["name:DESC", "name", "id"] * 3000)) == ["-name", "uuid", "pk"]
    assert ask(alice, ("order_by", ",".join(["name"] * 300))).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([("filter[0][name]", "Büro")], ["Büro"]),
        ([("filter[0][name][$equals]", "Büro")], ["Büro"]),
        ([("filter[0][name]", "bür")], []),
        ([("filter[0][name][$starts]", "b")], ["Büro"]),
        ([("filter[0][name][$contains]", "ENTRAL")], ["Zentrale, neu"]),
        ([("filter[0][name][$contains]", "%")], ["100%"]),
        ([("filter[0][name][$in]", "Büro,100%,x")], ["Büro", "100%"]),
        ([("filter[0][name][$in][]", "Zentrale, neu"), ("filter[0][name][$in][]", "Büro")],
         ["Büro", "Zentrale, neu"]),
        ([("filter[0][name][$in][0]", "Zentrale, neu")], ["Zentrale, neu"]),
        ([("filter[0][mail_smtpserver][$starts]", "smtp")], ["Büro", "Zentrale, neu"]),
        ([("filter[0][mail_smtpserver][$starts]", "smtp"), ("filter[1][mail_smtpport]", "25")],
         ["Zentrale, neu"]),
        ([("filter[0][mail_smtpport][$in]", "25,587")], ["100%", "Zentrale, neu"]),
        ([("filter[0][mail_smtpuser]", "bar@b.test")], ["100%"]),
        ([("filter[0][mail_smtptype]", "google")], ["100%"]),
        ([("filter[0][mail_smtptype]", "other")], ["Zentrale, neu"]),
        ([("filter[0][mail_smtpssl]", "0")], ["Zentrale, neu"]),
        ([("filter[0][mail_smtpssl][$in]", "1,2")], ["Büro", "100%"]),
        ([("filter[0][mail_smtpauth_req]", "false")], ["Zentrale, neu"]),
        ([("filter[0][type]", "user"), ("filter[0][mail_smtpauth_req]", "true")], ["Büro", "100%"]),
        ([("filter[0][type]", "system")], []),
    ],
)  # fmt: skip
def test_a_filter_finds_what_it_says(
    alice: User, three: list[Account], parameters: list[tuple[str, object]], expected: list[str]
) -> None:
    assert names(alice, *parameters) == expected


def test_a_filter_by_id_and_owner(alice: User, three: list[Account]) -> None:
    assert names(alice, ("filter[0][id]", three[1].uuid)) == ["100%"]
    assert len(names(alice, ("filter[0][user_id]", alice.pk))) == 3
    assert names(alice, ("filter[0][user_id]", alice.pk + 1)) == []


def test_a_filter_never_widens_what_is_seen(alice: User, charlie: User, three: list[Account]) -> None:
    assert names(charlie, ("filter[0][user_id]", alice.pk)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "1"),
        ("format", "api"),
        ("filter", "x"),
        ("filter[]", "x"),
        ("filter[0]", "x"),
        ("filter[0][x]", "1"),
        ("filter[0][mail_smtppass]", "true"),
        ("filter[0][mail_smtppass][$starts]", "a"),
        ("filter[0][secret]", "1"),
        ("filter[0][owner__password]", "1"),
        ("filter[0][name][$ends]", "x"),
        ("filter[0][name][$not_equals]", "x"),
        ("filter[0][name][equals]", "x"),
        ("filter[0][name][$equals][]", "x"),
        ("filter[0][name][$in][a]", "x"),
        ("filter[0][$or][0][name]", "x"),
        ("filter[x][name]", "x"),
        ("filter[0][name]x", "x"),
        ("filter[0][name]", "x" * 256),
        ("filter[0][name]", "\0"),
        ("filter[0][name][$in]", "," * 200),
        ("filter[0][id]", "x"),
        ("filter[0][user_id]", "x"),
        ("filter[0][user_id]", "1" * 30),
        ("filter[0][user_id]", "１"),
        ("filter[0][user_id]", "-1"),
        ("filter[0][mail_smtpport]", "x"),
        ("filter[0][mail_smtpport]", "1" * 30),
        ("filter[0][mail_smtpport][$starts]", "4"),
        ("filter[0][mail_smtpssl]", "3"),
        ("filter[0][mail_smtptype]", "gmail"),
        ("filter[0][mail_smtpauth_req]", "1"),
        ("filter[0][type]", "admin"),
        ("order_by", "x"),
        ("order_by", "secret"),
        ("order_by", "mail_smtppass"),
        ("order_by", "name:UP"),
        ("order_by", "-name"),
        ("order_by", "name:DESC:ASC"),
        ("fields", "x"),
        ("fields", "name,secret"),
        ("max_num", "0"),
        ("max_num", "-1"),
        ("max_num", "1001"),
        ("max_num", "x"),
        ("max_num", ""),
        ("max_num", "１"),
        ("offset", "-1"),
        ("offset", "10000000000"),
        ("offset", "1e3"),
    ],
    ids=ascii,
)
def test_what_is_not_known_is_refused_by_its_name(alice: User, name: str, value: str) -> None:
    answer = ask(alice, (name, value))

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter"), answer.content
    assert answer.json()["error_message"].startswith(f"{name}: ")


def test_too_many_filters_and_repeated_ones_are_refused(alice: User) -> None:
    many = [(f"filter[{number}][name]", "x") for number in range(21)]

    for parameters in (many, [("filter[0][name]", "x")] * 2, [("offset", 1)] * 2):
        assert ask(alice, *parameters).status_code == 422


def test_only_the_fields_that_are_wanted_come(alice: User, three: list[Account]) -> None:
    (record, *_others) = ask(alice, ("fields", "name,mail_smtppass")).json()["records"]

    assert record.keys() == {"id", "name", "mail_smtppass", "_acl", "_module"}
    assert record["mail_smtppass"] is True


def test_the_permission_widens_the_list_to_ones_tenants(alice: User, bob: User, three: list[Account]) -> None:
    assert names(bob) == []
    permit(bob, "view")
    assert len(names(bob)) == 3


def test_an_override_is_listed_with_the_system_accounts_server(alice: User) -> None:
    stored_system(None, host="relay.test", port=2525, security="starttls")
    stored_override(alice)

    for parameters in (
        [],
        [("filter[0][mail_smtpserver]", "relay.test")],
        [("filter[0][mail_smtpport]", "2525")],
        [("filter[0][mail_smtpssl]", "2"), ("order_by", "mail_smtpserver:DESC")],
    ):
        (record,) = ask(alice, *parameters).json()["records"]
        assert (record["type"], record["mail_smtpserver"]) == ("system-override", "relay.test")
        assert (record["mail_smtpport"], record["mail_smtpssl"]) == (2525, "2")
    assert names(alice, ("filter[0][mail_smtpport]", "587")) == []


@pytest.mark.parametrize("with_overrides", [False, True])
def test_thirty_cost_as_many_queries_as_three_and_decrypt_nothing(
    alice: User, root: User, monkeypatch: pytest.MonkeyPatch, with_overrides: bool
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a list decrypts nothing")

    def cost(count: int) -> int:
        for number in range(count):
            owner = User.objects.create(username=f"owner-{with_overrides}-{count}-{number}")
            stored(None, owner)
            if with_overrides:
                stored_override(owner)
        with (
            CaptureQueriesContext(
                connection,
            ) as queries,
            monkeypatch.context() as patch,
        ):
            patch.setattr(keyring, "open", fail)
            answer = ask(root, ("max_num", 1000))
        assert answer.status_code == 200
        assert len(answer.json()["records"]) >= count
        return len(queries)

    stored_system(None)
    client_of(root)  # whoever is known to be there costs nothing more

    assert cost(3) == cost(27) == (3 if with_overrides else 2)


def test_one_record_takes_four_queries(alice: User, three: list[Account]) -> None:
    """Who asks, what they may (the user's permissions and the groups'), and the record."""
    client = client_of(alice)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(at(three[0])).status_code == 200

    assert len(queries) == 4, [query["sql"] for query in queries]


def test_changes_show_at_once(alice: User, three: list[Account]) -> None:
    client_of(alice).delete(at(three[0]))

    assert names(alice) == ["100%", "Zentrale, neu"]
    assert put(alice, three[0], {"name": "x"}).status_code == 404
