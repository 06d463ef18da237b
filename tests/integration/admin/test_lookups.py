"""What the addresses of lists and pages may ask for."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories import make_account, make_mailbox, make_message

from .conftest import permitted
from .pages import admin_url

LISTS = ("message", "attempt", "connectioncheck", "mailbox", "outboundemail", "tenant")


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
    ],
)
def test_what_the_filters_offer_is_allowed(client: Client, model: str, question: str) -> None:
    assert client.get(f"{admin_url(model)}?{question}").status_code == 200


@pytest.mark.parametrize("model", ["message", "attempt", "connectioncheck", "mailbox", "smtpprovider"])
@pytest.mark.parametrize("key", ["9" * 5000, "9" * 30, "9" * 19, "%00", "-1", "1e400", "_00", "%ff", "٣"])
def test_what_is_no_key_has_no_page(client: Client, model: str, key: str) -> None:
    client.raise_request_exception = False
    base = f"{admin_url(model)}{key}/"
    for page in ("change/", "delete/", "history/", "test/", "test-mail/", "content/", "steer/cancel/"):
        assert client.get(base + page).status_code in {302, 403, 404, 405}
        assert client.post(base + page).status_code in {302, 403, 404}
