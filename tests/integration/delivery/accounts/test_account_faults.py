"""What a server says of the account when it is asked for a recipient or given a message: checks tell it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from mailconfig.delivery import probe_values
from mailconfig.delivery.accounts.send_test_mail import send_test_of_values
from mailconfig.models import CheckState
from tests.integration.delivery.accounts.conftest import new_account
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS = [
    (
        "553 5.7.1 <me@mail.test>: Sender address rejected: not owned by user me",
        "from_email",
        "use_own_address",
    ),
    ("550 5.1.8 Access denied, bad outbound sender", "from_email", "use_own_address"),
    ("554 5.7.1 <pc>: Helo command rejected: Access denied", "host", "client_refused"),
    ("554 5.7.1 Client host [192.0.2.1] blocked using bl.example.org", "host", "client_refused"),
    ("554 5.7.1 <me@mail.test>: Relay access denied", "authentication", "login_first"),
    ("530 5.7.0 Authentication required", "authentication", "login_first"),
    ("530 5.7.0 Must issue a STARTTLS command first", "security", "encrypt_mail"),
]


@pytest.mark.parametrize(("reply", "field", "hint"), FAULTS)
def test_a_probe_asks_for_a_recipient_because_servers_judge_the_account_there(
    plain: ChaosServer, staff: User, reply: str, field: str, hint: str
) -> None:
    plain.on("rcpt", Reply.of(reply))

    check = probe_values(account=new_account(plain), requested_by=staff)

    assert (check.state, check.stage, check.code) == (CheckState.FAILED, "sender", "sender_refused")
    assert check.guilty_field == field
    assert check.hint == hint
    assert check.server_text == reply
    assert plain.verbs() == ["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]
    assert ("RCPT TO:<me@mail.test>") in [line for _, line in plain.commands]


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 <me@mail.test>: Recipient address rejected: User unknown",
        "550 no such mailbox",
        "553 5.1.3 odd",
        "552 5.2.2 mailbox full",
        "450 4.2.0 Greylisted, come back in 300 seconds",
        "451 4.7.1 later",
        "450 4.7.1 Quota exceeded",
        "421 4.3.2 bye",
        "503 5.5.1 what",
        "554 5.7.1 Access denied",
    ],
)
def test_an_own_address_that_takes_no_mail_is_no_failure(plain: ChaosServer, staff: User, reply: str) -> None:
    plain.on("rcpt", Reply.of(reply))

    check = probe_values(account=new_account(plain), requested_by=staff)

    assert check.ok
    sender = next(stage for stage in check.stages if stage["stage"] == "sender")
    assert sender["outcome"] == "ok"
    assert reply in sender["detail"], "staff may read it"


def test_relaying_denied_in_spite_of_a_login_is_the_servers_affair(
    starttls: ChaosServer, staff: User
) -> None:
    starttls.on("rcpt", Reply.of("554 5.7.1 Relay access denied"))

    check = probe_values(account=new_account(starttls), requested_by=staff)

    assert (check.ok, check.guilty_field) == (False, "host")
    assert check.hint == "no_relay"


@pytest.mark.parametrize(
    ("verb", "reply", "stage", "field"),
    [
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", "sender", "security"),
        ("rcpt", "553 5.7.1 Sender address rejected: not owned by user", "recipient", "from_email"),
        ("rcpt", "554 5.7.1 Relay access denied", "recipient", "authentication"),
        ("dot", "554 5.2.252 SendAsDenied; not allowed to send as you", "dot", "from_email"),
        ("dot", "550 5.7.60 Client does not have permissions to send as this sender", "dot", "from_email"),
        ("dot", "530 5.7.0 Must issue a STARTTLS command first", "dot", "security"),
    ],
)
def test_a_test_mail_tells_it_as_well(
    plain: ChaosServer, staff: User, verb: str, reply: str, stage: str, field: str
) -> None:
    plain.on(verb, Reply.of(reply))

    check = send_test_of_values(account=new_account(plain), recipient="to@example.net", requested_by=staff)

    assert (check.stage, check.code, check.guilty_field) == (stage, "sender_refused", field)
