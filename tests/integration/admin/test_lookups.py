"""What the addresses of lists and pages may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from tests.factories import make_account, make_mailbox, make_message

from .conftest import permitted
from .pages import admin_url

LISTS = (
    "message", "attempt", "connectioncheck", "mailbox", "outboundemail", "smtpprovider", "tenantmailconfig", "tenant",
    "syncedmessage",
)  # fmt: skip
DIGITS = "9" * 5000
"""More than Python makes a number of."""
ODD_VALUES = ("x", "%C2%B2", "9" * 19, DIGITS)
FILTERS = ("account__id__exact", "tenant__id__exact", "tenant__id__in", "tenant__isnull", "priority__exact", "priority__in",
    "is_enabled__exact", "is_active__exact", "state", "state__exact", "kind__exact", "outcome__exact", "health", "reason",
    "mailbox__id__exact", "tie", "nonsense")  # fmt: skip
CONTROLS = ("p", "o", "ot", "e", "all", "q", "_popup", "_to_field", "_facets", "_changelist_filters")
SEARCHES = ("x" * 60_000, "%25" * 30_000, "%F0%9F%98%80" * 15_000, "%22" + "x" * 60_000, "a%22b%22%27", "%5C", "%25_%5C", "%3C%3E@", "@",
    "@" * 60_000, "a@" + "b" * 60_000, "(a+" * 3000, "'%20" * 100, "a+" * 2000)  # fmt: skip


@pytest.mark.parametrize(
    "model", ["message", "attempt", "connectioncheck", "mailbox", "tenant", "syncedmessage"]
)
def test_no_value_in_its_address_breaks_a_list(client: Client, model: str) -> None:
    """400: an address that no page makes, as Django answers it."""
    make_message(make_mailbox())
    asked = [f"{name}={value}" for name in (*FILTERS, *CONTROLS) for value in ODD_VALUES]
    asked += [f"q={term}" for term in SEARCHES]
    answers = {one[:60]: client.get(f"{admin_url(model)}?{one}").status_code for one in asked}
    assert {one: code for one, code in answers.items() if code not in {200, 302, 400}} == {}


@pytest.mark.parametrize("model", LISTS)
def test_no_action_breaks_a_list(client: Client, model: str) -> None:
    message = make_message(make_mailbox())
    chosen = ACTION_CHECKBOX_NAME
    sent: tuple[dict[str, Any], ...] = (
        {},
        {"action": "cancel"},
        {"action": "nonsense", chosen: ["1"]},
        {"action": "cancel", "index": DIGITS},
        {"action": "cancel", "index": "-5", "select_across": "x"},
        {"action": ["cancel", "hold"], "index": "1", chosen: ["1"]},
        {"action": "cancel", chosen: [str(message.pk)], "confirmed": "yes", "select_across": "1"},
        {"_save": "1", "form-TOTAL_FORMS": "x"},
        *({"action": action, chosen: [value]} for action in ("cancel", "delete_selected") for value in
          ("x", "", "-1", "1.5", "٣", "²", "\x00", "9" * 19, "9" * 30, DIGITS)),
    )  # fmt: skip
    answers = {str(data)[:90]: client.post(admin_url(model), data).status_code for data in sent}
    assert {data: code for data, code in answers.items() if code not in {200, 302, 403}} == {}


@pytest.mark.parametrize("term", ["x" * 60_000, "\x00", "%", "a " * 20_000, ""])
# People are looked for in the host's own admin of its users.
@pytest.mark.parametrize(("model", "field"), [("mailbox", "tenant"), ("smtpprovider", "tenant"), ("x", "y")])
@pytest.mark.parametrize("page", ["1", "x", DIGITS])
def test_no_term_breaks_looking_for_tenants(
    client: Client, model: str, field: str, term: str, page: str
) -> None:
    asked = {"app_label": "mailconfig", "model_name": model, "field_name": field, "term": term, "page": page}
    assert client.get("/admin/autocomplete/", asked).status_code in {200, 302, 403, 404}


@pytest.mark.parametrize(
    "question", ["body__regex=secret", "body__gt=a", "content_digest__startswith=0", "stored_as__contains=m"]
)
def test_who_may_not_read_mail_cannot_ask_the_list_what_it_says(db: None, question: str) -> None:
    make_message(make_account(), body=b"Subject: Reset\r\n\r\nhttps://example.com/secret\r\n")
    dave = permitted("dave", "view_message")
    assert dave.get(admin_url("message"), query_params={"state": "queued"}).context["cl"].result_count == 1
    assert dave.get(f"{admin_url('message')}?{question}").status_code == 400


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize(
    "question",
    [
        "name__regex=(",
        "host=%00",
        "state=%00",
        "state__exact=%00",
        "kind__exact=%00",
        "outcome__exact=%00",
        "priority__exact=%00",
        "account__id__exact=" + "9" * 30,
        "tenant__id__exact=" + "9" * 30,
        "tenant__id__exact=%00",
        "is_enabled__exact=x",
        "health=%00",
        "q=%00",
        "account__id__exact=" + "9" * 5000,
        "account__id__in=" + "9" * 5000,
        "account__id__in=1," + "9" * 30,
        "account__id__isnull=" + "9" * 5000,
        "tenant__id__exact=" + "9" * 5000,
        "is_enabled__exact=" + "9" * 5000,
        "priority__exact=" + "9" * 5000,
        "priority__in=" + "1," * 3000 + "1",
        "state=" + "x" * 60_000,
        "q=" + "a+" * 2000,
        "q=" + "a" * 60_000,
        "q=" + "a" * 60_000 + "@mail.test",
        "q=" + "\u00e4" * 30_000,
        "q=%25" + "_" * 60_000,
        "o=" + "9" * 5000,
        "o=" + "1." * 3000 + "1",
        "p=" + "9" * 5000,
        "all=" + "9" * 5000,
        "p=" + "9" * 30,
        "_to_field=secret",
        "secret__startswith=g",
        "owner__password__startswith=p",
    ],
)
def test_no_address_of_a_list_breaks_it(client: Client, model: str, question: str) -> None:
    make_mailbox()
    make_message(make_account())
    client.raise_request_exception = False
    assert client.get(f"{admin_url(model)}?{question}").status_code in {200, 302, 400}


@pytest.mark.parametrize(
    ("model", "question"),
    [
        ("mailbox", "tenant__isnull=True"),
        ("mailbox", "tenant__id__exact=1"),
        ("mailbox", "is_enabled__exact=1"),
        ("mailbox", "health=ok"),
        ("message", "account__id__exact=1&state=waiting"),
        ("message", "priority__exact=1&reason=limit"),
        ("attempt", "outcome__exact=sent"),
        ("connectioncheck", "state__exact=passed&kind__exact=test_mail"),
        ("tenant", "is_active__exact=1"),
        ("syncedmessage", "kind__exact=report&mailbox__id__exact=1&tie=reply"),
        ("syncedmessage", "tie=bounce"),
        ("syncedmessage", "tie=none"),
        ("bounce", "is_permanent__exact=1"),
        ("suppression", "reason__exact=bounce&tenant__id__exact=1"),
    ],
)
def test_what_the_filters_offer_is_allowed(client: Client, model: str, question: str) -> None:
    assert client.get(f"{admin_url(model)}?{question}").status_code == 200


@pytest.mark.parametrize("model", ["message", "attempt", "connectioncheck", "mailbox", "syncedmessage"])
@pytest.mark.parametrize("key", ["9" * 5000, "9" * 30, "9" * 19, "%00", "-1", "1e400", "_00", "%ff", "٣"])
def test_what_is_no_key_has_no_page(client: Client, model: str, key: str) -> None:
    client.raise_request_exception = False
    base = f"{admin_url(model)}{key}/"
    for page in ("change/", "delete/", "history/", "test/", "test-mail/", "content/", "html/", "act/cancel/"):
        assert client.get(base + page).status_code in {302, 403, 404, 405}
        assert client.post(base + page).status_code in {302, 403, 404}
