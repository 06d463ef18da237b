"""Mails that the demo's mail server makes readable."""

from datetime import UTC, datetime

import pytest

from project.inbox.parsing import read_mail
from project.inbox.store import ReceivedMail


def read(content: bytes) -> ReceivedMail:
    return read_mail(
        content, mail_from="a@example.com", recipients=("b@example.net",), received_at=datetime.now(UTC)
    )


def test_encoded_words_and_quoted_printable_are_decoded() -> None:
    mail = read(
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nZa=C5=BC\r\n"
    )

    assert (mail.subject, mail.text) == ("Grüße", "Zaż\n")


def test_the_plain_text_goes_before_the_html() -> None:
    mail = read(
        b'Content-Type: multipart/alternative; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nplain\r\n--x--\r\n"
    )

    assert mail.text.strip() == "plain"


def test_a_header_that_stands_there_twice_is_shown_twice() -> None:
    assert read(b"Received: one\r\nReceived: two\r\n\r\n").headers == {"Received": "one\ntwo"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\r\n\r\n\x00",
        b"Subject: =?no-such-charset?q?x?=\r\n\r\ntext",
        b"From: <\r\nTo: ,,,\r\nDate: never\r\nMessage-ID: [\r\n\r\ntext",
        b"Content-Type: text/plain; charset=no-such-charset\r\n\r\n\xe4",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: application/pdf\r\n\r\n%PDF",
        b"Subject: \xe4\r\n\r\n\xf6",
    ],
)
def test_whatever_a_client_sends_can_be_shown(content: bytes) -> None:
    mail = read(content)

    assert isinstance(mail.text.encode(), bytes)
    assert isinstance("".join(mail.headers.values()).encode(), bytes)
