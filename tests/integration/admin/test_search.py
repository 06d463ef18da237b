"""Looking for mail: what is whole is found however old it is, parts among the newest."""

from __future__ import annotations

import pytest
from django.test import Client

from mailconfig.admin.message_filters import SEARCHED
from mailconfig.models import Message, Recipient
from tests.factories import make_account, make_message

from .pages import admin_url

pytestmark = pytest.mark.django_db


def found(client: Client, term: str) -> set[str]:
    """The subjects of the mails that the list shows."""
    answer = client.get(admin_url("message"), query_params={"q": term})
    assert answer.status_code == 200
    return {message.subject for message in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    ("term", "subjects"),
    [
        ("bob@example.com", {"one"}),
        ("BOB@example.com", {"one"}),
        ("bob@", {"one", "two"}),
        ("@example.com", {"one", "four"}),
        ("ob@example", {"one", "two"}),
        ("example.co", {"one", "two", "four"}),
        ("carol", {"three"}),
        ("<own-id@example.net>", {"four"}),
        ("own-id@example.net", {"four"}),
        ("fou", {"four"}),
        ("nobody@example.com", set()),
        ("%", set()),
        ("_", set()),
        ("@", {"one", "two", "three", "four"}),
        ("", {"one", "two", "three", "four"}),
    ],
)
def test_mail_is_found_by_what_somebody_knows_of_it(client: Client, term: str, subjects: set[str]) -> None:
    account = make_account()
    make_message(account, subject="one", to=["bob@example.com"])
    make_message(account, subject="two", to=["bob@example.co.jp", "dave@example.net"])
    make_message(account, subject="three", to=["carol@example.org"])
    make_message(account, subject="four", to=["jack@example.com"], message_id="<own-id@example.net>")
    assert found(client, term) == subjects


def test_parts_are_looked_for_among_the_newest_and_whole_addresses_everywhere(client: Client) -> None:
    account = make_account()
    old = make_message(account, subject="old", to=["bob@example.com"])
    make_message(account, subject="next", to=["rob@example.com"])
    plain = {"account": account, "subject": "newer", "envelope_from": "", "size": 0}
    Message.objects.bulk_create(
        [Message(**plain, message_id=f"<{number}@example.net>") for number in range(SEARCHED - 1)],
        batch_size=1000,
    )
    assert Recipient.objects.filter(message=old).exists()
    assert found(client, "ob@example") == {"next"}
    assert found(client, "bob@example.com") == {"old"}
