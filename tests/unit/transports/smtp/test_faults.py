"""Which refusals are about the account, wherever a server tells them."""

from __future__ import annotations

import pytest

from mailconfig.transports.contract import Verdict
from mailconfig.transports.smtp import verdicts
from mailconfig.transports.smtp.faults import AccountFault, account_fault
from mailconfig.transports.smtp.replies import Reply

FAULTS = [
    # Postfix
    (553, "5.7.1", "<me@example.com>: Sender address rejected: not owned by user me", AccountFault.SENDER),
    (553, "5.7.1", "<me@example.com>: Sender address rejected: not logged in", AccountFault.SENDER),
    (550, "5.1.8", "<me@nowhere.example>: Sender address rejected: Domain not found", AccountFault.SENDER),
    (501, "5.1.7", "Bad sender address syntax", AccountFault.SENDER),
    (554, "5.7.1", "<pc>: Helo command rejected: Access denied", AccountFault.CLIENT),
    (504, "5.5.2", "<pc>: Helo command rejected: need fully-qualified hostname", AccountFault.CLIENT),
    (554, "5.7.1", "<to@example.net>: Relay access denied", AccountFault.LOGIN),
    (
        554,
        "5.7.1",
        "Service unavailable; Client host [192.0.2.1] blocked using zen.example.org",
        AccountFault.CLIENT,
    ),
    (554, "5.7.1", "<unknown[192.0.2.1]>: Client host rejected: Access denied", AccountFault.CLIENT),
    (530, "5.7.0", "Must issue a STARTTLS command first", AccountFault.ENCRYPTION),
    (530, "5.7.0", "Authentication required", AccountFault.LOGIN),
    # Exim
    (550, "", "relay not permitted", AccountFault.LOGIN),
    (550, "", "Sender verify failed", AccountFault.SENDER),
    (503, "5.5.1", "authentication required", AccountFault.LOGIN),
    # Exchange
    (
        554,
        "5.2.252",
        "SendAsDenied; me@example.com not allowed to send as you@example.com",
        AccountFault.SENDER,
    ),
    (550, "5.7.60", "SMTP; Client does not have permissions to send as this sender", AccountFault.SENDER),
    (530, "5.7.57", "Client not authenticated to send mail", AccountFault.LOGIN),
    (550, "5.7.54", "SMTP; Unable to relay recipient in non-accepted domain", AccountFault.LOGIN),
    (
        550,
        "5.7.708",
        "Service unavailable. Access denied, traffic not accepted from this IP",
        AccountFault.CLIENT,
    ),
    (550, "5.1.8", "Access denied, bad outbound sender", AccountFault.SENDER),
    # Others
    (
        554,
        "",
        "Message rejected: Email address is not verified. The following identities failed",
        AccountFault.SENDER,
    ),
    (550, "", "The from address does not match a verified Sender Identity", AccountFault.SENDER),
    (550, "5.7.1", "You are not allowed to send from this address", AccountFault.SENDER),
    (503, "", "AUTH command first", AccountFault.LOGIN),
    (550, "5.7.1", "Your IP address 192.0.2.1 is blacklisted", AccountFault.CLIENT),
    (550, "5.7.11", "Encryption required", AccountFault.ENCRYPTION),
]


@pytest.mark.parametrize(("code", "enhanced", "text", "fault"), FAULTS, ids=[row[2][:40] for row in FAULTS])
def test_an_account_fault_is_known_at_the_recipient_and_at_the_dot(
    code: int, enhanced: str, text: str, fault: AccountFault
) -> None:
    reply = Reply(code, text, enhanced)

    assert account_fault(reply) is fault
    for judge in (verdicts.judge_recipient, verdicts.judge_data, verdicts.judge_message):
        assert judge(reply) is Verdict.ACCOUNT_REFUSED
    at_mail = Verdict.SENDER_REFUSED if fault is AccountFault.SENDER else Verdict.ACCOUNT_REFUSED
    assert verdicts.judge_sender(reply) is at_mail


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (550, "5.1.1", "<to@example.net>: Recipient address rejected: User unknown in local recipient table"),
        (554, "5.7.1", "<to@example.net>: Recipient address rejected: Access denied"),
        (550, "5.7.1", "Message rejected as spam: contains a link that is blocked using dbl.example.org"),
        (550, "5.7.1", "host of the recipient blocked"),
        (550, "5.2.1", "mailbox disabled"),
        (554, "5.6.0", "no"),
    ],
)
def test_a_recipient_or_a_message_that_is_refused_is_none(code: int, enhanced: str, text: str) -> None:
    assert account_fault(Reply(code, text, enhanced)) is None
    assert verdicts.judge_recipient(Reply(code, text, enhanced)) is Verdict.FAIL


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (450, "4.1.8", "<me@example.com>: Sender address rejected: Domain not found"),
        (454, "4.7.1", "<to@example.net>: Relay access denied"),
        (450, "4.7.25", "Client host rejected: cannot find your hostname"),
    ],
)
def test_what_is_said_for_now_is_tried_again(code: int, enhanced: str, text: str) -> None:
    assert verdicts.judge_recipient(Reply(code, text, enhanced)) is Verdict.RETRY


@pytest.mark.parametrize(
    ("enhanced", "text"),
    [
        ("5.7.133", "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"),
        ("5.7.1", "RESOLVER.RST.AuthRequired; authentication required"),
        ("5.7.124", "RESOLVER.RST.SenderNotInGroupAllowedSenders"),
        ("5.7.2", "You may not post here"),
        ("", "You are not allowed to send to this list"),
        ("5.7.1", "Posting to this list is restricted to members"),
        ("5.7.1", "<list@example.net>: Recipient address rejected: You are not a member of the list"),
        ("5.7.1", "Only subscribers may post"),
        ("5.4.1", "Recipient address rejected: Access denied. [EUR02.prod.example.org]"),
    ],
)
def test_a_recipient_who_takes_mail_of_some_only_is_that_recipients_affair(enhanced: str, text: str) -> None:
    reply = Reply(550, text, enhanced)
    assert account_fault(reply) is None
    assert verdicts.is_about_recipient(reply), "nor is it, three times in a row, a sign of the account's"


@pytest.mark.parametrize(
    "text", ["<to@example.net>: Recipient address rejected: Access denied", "Nothing from you"]
)
def test_what_may_be_meant_for_anybody_is_a_sign(text: str) -> None:
    assert not verdicts.is_about_recipient(Reply(554, text, "5.7.1"))
