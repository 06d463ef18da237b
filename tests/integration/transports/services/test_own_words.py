"""What single services say in words of their own, and what they are told of where bounces go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.transports.contract import Outcome, Surroundings, Verdict
from mailconfig.transports.registry import transport_for
from mailconfig.values import ConnectionSettings, Envelope, NetworkPolicy, Secret, Security
from tests.factories import make_account
from tests.integration.transports.far_sides import Mail, Tray
from tests.servers.service_table import KEY, USERS, Said
from tests.servers.services import ServiceServer

from .test_table import DATA, ME, THEM, YOU, Arrivals, is_in_doubt

ACCEPTED, FAIL, RETRY = Verdict.ACCEPTED, Verdict.FAIL, Verdict.RETRY
JSON = (("Content-Type", "application/json"),)
BOUNCES = "bounces@mail.example.org"


@pytest.fixture
def server() -> Iterator[ServiceServer]:
    with ServiceServer() as server:
        yield server


@pytest.fixture
def around(server: ServiceServer, policy: NetworkPolicy) -> Surroundings:
    urls = {name: server.url(name) for name in MAIL_SERVICES}
    return Surroundings(policy=policy, web_policy=replace(policy, allow_plain_http=True), service_urls=urls)


def sent(
    server: ServiceServer, around: Surroundings, name: str, *to: str, sender: str = ME, **settings: Any
) -> Outcome:
    plain = {"host": "", "port": 443, "security": Security.TLS, "username": USERS.get(name, "")}
    given = ConnectionSettings(**{**plain, "secret": Secret(KEY), **settings})
    with closing(transport_for(name).open(given, around)) as session:
        tray = Tray(Arrivals(server), [Mail(Envelope(sender, to, len(DATA)), DATA)])
        [outcome] = session.send(tray, tray)
    return outcome


@pytest.mark.parametrize(
    ("status", "taken", "failed", "verdicts"),
    [
        (200, [YOU], {THEM: "temporary_unavailable"}, [ACCEPTED, RETRY]),
        (200, [YOU], {THEM.upper(): "temporary_unavailable"}, [ACCEPTED, RETRY]),
        (200, [YOU], {THEM: "permanent_unavailable"}, [ACCEPTED, FAIL]),
        (200, [YOU], {THEM: "complained"}, [ACCEPTED, FAIL]),
        (200, [YOU], {THEM: "blocked"}, [ACCEPTED, FAIL]),
        (200, [YOU], {THEM: "a word of the future"}, [ACCEPTED, FAIL]),
        (200, [YOU, THEM], {THEM: "duplicate"}, [ACCEPTED, ACCEPTED]),
        (400, [], {YOU: "temporary_unavailable", THEM: "temporary_unavailable"}, [RETRY, RETRY]),
        (400, [], {YOU: "temporary_unavailable", THEM: "unsubscribed"}, [RETRY, FAIL]),
        (400, [], {YOU: "invalid", THEM: "permanent_unavailable"}, [FAIL, FAIL]),
    ],
)
def test_unisender_says_of_each_recipient_whether_it_may_be_tried_again(
    server: ServiceServer,
    around: Surroundings,
    status: int,
    taken: list[str],
    failed: dict[str, str],
    verdicts: list[Verdict],
) -> None:
    """Where nobody is left, its answer is an error, with code 204."""
    said = (
        {"status": "success", "job_id": "1"} if taken else {"status": "error", "code": 204, "message": "No"}
    )
    server.faults.append(Said(status, {**said, "emails": taken, "failed_emails": failed}, JSON))

    outcome = sent(server, around, "unisender_go", YOU, THEM)

    assert [each.verdict for each in outcome.recipients] == verdicts
    assert (outcome.handed_over, outcome.error) == (bool(taken), None)
    for each, address in zip(outcome.recipients, (YOU, THEM), strict=True):
        if each.verdict is FAIL:
            assert failed[address] in each.answer.text


@pytest.mark.parametrize("odd", [5, [], "text", {"a": 5}, {THEM: ["temporary_unavailable"]}, None], ids=str)
def test_what_unisender_may_say_in_another_shape_breaks_nothing(
    server: ServiceServer, around: Surroundings, odd: object
) -> None:
    body = {"status": "error", "code": 204, "message": "No", "failed_emails": odd}
    server.faults.append(Said(400, body, JSON))

    outcome = sent(server, around, "unisender_go", YOU, THEM)

    assert (outcome.whole.verdict, outcome.recipients, outcome.error) == (FAIL, (), None)


@pytest.mark.parametrize(
    ("name", "said", "verdict"),
    [
        *(("unisender_go", Said(403, {"code": code, "message": "No"}), Verdict.SERVER_LIMIT) for code in (901, 902, 905, 906)),
        ("unisender_go", Said(403, {"code": 114, "message": "No"}), Verdict.ACCOUNT_REFUSED),
        ("postmark", Said(422, {"ErrorCode": 100, "Message": "Maintenance"}), RETRY),
        ("resend", Said(409, {"name": "concurrent_idempotent_requests", "message": "No"}), RETRY),
    ],
)  # fmt: skip
def test_codes_of_single_services_mean_what_these_say(
    server: ServiceServer, around: Surroundings, name: str, said: Said, verdict: Verdict
) -> None:
    server.faults.append(said)

    outcome = sent(server, around, name, YOU)

    assert (outcome.whole.verdict, outcome.error) == (verdict, None)


def test_a_mail_that_resend_has_had_in_other_words_is_in_doubt(
    server: ServiceServer, around: Surroundings
) -> None:
    """A link in it may lead elsewhere at the second try, or a token may stand for something else."""
    said = {"statusCode": 409, "name": "invalid_idempotent_request", "message": "Used with another body."}
    server.faults.append(Said(409, said))

    assert is_in_doubt(sent(server, around, "resend", YOU))


TOLD = {
    "sparkpost": lambda said: said.get("return_path"),
    "mailjet": lambda said: said["Globals"].get("Sender", {}).get("Email"),
    "mandrill": lambda said: said["message"].get("return_path_domain"),
}


@pytest.mark.parametrize("name", sorted(MAIL_SERVICES))
def test_a_service_is_told_the_accounts_own_bounce_address_where_it_takes_one(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    server.domains |= {"example.com", "mail.example.org"}
    for own, sender in (("", ME), ("", BOUNCES), (BOUNCES, BOUNCES), (BOUNCES, ME)):
        assert (
            sent(server, around, name, YOU, sender=sender, return_path=own).recipients[0].verdict is ACCEPTED
        )
    expected = {"": None, "address": BOUNCES, "domain": "mail.example.org"}[MAIL_SERVICES[name].return_path]

    if name == "mailgun":
        assert server.asked[2] == "POST /mailgun/mail.example.org/messages"
        assert {server.asked[place] for place in (0, 1, 3)} == {"POST /mailgun/example.com/messages"}
        sent(server, around, name, YOU, sender=BOUNCES, return_path=BOUNCES, username="mg.example.com")
        assert server.asked[-1] == "POST /mailgun/mg.example.com/messages", "it has said that already"
    elif name in TOLD:
        assert [TOLD[name](mail.said) for mail in server.mails] == [None, None, expected, None]
    else:
        assert expected is None
        assert BOUNCES not in str([mail.said for mail in server.mails])


@pytest.mark.django_db
def test_an_account_without_a_bounce_address_of_its_own_names_none() -> None:
    own = make_account(envelope_from=BOUNCES, from_email=ME)

    assert own.transport_settings().return_path == BOUNCES
    assert make_account(from_email=ME).transport_settings().return_path == ""
