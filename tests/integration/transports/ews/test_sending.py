"""Sending by Exchange: what it is told, and what each of its answers means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import LoginRefused, ProtocolError, TLSFailed, TransportError
from mailconfig.transports.contract import Matter, Outcome, Surroundings, Verdict
from mailconfig.transports.ews import TRANSPORT
from mailconfig.transports.ews.sending import EWSSession
from mailconfig.values import Authentication, Envelope, ErrorCode, NetworkPolicy, Secret, Stage, Timeouts
from tests.integration.transports.far_sides import READ_IN_TWO_WAYS, Mail, Tray
from tests.servers.certificates import Certificates
from tests.servers.ews import FakeEWS, Fault

from .sessions import PASSWORD, USER, settings_to

BODY = b"From: me@example.com\r\nTo: You <you@example.net>\r\nCc: c@example.net\r\nSubject: Hi\r\n\r\n\xc3\xa4 .\r\n"


def mail(*recipients: str, body: bytes = BODY) -> Mail:
    return Mail(
        Envelope("me@example.com", recipients or ("you@example.net", "c@example.net"), len(body)), body
    )


class Far:
    """For the tray: what has arrived."""

    def __init__(self, server: FakeEWS) -> None:
        self.server = server

    @property
    def received(self) -> list[Any]:
        return self.server.sent


def send(
    server: FakeEWS, policy: NetworkPolicy, *mails: Mail, **values: Any
) -> tuple[list[Outcome], EWSSession]:
    session = TRANSPORT.open(settings_to(server, **values), Surroundings(policy=policy))
    tray = Tray(Far(server), mails or [mail()])  # type: ignore[arg-type]
    outcomes = list(session.send(tray, tray))
    session.close()
    return outcomes, session


def test_a_mail_goes_out_as_it_is_to_whom_the_envelope_names(server: FakeEWS, policy: NetworkPolicy) -> None:
    outcomes, _ = send(
        server,
        policy,
        mail(),
        mail("YOU@example.net", "c@example.net", "hidden@example.org"),
        mail("only@example.net", body=b"Subject: none named\n\ntext\n"),
        version="Exchange2013_SP1",
    )

    assert [outcome.whole.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 3
    assert [(sent.data, sent.recipients, sent.saved) for sent in server.sent] == [
        (BODY, ("you@example.net", "c@example.net"), True),
        (BODY, ("you@example.net", "c@example.net", "hidden@example.org"), True),
        (b"Subject: none named\n\ntext\n", ("only@example.net",), True),
    ]
    assert b'RequestServerVersion Version="Exchange2013_SP1"' in server.bodies[-1]
    assert server.requests == ["GetFolder", *["CreateItem"] * 3]


@pytest.mark.parametrize("body", [BODY, *((named + "\r\nHi\r\n").encode() for named in READ_IN_TWO_WAYS)])
def test_who_is_named_and_is_not_to_get_it_keeps_the_mail_here(
    server: FakeEWS, policy: NetworkPolicy, body: bytes
) -> None:
    (outcome,), session = send(server, policy, mail("you@example.net", body=body))

    assert (outcome.whole.verdict, outcome.error_code) == (Verdict.FAIL, "recipients_differ")
    assert (server.sent, session.handed_over) == ([], 0)


def test_no_copy_is_kept_where_none_is_wanted(server: FakeEWS, policy: NetworkPolicy) -> None:
    send(server, policy, saves_copy=False)

    assert [sent.saved for sent in server.sent] == [False]
    assert b"SavedItemFolderId" not in server.bodies[-1]


@pytest.mark.parametrize(
    ("fault", "verdict", "matter", "rest"),
    [
        (Fault("ErrorServerBusy", back_off=120_000), Verdict.SERVER_LIMIT, None, 120),
        (Fault("ErrorServerBusy", status=500, back_off=1_500), Verdict.SERVER_LIMIT, None, 2),
        (Fault("ErrorServerBusy", back_off=10**12), Verdict.SERVER_LIMIT, None, None),
        (Fault("ErrorSubmissionQuotaExceeded"), Verdict.SERVER_LIMIT, None, None),
        (Fault(status=503, headers={"Retry-After": "7"}), Verdict.SERVER_LIMIT, None, 7),
        (Fault(status=429, headers={"Retry-After": "soon"}), Verdict.SERVER_LIMIT, None, None),
        (Fault("ErrorMailboxStoreUnavailable"), Verdict.RETRY, None, None),
        (Fault("ErrorOfTomorrow"), Verdict.RETRY, None, None),
        (Fault("ErrorSendAsDenied"), Verdict.SENDER_REFUSED, Matter.SENDER, None),
        (Fault("ErrorInvalidRecipients"), Verdict.FAIL, Matter.RECIPIENT, None),
        (Fault("ErrorMessageSizeExceeded"), Verdict.FAIL, None, None),
        (Fault(status=413), Verdict.FAIL, None, None),
        (Fault("ErrorMimeContentInvalid"), Verdict.FAIL, None, None),
        (Fault("ErrorAccessDenied", status=500), Verdict.ACCOUNT_REFUSED, None, None),
        (Fault("ErrorQuotaExceeded"), Verdict.ACCOUNT_REFUSED, None, None),
        (Fault("ErrorNonExistentMailbox"), Verdict.ACCOUNT_REFUSED, None, None),
        (Fault("ErrorInvalidServerVersion", status=500), Verdict.PROTOCOL, None, None),
        (Fault(status=404), Verdict.PROTOCOL, None, None),
        (Fault(status=302, headers={"Location": "https://elsewhere.example/"}), Verdict.PROTOCOL, None, None),
    ],
    ids=lambda value: f"{value.code}-{value.status}" if isinstance(value, Fault) else "",
)
def test_a_refusal_means_what_exchange_says(
    server: FakeEWS,
    policy: NetworkPolicy,
    fault: Fault,
    verdict: Verdict,
    matter: Matter | None,
    rest: float | None,
) -> None:
    server.faults["CreateItem"] = fault

    (outcome,), _ = send(server, policy)

    assert (outcome.whole.verdict, outcome.whole.matter, outcome.whole.rest_seconds) == (
        verdict,
        matter,
        rest,
    )
    assert (outcome.error, outcome.handed_over, server.sent) == (None, False, [])
    assert fault.code in outcome.whole.answer.text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(hangs_up=True, does_it=True),
        Fault(hangs=True, does_it=True),
        Fault(status=502, does_it=True),
        Fault("ErrorTimeoutExpired", does_it=True),
        Fault(status=200, body=b"<html>Log in here</html>", does_it=True),
        Fault(status=200, body=b"<s:Envelope", does_it=True),
        Fault(status=200, body=b"x", headers={"Content-Length": "1000"}, does_it=True),
        Fault(
            body=b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><a>&b;</a>',
            does_it=True,
        ),
        Fault(body=b"<a>" * 100_000, does_it=True),
        Fault(body=b"<a>" + b"<b/>" * 200_000 + b"</a>", does_it=True),
        Fault(body=b"x", headers={"Content-Length": str(10**12)}, does_it=True),
    ],
    ids=["hangs-up", "hangs", "502", "gave-up", "page", "cut", "lying", "laughs", "deep", "wide", "huge"],
)
def test_what_may_have_been_done_is_in_doubt(server: FakeEWS, policy: NetworkPolicy, fault: Fault) -> None:
    server.faults["CreateItem"] = fault
    timeouts = replace(Timeouts(), dot=0.5 if fault.hangs or "Content-Length" in fault.headers else 20.0)
    session = TRANSPORT.open(settings_to(server), Surroundings(policy=policy, timeouts=timeouts))
    tray = Tray(Far(server), [mail(), mail()])  # type: ignore[arg-type]

    (outcome,) = session.send(tray, tray)

    assert outcome.error is not None
    assert outcome.error.ambiguous
    assert session.closed
    assert session.end is not None
    assert len(server.sent) == 1


def test_a_login_that_ends_in_the_middle_is_the_accounts_affair(
    server: FakeEWS, policy: NetworkPolicy
) -> None:
    session = TRANSPORT.open(settings_to(server), Surroundings(policy=policy))
    server.credentials.clear()
    tray = Tray(Far(server), [mail(), mail()])  # type: ignore[arg-type]

    (outcome,) = session.send(tray, tray)

    assert (outcome.whole.verdict, outcome.whole.matter) == (Verdict.ACCOUNT_REFUSED, Matter.LOGIN)
    assert (session.closed, server.sent, session.handed_over) == (True, [], 0)


@pytest.mark.parametrize(
    ("values", "offers", "field"),
    [
        ({"secret": Secret("wrong")}, ("Basic realm=x",), "secret"),
        ({"secret": Secret("wrong")}, ("Negotiate", "NTLM"), "authentication"),
        ({"authentication": Authentication.OAUTH2, "secret": Secret("old")}, ("Bearer", "Basic"), "secret"),
        (
            {"authentication": Authentication.OAUTH2, "secret": Secret("old")},
            ("Basic realm=x",),
            "authentication",
        ),
        ({"authentication": Authentication.NONE, "secret": None}, (), "username"),
        ({"secret": None}, (), "secret"),
    ],
)
def test_a_login_that_is_refused_names_the_guilty_field(
    server: FakeEWS, policy: NetworkPolicy, values: dict[str, Any], offers: tuple[str, ...], field: str
) -> None:
    server.offers = offers

    with pytest.raises(LoginRefused) as caught:
        TRANSPORT.open(settings_to(server, **values), Surroundings(policy=policy))

    assert (caught.value.field, caught.value.code, caught.value.stage) == (
        field,
        ErrorCode.AUTH_FAILED,
        Stage.LOGIN,
    )
    assert not caught.value.temporary
    assert PASSWORD not in repr(vars(caught.value))


@pytest.mark.parametrize(
    ("fault", "error", "temporary"),
    [
        (Fault("ErrorNonExistentMailbox"), LoginRefused, False),
        (Fault("ErrorImpersonateUserDenied", status=500), LoginRefused, False),
        (Fault(status=403), LoginRefused, False),
        (Fault("ErrorServerBusy", back_off=1000), ProtocolError, True),
        (Fault(status=503), ProtocolError, True),
        (Fault(status=404), ProtocolError, False),
        (Fault(body=b"<html>"), ProtocolError, True),
    ],
    ids=lambda value: f"{value.code}-{value.status}" if isinstance(value, Fault) else "",
)
def test_a_session_that_does_not_begin_says_why(
    server: FakeEWS, policy: NetworkPolicy, fault: Fault, error: type[TransportError], temporary: bool
) -> None:
    server.faults["GetFolder"] = fault

    with pytest.raises(error) as caught:
        TRANSPORT.open(settings_to(server), Surroundings(policy=policy))

    assert (caught.value.stage, caught.value.temporary, caught.value.ambiguous) == (
        Stage.LOGIN,
        temporary,
        False,
    )


def test_a_token_of_an_organisation_says_for_whom_it_is_shown(server: FakeEWS, policy: NetworkPolicy) -> None:
    token = {"authentication": Authentication.OAUTH2, "secret": Secret("good-token")}

    send(server, policy, **token)
    send(server, policy, **token, acts_as_user=True)

    assert [b"ExchangeImpersonation" in body for body in server.bodies] == [False, False, True, True]
    assert f"<t:PrimarySmtpAddress>{USER}<".encode() in server.bodies[-1]
    assert {headers["X-AnchorMailbox"] for headers in server.headers} == {USER}


def test_a_certificate_is_verified_unless_account_and_deployment_want_it_otherwise(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with FakeEWS(tls=certificates.expired, credentials={USER: PASSWORD}) as server:
        for unverified, allowed in ((False, True), (True, False)):
            with pytest.raises(TLSFailed):
                TRANSPORT.open(
                    settings_to(server, verifies=not unverified),
                    Surroundings(policy=replace(policy, allow_unverified_tls=allowed)),
                )
        assert server.headers == []
        allowing = Surroundings(policy=replace(policy, allow_unverified_tls=True))
        TRANSPORT.open(settings_to(server, verifies=False), allowing).close()
        assert server.requests == ["GetFolder"]
