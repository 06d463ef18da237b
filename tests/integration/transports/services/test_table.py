"""Each service of the table of fakes: what it is told, and what follows from each of its outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import LoginRefused
from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.transports.contract import Matter, Outcome, Session, Surroundings, Verdict
from mailconfig.transports.registry import transport_for
from mailconfig.values import ConnectionSettings, Envelope, NetworkPolicy, Secret, Security
from tests.integration.transports.far_sides import Mail, SendGridFarSide, Tray
from tests.servers.service_table import KEY, TABLE, USERS, Said, mailjet_error
from tests.servers.services import ServiceServer

ME, YOU, THEM = "me@example.com", "you@example.net", "them@example.net"
WAY_OUT = {
    "List-Unsubscribe": "<https://mail.example.com/unsubscribe/1>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
HEAD = f"From: Me <{ME}>\r\nTo: You <{YOU}>\r\nCc: {THEM}\r\nSubject: The subject\r\nMessage-ID: <1@example.com>\r\n"
FURTHER = "".join(f"{name}: {value}\r\n" for name, value in WAY_OUT.items())
DATA = f"{HEAD}{FURTHER}\r\nThe text of the mail.\r\n".encode()
ACCEPTED, FAIL, RETRY = Verdict.ACCEPTED, Verdict.FAIL, Verdict.RETRY

every_service = pytest.mark.parametrize("name", sorted(TABLE))


@pytest.fixture
def server() -> Iterator[ServiceServer]:
    with ServiceServer() as server:
        yield server


@pytest.fixture
def around(server: ServiceServer, policy: NetworkPolicy) -> Surroundings:
    urls = {name: server.url(name) for name in MAIL_SERVICES}
    return Surroundings(policy=policy, web_policy=replace(policy, allow_plain_http=True), service_urls=urls)


_opened: list[Session] = []


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def opened(around: Surroundings, name: str, key: str = KEY) -> Session:
    settings = ConnectionSettings(
        host="", port=443, security=Security.TLS, username=USERS.get(name, ""), secret=Secret(key)
    )
    _opened.append(transport_for(name).open(settings, around))
    return _opened[-1]


class Arrivals(SendGridFarSide):
    """Whatever the service, of which nothing but the number is asked."""

    @property
    def received(self) -> list[Any]:
        return list(self.server.mails)


def sent(server: ServiceServer, session: Session, *recipients: str) -> Outcome:
    tray = Tray(Arrivals(server), [Mail(Envelope(ME, recipients, len(DATA)), DATA)])
    [outcome] = session.send(tray, tray)
    return outcome


def is_in_doubt(outcome: Outcome) -> bool:
    """Whether nobody knows what became of the mail."""
    return outcome.error is not None and outcome.error.ambiguous and outcome.handed_over


@every_service
def test_it_is_told_the_mail_and_says_that_it_has_it(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    outcome = sent(server, opened(around, name), YOU, THEM)

    assert [each.verdict for each in outcome.recipients] == [ACCEPTED, ACCEPTED], outcome
    assert (outcome.handed_over, outcome.error) == (True, None)
    [mail] = server.mails
    parts = mail.parts
    assert parts is not None
    assert (parts.sender, parts.recipients, parts.subject) == (ME, (YOU, THEM), "The subject")
    assert parts.text == "The text of the mail.\n"
    assert {field: parts.fields[field] for field in WAY_OUT} == WAY_OUT, "one click is signed by the service"


@every_service
def test_its_id_of_the_mail_is_kept(server: ServiceServer, around: Surroundings, name: str) -> None:
    """Else nobody finds the mail in its records."""
    outcome = sent(server, opened(around, name), YOU)

    assert outcome.recipients[0].verdict is ACCEPTED
    assert outcome.whole.answer.text not in {"", "accepted"}


@every_service
def test_a_wrong_key_is_the_accounts_matter_and_a_check_finds_it_where_one_can_ask(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    outcome = sent(server, opened(around, name, "another-key"), YOU)

    assert (outcome.whole.verdict, outcome.whole.matter) == (Verdict.ACCOUNT_REFUSED, Matter.LOGIN)
    assert server.mails == []
    looking = replace(around, on_stage=lambda *_: None)
    opened(looking, name)
    if TABLE[name].asks:
        assert server.asked[-1] == f"GET /{name}/{TABLE[name].asks}"
        with pytest.raises(LoginRefused):
            opened(looking, name, "another-key")


REFUSED: dict[str, list[Verdict] | None] = {
    "mailjet": [RETRY, FAIL],  # nobody got it, and one is named
    "mailersend": [ACCEPTED, FAIL],
    "sparkpost": None,  # counts them only
    "scaleway": [RETRY, FAIL],
    "mailtrap": [],  # names him in a sentence only, so the whole fails
    "mandrill": [ACCEPTED, FAIL],
    "unisender_go": [ACCEPTED, FAIL],
}
"""What becomes of you and them, if they are refused; ``None``: nobody knows."""


@every_service
def test_who_is_refused_fails_and_the_other_does_not(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    server.refused.add(THEM)

    outcome = sent(server, opened(around, name), YOU, THEM)

    verdicts = REFUSED[name]
    if verdicts is None:
        assert is_in_doubt(outcome)
    elif not verdicts:
        assert (outcome.whole.verdict, outcome.recipients) == (FAIL, ())
    else:
        assert [each.verdict for each in outcome.recipients] == verdicts
        assert outcome.recipients[1].matter is Matter.RECIPIENT
        assert outcome.handed_over == (ACCEPTED in verdicts)


@every_service
def test_a_limit_lets_the_account_rest_for_as_long_as_it_says(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    session = opened(around, name)
    server.faults.append(Said(429, {"message": "Too Many Requests"}, (("Retry-After", "7"),)))

    outcome = sent(server, session, YOU)

    assert (outcome.whole.verdict, outcome.whole.rest_seconds) == (Verdict.SERVER_LIMIT, 7)
    assert sent(server, session, YOU).recipients[0].verdict is ACCEPTED, "the session goes on"


@every_service
@pytest.mark.parametrize(
    "fault", [Said(500), Said(502, "<html>"), Said(504), "hang up", "cut", "nonsense"], ids=str
)
def test_what_it_may_have_taken_is_in_doubt(
    server: ServiceServer, around: Surroundings, name: str, fault: Said | str
) -> None:
    server.faults.append(fault)

    session = opened(around, name)

    assert is_in_doubt(sent(server, session, YOU))
    assert session.closed


@every_service
def test_what_it_does_not_begin_with_is_tried_again(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    server.faults.append(Said(503, {"message": "Service Unavailable"}))

    outcome = sent(server, opened(around, name), YOU)

    assert (outcome.whole.verdict, outcome.error, server.mails) == (RETRY, None, [])


JSON = (("Content-Type", "application/json"),)
DEEP = "[" * 100_000


@every_service
@pytest.mark.parametrize(
    "body", ["[]", "null", '{"emails": [5], "Messages": [5]}', DEEP], ids=lambda body: body[:9]
)
def test_an_answer_of_another_shape_leaves_the_mail_in_doubt_and_nothing_breaks(
    server: ServiceServer, around: Surroundings, name: str, body: str
) -> None:
    server.faults.append(Said(202, body, JSON))

    assert is_in_doubt(sent(server, opened(around, name), YOU, THEM))


@every_service
def test_a_refusal_that_is_nested_without_an_end_is_a_refusal(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    server.faults.append(Said(400, DEEP, JSON))

    outcome = sent(server, opened(around, name), YOU, THEM)

    assert (outcome.whole.verdict, outcome.recipients, outcome.error) == (FAIL, (), None)


MANDRILL = {"status": "error", "code": -2, "message": "No"}


@pytest.mark.parametrize(
    ("name", "said", "verdict"),
    [
        ("mailjet", mailjet_error(403, "send-0008", "not authorized", "From"), Verdict.SENDER_REFUSED),
        ("mailjet", mailjet_error(400, "send-0008", "not authorized", "From"), Verdict.SENDER_REFUSED),
        ("mailjet", mailjet_error(400, "mj-0013", "an invalid email address", "From.Email"), FAIL),
        ("mailjet", mailjet_error(400, "mj-0013", "both", "To[0].Email", "ReplyTo.Email"), FAIL),
        ("mailjet", mailjet_error(400, "mj-0013", "no such place", "To[7].Email"), FAIL),
        ("mailersend", Said(422, {"errors": {"from.email": ["No"], "to.0.email": ["No"]}}), Verdict.SENDER_REFUSED),
        ("mailersend", Said(422, {"errors": {"subject": ["No"]}}), FAIL),
        ("scaleway", Said(403, {"type": "permissions_denied", "message": "No"}), Verdict.ACCOUNT_REFUSED),
        ("mandrill", Said(500, {**MANDRILL, "name": "ValidationError"}), FAIL),
        ("mandrill", Said(500, {**MANDRILL, "name": "PaymentRequired"}), Verdict.SERVER_LIMIT),
        ("mandrill", Said(500, {**MANDRILL, "name": "ServiceUnavailable"}), RETRY),
        ("mailtrap", Said(400, {"success": False, "errors": ["'subject' is required"]}), FAIL),
        ("unisender_go", Said(400, {"status": "error", "message": "No", "code": 150}), FAIL),
    ],
)  # fmt: skip
def test_a_refusal_of_all_of_it_says_whose_affair_it_is(
    server: ServiceServer, around: Surroundings, name: str, said: Said, verdict: Verdict
) -> None:
    server.faults.append(said)

    outcome = sent(server, opened(around, name), YOU, THEM)

    assert (outcome.whole.verdict, outcome.recipients, outcome.error) == (verdict, (), None)


def test_mandrill_leaves_a_mail_in_doubt_where_it_knows_no_more_itself(
    server: ServiceServer, around: Surroundings
) -> None:
    server.faults.append(Said(500, {**MANDRILL, "name": "GeneralError"}))

    assert is_in_doubt(sent(server, opened(around, "mandrill"), YOU))


NAMELESS = {"Messages": [{"Status": "success", "To": [{"Email": YOU, "MessageID": 1}], "Cc": [], "Bcc": []}]}


@pytest.mark.parametrize(
    ("name", "said"), [("mailersend", Said(202, "")), ("mailjet", Said(200, NAMELESS))], ids=str
)
def test_who_is_left_out_of_a_success_is_not_taken_for_refused(
    server: ServiceServer, around: Surroundings, name: str, said: Said
) -> None:
    server.faults.append(said)

    assert is_in_doubt(sent(server, opened(around, name), YOU, THEM))


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_mailersends_warnings_are_read_whatever_stands_behind_their_type(
    server: ServiceServer, around: Surroundings, kind: str
) -> None:
    warning = {"type": "SOME_SUPPRESSED", "recipients": [{"email": THEM, "reasons": ["unsubscribed"]}]}
    headers = (("X-Message-Id", "1"), ("Content-Type", kind))
    server.faults.append(Said(202, {"warnings": [warning]}, headers))

    outcome = sent(server, opened(around, "mailersend"), YOU, THEM)

    assert [each.verdict for each in outcome.recipients] == [ACCEPTED, FAIL]
