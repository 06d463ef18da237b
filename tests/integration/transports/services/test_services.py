"""Mail services: each status and what follows, what a mail says and what is refused by name, and one client of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.utils import format_datetime
from time import time
from typing import Any

import pytest
import sendgrid
from anymail.signals import post_send
from django.core.exceptions import ValidationError
from python_http_client.exceptions import UnauthorizedError
from sendgrid.helpers.mail import Mail as OwnMail

from mailconfig.exceptions import ConnectionFailed, LoginRefused, TransportMissing
from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.models import Account
from mailconfig.transports import registry
from mailconfig.transports.contract import Matter, Outcome, Session, Surroundings, Verdict
from mailconfig.transports.registry import transport_for
from mailconfig.values import ConnectionSettings, Envelope, NetworkPolicy, Secret, Security, Stage
from tests.integration.transports.far_sides import Mail, SendGridFarSide, Tray
from tests.servers.services import KEY, Said, ServiceServer

ME, YOU, THEM = "me@example.com", "you@example.net", "them@example.net"
PNG = b"\x89PNG\r\n\x1a\n"


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


def opened(
    around: Surroundings, name: str = "sendgrid", *, key: str | None = KEY, username: str = ""
) -> Session:
    secret = None if key is None else Secret(key)
    settings = ConnectionSettings(host="", port=443, security=Security.TLS, username=username, secret=secret)
    _opened.append(transport_for(name).open(settings, around))
    return _opened[-1]


class Arrivals(SendGridFarSide):
    """Whatever the service, of which nothing but the number is asked."""

    @property
    def received(self) -> list[Any]:
        return list(self.server.mails)


def sent(
    server: ServiceServer, session: Session, mail: EmailMessage | bytes, *recipients: str, sender: str = ME
) -> Outcome:
    data = mail if isinstance(mail, bytes) else mail.as_bytes()
    tray = Tray(Arrivals(server), [Mail(Envelope(sender, recipients or (YOU,), len(data)), data)])
    [outcome] = session.send(tray, tray)
    return outcome


def written(text: str = "Text", **fields: str) -> EmailMessage:
    mail = EmailMessage()
    headers = {"From": ME, "To": YOU, "Subject": "Grüße", "Message-ID": "<1@example.com>", **fields}
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


def failed(status: int, words: str = "no", field: str | None = None, **headers: str) -> Said:
    body = {"errors": [{"message": words, "field": field, "help": None}]}
    return Said(status, body, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


LIMIT, SENDER, ACCOUNT = Verdict.SERVER_LIMIT, Verdict.SENDER_REFUSED, Verdict.ACCOUNT_REFUSED


@pytest.mark.parametrize(
    ("said", "verdict", "matter", "rest"),
    [
        (failed(400, "Does not contain a valid address.", "from.email"), Verdict.FAIL, None, None),
        (failed(413, "Payload Too Large"), Verdict.FAIL, None, None),
        (failed(401, "authorization required"), ACCOUNT, Matter.LOGIN, None),
        (failed(401, "Maximum credits exceeded"), LIMIT, None, None),
        (failed(403, "access forbidden"), ACCOUNT, Matter.LOGIN, None),
        (
            failed(403, "The from address does not match a verified Sender Identity.", "from"),
            SENDER,
            Matter.SENDER,
            None,
        ),
        (failed(404, "not found"), ACCOUNT, None, None),
        (failed(429, "too many requests", Retry_After="7"), LIMIT, None, 7),
        (failed(429, "too many requests", Retry_After="nonsense"), LIMIT, None, None),
        (failed(429, "too many requests", X_RateLimit_Reset=str(int(time()) + 50_000)), LIMIT, None, ...),
        (failed(429, "too many requests", Retry_After="999999999"), LIMIT, None, 86400),
        (failed(409, "in progress"), Verdict.RETRY, None, None),
        (failed(503), Verdict.RETRY, None, None),
        (Said(302, None, (("Location", "/elsewhere"),)), Verdict.PROTOCOL, None, None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Said) else "",
)
def test_each_status_says_whose_affair_it_is(
    server: ServiceServer,
    around: Surroundings,
    said: Said,
    verdict: Verdict,
    matter: Matter | None,
    rest: Any,
) -> None:
    session = opened(around)
    server.faults.append(said)

    outcome = sent(server, session, written())

    whole = outcome.whole
    assert (whole.verdict, whole.matter, whole.answer.code) == (verdict, matter, said.status)
    assert outcome.handed_over
    if rest is ...:
        reset = int(dict(said.headers)["X-RateLimit-Reset"])  # written when the tests were collected
        assert whole.rest_seconds == pytest.approx(reset - time(), abs=60)
    else:
        assert whole.rest_seconds == rest
    assert server.mails == []
    assert sent(server, session, written()).whole.verdict is Verdict.ACCEPTED, "the session goes on"
    assert server.connections == 1
    session.quit()


@pytest.mark.parametrize(
    ("name", "said", "verdict"),
    [
        ("postmark", Said(422, {"ErrorCode": 400, "Message": "Unknown"}), SENDER),
        ("postmark", Said(422, {"ErrorCode": 405, "Message": "Not allowed to send."}), LIMIT),
        ("postmark", Said(422, {"ErrorCode": 402, "Message": "No From address 401"}), Verdict.FAIL),
        ("resend", Said(403, {"name": "validation_error", "message": "Verify it."}), SENDER),
        (
            "resend",
            Said(422, {"name": "validation_error", "message": "a@daily_quota_exceeded"}),
            Verdict.FAIL,
        ),
        ("brevo", Said(402, {"code": "not_enough_credits", "message": "No"}), LIMIT),
        ("sparkpost", Said(400, {"errors": [{"code": "7001", "message": "No"}]}), SENDER),
        ("sparkpost", Said(420, {"errors": [{"code": "2102", "message": "No"}]}), LIMIT),
        ("mandrill", Said(500, {"status": "error", "name": "Invalid_Key", "message": "No"}), ACCOUNT),
        ("mandrill", Said(500, {"name": "GeneralError", "message": "not invalid_key"}), Verdict.RETRY),
        ("mailersend", Said(422, {"message": "No", "errors": {"from.email": ["No"]}}), SENDER),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Said) else "",
)
def test_what_the_status_leaves_open_hangs_on_the_services_codes_and_not_on_its_sentences(
    server: ServiceServer, around: Surroundings, name: str, said: Said, verdict: Verdict
) -> None:
    server.faults.append(said)

    assert sent(server, opened(around, name), written()).whole.verdict is verdict


def test_a_receiver_that_fails_does_not_put_a_mail_in_doubt(
    server: ServiceServer, around: Surroundings
) -> None:
    def fails(**_: Any) -> None:
        raise RuntimeError

    post_send.connect(fails)
    try:
        outcome = sent(server, opened(around), written())
    finally:
        post_send.disconnect(fails)

    assert [each.verdict for each in outcome.recipients] == [Verdict.ACCEPTED]


def test_a_date_in_retry_after_is_understood(server: ServiceServer, around: Surroundings) -> None:
    from datetime import UTC, datetime, timedelta

    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    server.faults.append(failed(429, Retry_After=moment))
    rest = sent(server, opened(around), written()).whole.rest_seconds
    assert rest is not None
    assert 200 < rest <= 300


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *(("postmark", fault) for fault in ("hang up", "cut", "nonsense", failed(500), failed(504))),
        ("sendgrid", "nonsense"),
    ],
    ids=str,
)
def test_what_may_have_been_taken_is_in_doubt(
    server: ServiceServer, around: Surroundings, name: str, fault: Said | str
) -> None:
    session = opened(around, name)
    server.faults.append(fault)

    outcome = sent(server, session, written())

    assert outcome.error is not None
    assert outcome.error.ambiguous
    assert outcome.handed_over
    assert session.closed
    assert session.end is not None


def test_a_service_that_is_away_or_slow_to_connect_leaves_the_mail_untouched(
    server: ServiceServer, around: Surroundings
) -> None:
    session = opened(around)
    session.noop()
    gone = replace(around, service_urls={"sendgrid": "http://127.0.0.1:1/"})
    with pytest.raises(ConnectionFailed):
        opened(gone)

    assert not session.handed_over
    assert server.mails == []


def test_a_mail_is_told_as_it_is_stored(server: ServiceServer, around: Surroundings) -> None:
    mail = written(
        "Text\nLine",
        Cc="Zoë <them@example.net>",
        Reply_To="a@example.com, B <b@example.com>",
        List_Unsubscribe="<https://example.com/u/1>",
        X_Two="zwei",
        Date="Mon, 30 Nov 2026 12:00:00 +0000",
    )
    mail.add_alternative('<p>Hi <img src="cid:logo"></p>', subtype="html")
    mail.get_payload()[1].add_related(PNG, "image", "png", cid="<logo>")  # type: ignore[union-attr,index]
    mail.add_attachment("a;b\nä;c\n".encode("latin-1"), "text", "csv", filename="täble.csv")
    mail.get_payload()[-1].set_param("charset", "latin-1")  # type: ignore[union-attr,index]
    mail.add_attachment(b"\0\1", "application", "octet-stream", filename="a.bin")
    session = opened(around)

    outcome = sent(server, session, mail, YOU, THEM, "unseen@example.net")

    assert [each.verdict for each in outcome.recipients] == [Verdict.ACCEPTED] * 3
    assert outcome.whole.answer.text, "its id is kept"
    [taken] = server.mails
    said = taken.said
    assert said["personalizations"][0] == {
        "to": [{"email": YOU}],
        "cc": [{"email": THEM, "name": "Zoë"}],
        "bcc": [{"email": "unseen@example.net"}],
        "custom_args": said["personalizations"][0]["custom_args"],
    }
    assert (said["from"], said["subject"]) == ({"email": ME}, "Grüße")
    assert said["reply_to_list"] == [{"email": "a@example.com"}, {"email": "b@example.com", "name": "B"}]
    assert said["headers"] == {
        "Message-ID": "<1@example.com>",
        "List-Unsubscribe": "<https://example.com/u/1>",
        "X-Two": "zwei",
    }
    assert said["content"] == [
        {"type": "text/plain", "value": "Text\nLine\n"},
        {"type": "text/html", "value": '<p>Hi <img src="cid:logo"></p>\n'},
    ]
    found = {one.get("content_id") or one["filename"]: one for one in said["attachments"]}
    assert set(found) == {"logo", "täble.csv", "a.bin"}
    assert found["logo"]["disposition"] == "inline"
    import base64

    assert base64.b64decode(found["täble.csv"]["content"]).decode() == "a;b\nä;c\n"


def test_an_invitation_is_told_where_the_service_can_and_refused_where_not(
    server: ServiceServer, around: Surroundings
) -> None:
    mail = written()
    mail.add_alternative("<p>Hi</p>", subtype="html")
    mail.add_alternative("BEGIN:VCALENDAR", subtype="calendar", params={"method": "REQUEST"})

    assert sent(server, opened(around), mail).whole.verdict is Verdict.ACCEPTED
    assert [one["type"].partition(";")[0] for one in server.mails[0].said["content"]] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    outcome = sent(server, opened(around, "postmark"), mail)
    assert (outcome.whole.verdict, outcome.error_code) == (Verdict.FAIL, "not_carried")
    assert "alternative part" in outcome.whole.answer.text
    assert len(server.mails) == 1


RAW = f"From: {ME}\r\nTo: {YOU}\r\nSubject: x\r\n"


@pytest.mark.parametrize(
    ("mail", "recipients", "words"),
    [
        (f"{RAW}X-A: 1\r\nX-A: 2\r\n\r\nText\r\n", (YOU,), "the field X-A twice"),
        (f"{RAW}DKIM-Signature: v=1\r\n\r\nText\r\n", (YOU,), "the field DKIM-Signature"),
        (f"{RAW}Sender: x@example.com\r\n\r\nText\r\n", (YOU,), "the field Sender"),
        (f"From: {ME}, {YOU}\r\nTo: {YOU}\r\nSubject: x\r\n\r\nText\r\n", (YOU,), "several From addresses"),
        (
            f"{RAW}Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\r\n",
            (YOU,),
            "the character set it names",
        ),
        (f"{RAW}Content-Type: text/plain; charset=klingon\r\n\r\nText\r\n", (YOU,), "the character set"),
        (f"{RAW}Content-Type: application/pdf\r\n\r\nText\r\n", (YOU,), "application/pdf as a text"),
        (
            f"{RAW}Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b--\r\n",
            (YOU,),
            "multipart/signed",
        ),
        (
            f"{RAW}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nOne\r\n--b\r\n\r\nTwo\r\n--b--\r\n",
            (YOU,),
            "several texts one behind the other",
        ),
        (
            f"{RAW}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nOne\r\n--b\r\n\r\nTwo\r\n--b--\r\n",
            (YOU,),
            "several texts of one kind",
        ),
        (f"{RAW.replace('Subject: x', 'Subject:')}\r\nText\r\n", (YOU,), "subject is required"),
        (
            f"{RAW.replace('Subject: x', 'Subject: =?utf-8?q?x=0D=0ABcc:_{THEM}?=')}\r\nText\r\n",
            (YOU,),
            "control characters in the field subject",
        ),
        (f"{RAW}X-A: =?utf-8?q?1=0AX-B:_2?=\r\n\r\nText\r\n", (YOU,), "control characters in the field X-A"),
        (f"{RAW}Message-ID: <\r\n\r\nText\r\n", (YOU,), "cannot be read"),
        (f"{RAW}Content-Type: multipart/mixed\r\n\r\nText\r\n", (YOU,), "cannot be read"),
        (f"{RAW}Cc: {'(' * 3000}\r\n\r\nText\r\n", (YOU,), "cannot be read"),
        (f"{RAW}Content-Type: text/plain; charset=undefined\r\n\r\nText\r\n", (YOU,), "the character set"),
    ],
    ids=range(17),
)
def test_what_has_no_place_there_is_refused_by_name_and_nothing_is_sent(
    server: ServiceServer, around: Surroundings, mail: str, recipients: tuple[str, ...], words: str
) -> None:
    outcome = sent(server, opened(around), mail.encode("latin-1"), *recipients)

    assert outcome.whole.verdict is Verdict.FAIL
    assert words in outcome.whole.answer.text
    assert server.mails == []
    by_us = "required" not in words
    assert (outcome.error_code, outcome.handed_over) == ("not_carried" if by_us else "", not by_us)


def test_a_recipient_whom_the_envelope_leaves_out_gets_nothing(
    server: ServiceServer, around: Surroundings
) -> None:
    sent(server, opened(around), written(Cc=THEM), YOU)
    sent(server, opened(around), written(), THEM)

    assert [mail.recipients for mail in server.mails] == [(YOU,), (THEM,)]


@pytest.mark.parametrize(
    ("name", "username", "keeps_id"),
    [
        ("postmark", "", True),
        ("mailgun", "mg.example.com", True),
        ("resend", "", False),
        ("brevo", "", False),
    ],
)
def test_other_services_are_spoken_with_in_their_own_words(
    server: ServiceServer, around: Surroundings, name: str, username: str, keeps_id: bool
) -> None:
    stages: list[Stage] = []
    session = opened(
        replace(around, on_stage=lambda stage, _seconds, _detail: stages.append(stage)),
        name,
        username=username,
    )
    assert stages == list(transport_for(name).stages)
    mail = written(Cc=THEM)
    mail.add_alternative("<p>Hi</p>", subtype="html")
    mail.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")

    outcome = sent(server, session, mail, YOU, THEM, "unseen@example.net")

    assert [each.verdict for each in outcome.recipients] == [Verdict.ACCEPTED] * 3
    assert set(server.mails[0].recipients) == {YOU, THEM, "unseen@example.net"}
    # Told beside the mail in any case, for the reports; in its header where the service lets it stand.
    assert json.dumps(server.mails[0].said).count("<1@example.com>") == 1 + keeps_id
    session.quit()


def test_who_is_refused_alone_fails_alone(server: ServiceServer, around: Surroundings) -> None:
    server.suppressed.add(THEM)
    session = opened(around, "postmark")

    partly = sent(server, session, written(Cc=THEM), YOU, THEM)
    wholly = sent(server, session, written(), THEM)

    assert [each.verdict for each in partly.recipients] == [Verdict.ACCEPTED, Verdict.FAIL]
    assert partly.recipients[1].matter is Matter.RECIPIENT
    assert [each.verdict for each in wholly.recipients] == [Verdict.FAIL]
    assert not wholly.handed_over
    assert [mail.recipients for mail in server.mails] == [(YOU,)]


def test_a_second_try_is_known_by_its_message_id_where_the_service_has_a_key_for_it(
    server: ServiceServer, around: Surroundings
) -> None:
    server.faults.append("hang up")
    first = sent(server, opened(around, "resend"), written())
    assert first.error is not None
    assert first.error.ambiguous
    sent(server, opened(around, "resend"), written())

    assert len(server.mails) == 1
    assert server.mails[0].headers["idempotency-key"].endswith(" <1@example.com>")


LATER = Verdict.NEXT_TRANSACTION
MANY = tuple(f"m{number}@example.net" for number in range(60))


@pytest.mark.parametrize(
    ("name", "fields", "envelope", "requests"),
    [
        ("sendgrid", {}, (THEM, "b@example.net"), [(THEM,), ("b@example.net",)]),
        ("sendgrid", {"Cc": THEM}, (THEM, "b@example.net"), [(THEM, "b@example.net")]),
        ("sendgrid", {"To": "Y <you@BÜCHER.example>"}, ("you@xn--bcher-kva.example",), ["idn"]),
        ("resend", {"To": ", ".join(MANY)}, MANY, [MANY[:50], MANY[50:]]),
        ("postmark", {"Cc": ", ".join(MANY)}, (YOU, *MANY), [(YOU, *MANY[:49]), MANY[49:]]),
        ("mandrill", {"To": "You@Example.NET"}, ("You@Example.NET",), [("You@example.net",)]),
    ],
    ids=["unseen", "nobody left in To", "IDN", "resend", "postmark", "other letters"],
)
def test_who_has_no_place_in_a_request_gets_the_mail_by_another(
    server: ServiceServer,
    around: Surroundings,
    name: str,
    fields: dict[str, str],
    envelope: tuple[str, ...],
    requests: list[Any],
) -> None:
    mail = written(**fields)
    session, left, rounds = opened(around, name), envelope, 0
    while left and rounds < 5:
        rounds += 1
        outcome = sent(server, session, mail, *left)
        verdicts = [each.verdict for each in outcome.recipients]
        assert set(verdicts) <= {Verdict.ACCEPTED, LATER}
        left = tuple(one for one, verdict in zip(left, verdicts, strict=True) if verdict is LATER)

    got = [taken.recipients for taken in server.mails]
    if requests == ["idn"]:
        assert server.mails[0].said["personalizations"][0]["to"] == [{"email": envelope[0], "name": "Y"}]
    else:
        assert [tuple(map(str.lower, one)) for one in got] == [tuple(map(str.lower, one)) for one in requests]


@pytest.mark.parametrize("name", ["sparkpost", "mandrill"])
def test_of_whom_the_answer_says_nothing_nobody_knows_whether_he_got_it(
    server: ServiceServer, around: Surroundings, name: str
) -> None:
    server.suppressed.add(THEM)

    outcome = sent(server, opened(around, name), written(Cc=THEM), YOU, THEM)

    assert outcome.error is not None
    assert outcome.error.ambiguous
    assert Verdict.ACCEPTED not in {outcome.whole.verdict, *(each.verdict for each in outcome.recipients)}


def test_who_is_named_as_invalid_fails_and_the_others_are_tried_without(
    server: ServiceServer, around: Surroundings
) -> None:
    words = f"Error parsing 'Cc': Illegal email domain 'example.net' in address '{THEM}'."
    server.faults.append(Said(422, {"ErrorCode": 300, "Message": words}))

    outcome = sent(server, opened(around, "postmark"), written(Cc=THEM), YOU, THEM)

    assert [each.verdict for each in outcome.recipients] == [Verdict.RETRY, Verdict.FAIL]
    assert not outcome.handed_over


@pytest.mark.parametrize(
    ("name", "key", "username", "field"),
    [
        ("sendgrid", "wrong", "", "secret"),
        ("sendgrid", None, "", "secret"),
        ("sendgrid", "with a\nbreak", "", "secret"),
        ("sendgrid", "schlüssel", "", "secret"),
        ("mailjet", KEY, "", "username"),
        ("brevo", "wrong", "", "secret"),
        ("resend", "wrong", "", "secret"),
    ],
)
def test_a_key_that_cannot_be_right_is_found_out_by_a_check(
    around: Surroundings, name: str, key: str | None, username: str, field: str
) -> None:
    with pytest.raises(LoginRefused) as caught:
        opened(replace(around, on_stage=lambda *_: None), name, key=key, username=username)

    assert (caught.value.field, caught.value.stage) == (field, Stage.LOGIN)


def test_the_key_is_in_no_words_that_are_kept(server: ServiceServer, around: Surroundings) -> None:
    server.faults.append(failed(400, f"Bad key: Bearer {KEY}"))

    outcome = sent(server, opened(around), written())

    assert KEY not in repr(outcome)
    assert "***" in outcome.whole.answer.text


def test_what_the_journal_raises_passes_through_and_nothing_is_sent(
    server: ServiceServer, around: Surroundings
) -> None:
    class LostTray(Tray):
        def start(self, *, accepted: int) -> None:
            raise KeyError("the lease")

    session = opened(around)
    data = written().as_bytes()
    tray = LostTray(Arrivals(server), [Mail(Envelope(ME, (YOU,), len(data)), data)])

    with pytest.raises(KeyError, match="the lease"):
        list(session.send(tray, tray))

    assert session.closed
    assert server.mails == []


def test_nothing_of_the_host_projects_settings_for_anymail_counts(
    server: ServiceServer, around: Surroundings, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ANYMAIL = {
        "SENDGRID_API_KEY": "of the project",
        "SEND_DEFAULTS": {"tags": ["project"], "track_opens": True},
        "SENDGRID_SEND_DEFAULTS": {"tags": ["project"]},
        "IGNORE_UNSUPPORTED_FEATURES": True,
        "DEBUG_API_REQUESTS": True,
    }
    sent(server, opened(around), written())

    assert not {"categories", "tracking_settings"} & set(server.mails[0].said)
    assert server.mails[0].headers["authorization"] == f"Bearer {KEY}"
    assert capsys.readouterr().out == ""


def test_without_the_extra_the_send_method_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mailconfig.transports.services.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "anymail", None)
    monkeypatch.setitem(sys.modules, "anymail.exceptions", None)
    monkeypatch.setattr(registry, "_registered", {})

    with pytest.raises(TransportMissing):
        transport_for("sendgrid")


def test_the_fake_satisfies_the_services_own_client(server: ServiceServer) -> None:
    client = sendgrid.SendGridAPIClient(KEY, host=server.url("sendgrid").rstrip("/"))
    client.client._version = None  # it would add v3, which is in the address here
    message = OwnMail(ME, YOU, "Hi", plain_text_content="Text")

    taken = client.client.mail.send.post(request_body=message.get())
    wrong = sendgrid.SendGridAPIClient("wrong", host=server.url("sendgrid").rstrip("/"))
    wrong.client._version = None
    with pytest.raises(UnauthorizedError):
        wrong.client.mail.send.post(request_body=message.get())

    assert (taken.status_code, taken.headers["X-Message-Id"]) == (202, "sg-1")
    assert [mail.recipients for mail in server.mails] == [(YOU,)]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, ""),
        ({"host": "api.eu.sendgrid.com"}, ""),
        ({"host": "smtp.example.com"}, "host"),
        ({"authentication": "none"}, "authentication"),
        ({"envelope_from": "bounces@example.com"}, "envelope_from"),
        ({"secret": None}, "secret"),
        ({"send_method": "mailjet"}, "username"),
        ({"send_method": "mailjet", "username": "key-of-the-account"}, ""),
    ],
    ids=str,
)
def test_an_account_of_a_service_needs_its_key_and_no_server(values: dict[str, Any], field: str) -> None:
    usual = {"send_method": "sendgrid", "authentication": "password", "secret": Secret(KEY)}
    account = Account(kind="smtp_provider", from_email=ME, **{**usual, **values})

    try:
        account.clean()
        refused = ""
    except ValidationError as error:
        [refused] = error.error_dict

    assert refused == field
    assert set(MAIL_SERVICES["sendgrid"].hosts) == {"api.sendgrid.com", "api.eu.sendgrid.com"}
