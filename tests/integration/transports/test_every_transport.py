"""The one suite that every transport passes: by itself, and with the queue, the probe and the test mail on top."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mailconfig import delivery
from mailconfig.exceptions import TransportError, TransportMissing
from mailconfig.models import Account, Attempt, AttemptOutcome, CheckState, Lane, Message, WaitReason
from mailconfig.transports.contract import Matter, Outcome, Session, Verdict
from mailconfig.transports.registry import transport_for
from mailconfig.values import NetworkPolicy, Secret
from tests.factories import make_account, make_message
from tests.servers.certificates import Certificates
from tests.servers.gmail import ADDRESS, TOKEN
from tests.servers.services import KEY

from .far_sides import (
    FAR_SIDES,
    LOGS_IN,
    PASSWORD,
    SERVICES,
    USER,
    FarSide,
    Mail,
    Tray,
    far_side,
    mail,
    settings_to,
    surroundings_to,
    transport_to,
    urls_of,
)


@pytest.fixture(params=FAR_SIDES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def far(name: str, certificates: Certificates) -> Iterator[FarSide]:
    with far_side(name, certificates) as far:
        yield far


@pytest.fixture
def session(name: str, far: FarSide, policy: NetworkPolicy) -> Iterator[Session]:
    session = transport_to(name).open(settings_to(far), surroundings_to(far, policy))
    yield session
    session.close()


def require(far: FarSide, fault: str) -> None:
    if fault not in far.can:
        pytest.skip(f"the far side cannot {fault}")


def accepted(outcome: Outcome) -> list[bool]:
    """Who has the mail, of the envelope's recipients."""
    whole = outcome.whole.verdict is Verdict.ACCEPTED
    return [whole and each.verdict is Verdict.ACCEPTED for each in outcome.recipients or (outcome.whole,)]


def arrived(far: FarSide) -> list[tuple[tuple[str, ...], bytes]]:
    return [(recipients, body) for _, recipients, body in far.received]


def as_sent(*mails: Mail) -> list[tuple[tuple[str, ...], bytes]]:
    return [(each.envelope.recipients, each.body) for each in mails]


# The contract.


def test_mails_go_out_in_their_order_each_after_the_journal_allowed_it(
    far: FarSide, session: Session
) -> None:
    mails = [mail(number) for number in range(5)]
    tray = Tray(far, mails)

    outcomes = list(session.send(tray, tray))

    assert [accepted(outcome) for outcome in outcomes] == [[True]] * 5
    assert all(outcome.handed_over and outcome.error is None for outcome in outcomes)
    assert arrived(far) == as_sent(*mails)
    assert tray.allowed_when == [0, 1, 2, 3, 4], "nothing had arrived of a mail that was asked about"
    assert (tray.started_for, tray.passed_count) == ([1] * 5, 5)
    assert (session.handed_over, session.end, session.closed) == (5, None, False)


def test_what_the_journal_does_not_allow_is_put_back_and_never_arrives(
    far: FarSide, session: Session
) -> None:
    mails = [mail(1), mail(2), mail(3)]
    tray = Tray(far, mails, refuses=mails[1])

    outcomes = list(session.send(tray, tray))

    assert len(outcomes) == 1
    assert tray.put_back_mails == [mails[1]]
    assert arrived(far) == as_sent(mails[0])
    assert tray.passed_count == 1


def test_who_stops_early_has_sent_what_has_an_outcome_and_nothing_else(
    far: FarSide, session: Session
) -> None:
    mails = [mail(number) for number in range(3)]
    tray = Tray(far, mails)
    outcomes = session.send(tray, tray)

    assert accepted(next(outcomes)) == [True]
    outcomes.close()
    session.quit()

    assert session.closed
    assert arrived(far) == as_sent(mails[0])
    assert len(tray.allowed_when) == 1


def test_an_error_of_the_body_passes_through_and_nothing_of_the_mail_arrives(
    far: FarSide, session: Session
) -> None:
    bad = mail(1, error=OSError("the file is gone"))
    tray = Tray(far, [bad, mail(2)])

    with pytest.raises(OSError, match="the file is gone"):
        list(session.send(tray, tray))
    session.quit()

    assert far.received == []


def test_a_refused_recipient_keeps_the_mail_from_nobody_else(far: FarSide, session: Session) -> None:
    require(far, "refuse_recipient")
    far.refuse_recipient("nobody@example.net")
    tray = Tray(far, [mail(1, "nobody@example.net", "other@example.net")])

    (outcome,) = session.send(tray, tray)

    assert accepted(outcome) == [True, False, True]
    refused = outcome.recipients[1]
    assert (refused.verdict, refused.matter) == (Verdict.FAIL, Matter.RECIPIENT)
    assert refused.answer.text
    assert [recipients for _, recipients, _ in far.received] == [("to1@example.net", "other@example.net")]


def test_a_limit_of_the_server_says_for_how_long(far: FarSide, session: Session) -> None:
    require(far, "limit")
    far.limit()
    tray = Tray(far, [mail(1)])

    (outcome,) = session.send(tray, tray)

    assert (outcome.whole.verdict, outcome.whole.rest_seconds) == (Verdict.SERVER_LIMIT, 120)
    assert outcome.whole.temporary


def test_a_far_side_that_vanishes_behind_a_mail_leaves_it_in_doubt(far: FarSide, session: Session) -> None:
    require(far, "vanish_with_next")
    far.vanish_with_next()
    tray = Tray(far, [mail(1), mail(2)])

    (outcome,) = session.send(tray, tray)

    assert outcome.error is not None
    assert outcome.error.ambiguous
    assert session.closed
    assert session.end is not None
    assert (session.end.mails, session.end.error) == (0, outcome.error)
    assert len(far.received) == 1


def test_to_verify_sends_nothing(far: FarSide, session: Session) -> None:
    judgements = session.verify("me@example.com", "me@example.com")

    assert [judgement.verdict for judgement in judgements] == [Verdict.ACCEPTED] * len(judgements)
    session.noop()
    tray = Tray(far, [mail(1)])
    assert [accepted(outcome) for outcome in session.send(tray, tray)] == [[True]]
    assert len(far.received) == 1


def test_a_sender_that_may_not_send_is_found_out(far: FarSide, session: Session) -> None:
    require(far, "refuse_sender")
    far.refuse_sender("me@example.com")

    judgement = session.verify("me@example.com", "me@example.com")[0]

    assert (judgement.verdict, judgement.matter) == (Verdict.SENDER_REFUSED, Matter.SENDER)
    assert not judgement.temporary


def test_a_closed_session_sends_nothing_and_may_be_closed_again(far: FarSide, session: Session) -> None:
    session.close()
    session.close()
    session.quit()
    tray = Tray(far, [mail(1)])

    assert list(session.send(tray, tray)) == []
    assert len(tray.waiting) == 1


def test_no_transport_connects_where_policy_forbids_it(name: str, far: FarSide) -> None:
    if name == "outbox":
        pytest.skip("it connects to nobody")

    with pytest.raises(TransportError):
        transport_to(name).open(settings_to(far), surroundings_to(far, NetworkPolicy(allowed_ports=None)))


@pytest.mark.parametrize("unknown", ["pigeon", "", "smtp.session", "contract", "../smtp"])
def test_a_send_method_without_a_transport_says_so(unknown: str) -> None:
    with pytest.raises(TransportMissing, match="There is no transport for the send method"):
        transport_for(unknown)


# With delivery on top.


@pytest.fixture
def account(name: str, far: FarSide, settings: Any, certificates: Certificates) -> Account:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "OUTBOX": name == "outbox",
        "CA_FILE": certificates.ca_file,
    }
    if far.name in SERVICES:
        web = {"ALLOW_PLAIN_HTTP": True, "WEB_PORTS": None, "SEND_API_URLS": urls_of(far)}
        settings.MAILCONFIG = {**settings.MAILCONFIG, **web}
        if far.name == "gmail_api":
            login = {"authentication": "oauth2", "username": ADDRESS, "secret": Secret(TOKEN)}
            return make_account(443, send_method=far.name, host="", **login)
        return make_account(443, send_method=far.name, host="", authentication="password", secret=Secret(KEY))
    login = {"username": USER, "secret": Secret(PASSWORD)} if far.name in LOGS_IN else {}
    if far.name == "ews":
        login |= {"authentication": "password", "security": "tls"}
    return make_account(far.port, send_method=far.name, **login)


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("window", [1, 10])
def test_a_queue_is_drained(far: FarSide, account: Account, settings: Any, window: int) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WINDOW": window}
    messages = [make_message(account) for _ in range(12)]

    report = delivery.drain_account(account_id=account.pk)

    assert report.outcomes == {AttemptOutcome.SENT: 12}
    assert states() == ["sent"] * 12
    assert [recipients for _, recipients, _ in far.received] == [
        (message.recipients.get().address,) for message in messages
    ]
    assert Attempt.objects.filter(outcome="sent", recipients=1).count() == 12


@pytest.mark.django_db(transaction=True)
def test_a_recipient_that_is_refused_fails_alone(far: FarSide, account: Account) -> None:
    require(far, "refuse_recipient")
    far.refuse_recipient("nobody@example.net")
    make_message(account, to=["you@example.net", "nobody@example.net"])

    delivery.drain_account(account_id=account.pk)

    assert states() == ["partial"]
    assert [recipients for _, recipients, _ in far.received] == [("you@example.net",)]


@pytest.mark.django_db(transaction=True)
def test_a_limit_of_the_server_lets_the_account_rest(far: FarSide, account: Account) -> None:
    require(far, "limit")
    far.limit()
    make_message(account)

    delivery.drain_account(account_id=account.pk)

    lane = Lane.objects.get()
    assert (states(), lane.wait_reason) == (["queued"], WaitReason.SERVER_LIMIT)
    assert lane.wait_until is not None
    assert lane.last_error_at is not None
    assert 100 < (lane.wait_until - lane.last_error_at).total_seconds() <= 120


@pytest.mark.django_db(transaction=True)
def test_a_mail_in_doubt_waits_until_it_is_certain(far: FarSide, account: Account) -> None:
    require(far, "vanish_with_next")
    far.vanish_with_next()
    make_message(account)

    delivery.drain_account(account_id=account.pk)

    assert Attempt.objects.get().outcome == AttemptOutcome.UNKNOWN
    assert (states(), len(far.received)) == (["queued"], 1)
    assert Message.objects.get().wait_reason == WaitReason.UNKNOWN_OUTCOME


@pytest.mark.django_db(transaction=True)
def test_a_probe_goes_through_the_stages_of_the_transport(name: str, far: FarSide, account: Account) -> None:
    check = delivery.probe_account(account_id=account.pk, requested_by=None)

    assert check.state == CheckState.PASSED
    assert [stage["stage"] for stage in check.stages] == list(transport_to(name).stages)
    assert far.received == []


@pytest.mark.django_db(transaction=True)
def test_a_probe_tells_of_a_refused_sender(far: FarSide, account: Account) -> None:
    require(far, "refuse_sender")
    far.refuse_sender(account.from_email)

    check = delivery.probe_account(account_id=account.pk, requested_by=None)

    assert (check.state, check.code, check.guilty_field) == ("failed", "sender_refused", "from_email")


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_arrives(far: FarSide, account: Account) -> None:
    check = delivery.send_test_mail(account_id=account.pk, recipient="you@example.net", requested_by=None)

    assert check.state == CheckState.PASSED
    assert [recipients for _, recipients, _ in far.received] == [("you@example.net",)]
    assert [stage["outcome"] for stage in check.stages][-3:] == ["ok", "ok", "ok"]
    assert states() == ["sent"]


@pytest.mark.django_db(transaction=True)
def test_a_test_mail_that_is_refused_says_whose_fault_it_is(far: FarSide, account: Account) -> None:
    require(far, "refuse_recipient")
    far.refuse_recipient("nobody@example.net")

    check = delivery.send_test_mail(account_id=account.pk, recipient="nobody@example.net", requested_by=None)

    assert (check.state, check.code, check.guilty_field) == ("failed", "recipient_refused", "recipient")
    assert states() == ["failed"]


@pytest.mark.django_db(transaction=True)
def test_a_person_stores_an_account_that_works(account: Account) -> None:
    account.name = "renamed"

    check = delivery.save_account(account=account, by=None, prove=True)

    assert check is not None
    assert check.state == CheckState.PASSED
    assert Account.objects.get().name == "renamed"


@pytest.mark.django_db
@pytest.mark.parametrize("unknown", ["pigeon", "outbox"])
def test_a_person_stores_no_account_that_nothing_here_would_send_for(unknown: str) -> None:
    account = make_account()
    account.send_method = unknown

    with pytest.raises(ValidationError) as caught:
        delivery.save_account(account=account, by=None)

    assert caught.value.message_dict == {
        "send_method": ["Nothing here sends in the way that the account names."]
    }
    assert Account.objects.get().send_method == "smtp"


@pytest.mark.django_db(transaction=True)
def test_an_account_whose_way_to_send_is_gone_waits_and_says_so(account: Account, far: FarSide) -> None:
    if far.name != "smtp" or "limit" not in far.can:
        pytest.skip("once is enough")
    Account.objects.filter(pk=account.pk).update(send_method="pigeon")
    make_message(account)

    delivery.drain_account(account_id=account.pk)
    check = delivery.probe_account(account_id=account.pk, requested_by=None)

    lane = Lane.objects.get()
    assert (states(), lane.wait_reason) == (["queued"], WaitReason.PAUSED_CONFIG)
    assert "pigeon" in lane.wait_text
    assert (check.state, check.guilty_field) == ("failed", "send_method")
