"""Mail that is forwarded or signed keeps its bytes, and no line of any mail is longer than a server must take."""

import email
import email.policy
from email.header import Header
from email.message import EmailMessage as StandardMessage
from email.message import Message, MIMEPart
from email.mime.application import MIMEApplication
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest
from django.core.mail import EmailMessage

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.compose import Rendered, compose

ME = "shop@example.com"

SIGNED = (
    b'Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha512; boundary="sig"; x-long=1\r\n'
    b"\r\n"
    b"--sig\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"X-Long-Header:   with  blanks " + b"and words " * 15 + b"\r\n"
    b"x-CASE:kept\r\n"
    b"\r\n"
    b"Gr\xc3\xbc\xc3\x9fe\t \r\n"
    b".\r\n"
    b"From here\r\n"
    b"\r\n"
    b"--sig\r\n"
    b"Content-Type: application/pgp-signature\r\n"
    b"\r\n"
    b"-----BEGIN PGP SIGNATURE-----\r\n"
    b"--sig--\r\n"
)
OLD = (
    b"Received: from x by y; Mon, 1 Jan 1990 00:00:00 +0000\r\n"
    b"Subject: \x1b$B%F\x1b(B and a nul \x00 and \xfc\r\n"
    b"From: a@example.org\r\n"
)
FORWARDED = OLD + b"Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n" + SIGNED


def mail(**values: Any) -> EmailMessage:
    return EmailMessage("s", "b", **{"from_email": ME, "to": ["a@example.org"], **values})


def read(data: bytes) -> Any:
    return email.message_from_bytes(data)


def composed(message: EmailMessage) -> Rendered:
    """What holds for every mail is looked at on the way."""
    rendered = compose(message)
    assert max(map(len, rendered.body.split(b"\r\n"))) <= 998
    assert b"\n" not in rendered.body.replace(b"\r\n", b"")
    assert rendered.eight_bit == (not rendered.body.isascii())
    return rendered


def forwarding(content: Any) -> list[EmailMessage]:
    """A mail that forwards this as Django lets one do it."""
    messages = [mail(), mail(attachments=[("o.eml", content, "message/rfc822")])]
    messages[0].attach("original.eml", content, "message/rfc822")
    return messages


@pytest.mark.parametrize(
    "original", [FORWARDED, SIGNED, OLD + b"\r\nold\r\n", OLD], ids=["all", "signed", "old", "head"]
)
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_a_forwarded_mail_keeps_its_bytes(original: bytes, ends: bytes) -> None:
    for message in forwarding(original.replace(b"\r\n", ends)):
        assert original in composed(message).body


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.default], ids=["legacy", "modern"])
def test_a_forwarded_mail_that_was_read_keeps_what_the_reader_kept(policy: Any) -> None:
    parsed = email.message_from_bytes(FORWARDED, policy=policy)
    wrapped = MIMEMessage(email.message_from_bytes(FORWARDED))
    message = mail()
    message.attachments.append(wrapped)
    signed = SIGNED.partition(b"\r\n\r\n")[2].replace(b"x-CASE:kept", b"x-CASE: kept")
    for one in [*forwarding(parsed), message]:
        body = composed(one).body
        # The standard library takes blanks behind a name for one.
        assert signed.replace(b":   with", b": with") in body.replace(b":   with", b": with")
        assert b"Gr\xc3\xbc\xc3\x9fe" in body


def test_every_mail_around_octets_above_127_says_so() -> None:
    (message, _same) = forwarding(FORWARDED)
    found = read(composed(message).body)
    assert found["Content-Transfer-Encoding"] == "8bit"
    assert found.get_payload(1)["Content-Transfer-Encoding"] == "8bit"


def signed_part(kind: type[Any] = MIMENonMultipart) -> Message:
    """A part as a signing package makes it: 8-bit, with a long header, and the bytes that were signed."""
    part = kind("text", "plain", charset="utf-8")
    part["Content-Transfer-Encoding"] = "8bit"
    part["X-Long"] = "and words " * 15 + "end"
    part.set_payload("Grüße\n".encode().decode("ascii", "surrogateescape"))
    return part  # type: ignore[no-any-return]


def multipart_signed() -> tuple[MIMEMultipart, bytes]:
    part = signed_part()
    made = MIMEMultipart("signed", protocol="application/pgp-signature")
    made.attach(part)
    made.attach(MIMEApplication(b"signature", "pgp-signature"))
    # The standard library folds no header in what is signed.
    return made, part.as_bytes(policy=email.policy.compat32.clone(max_line_length=0, linesep="\r\n"))


def test_a_signed_part_keeps_its_bytes_attached_or_as_the_whole_mail() -> None:
    made, signed = multipart_signed()
    attached = mail()
    attached.attachments.append(made)

    class Signing(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            return made

    assert signed in composed(attached).body
    assert signed in composed(Signing("s", "b", ME, ["a@example.org"])).body


def test_what_is_attached_and_nobody_signed_is_written_in_seven_bits() -> None:
    outer = MIMEMultipart("mixed")
    outer.attach(signed_part())
    message = mail()
    message.attachments.append(outer)
    assert not composed(message).eight_bit


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.default], ids=["legacy", "modern"])
def test_a_mail_that_renders_itself_as_one_it_read_keeps_that_ones_bytes(policy: Any) -> None:
    class Forwarding(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            return email.message_from_bytes(FORWARDED.replace(b"\x00", b"0"), policy=policy)

    body = composed(Forwarding("s", "b", ME, ["a@example.org"])).body
    assert b"Gr\xc3\xbc\xc3\x9fe\t \r\n.\r\nFrom here\r\n" in body
    assert b"with  blanks " + b"and words " * 14 in body, "no line was folded anew"


LONG = b"x" * 3000


@pytest.mark.parametrize(
    "header",
    [
        b"X-Long: " + b"some words " * 300,
        b"X-Long: " + LONG,
        b"X-Long:" + LONG,
        b"DKIM-Signature: v=1; b=" + LONG,
        b"References: " + b"<1@example.org> " * 300,
        b"Subject: \xfc " + LONG,
        b"X-Folded: a\r\n " + LONG,
    ],
)
@pytest.mark.parametrize(
    "policy", [None, email.policy.compat32, email.policy.default], ids=["raw", "legacy", "modern"]
)
def test_no_header_line_of_a_forwarded_mail_is_too_long(header: bytes, policy: Any) -> None:
    raw = header + b"\r\nFrom: a@example.org\r\n\r\ntext\r\n"
    content: object = raw if policy is None else email.message_from_bytes(raw, policy=policy)
    for message in forwarding(content):
        found = read(composed(message).body)
        inner = found.get_payload(1).get_payload(0)
        assert inner["From"] == "a@example.org"
        assert inner.get_payload().strip() == "text"


@pytest.mark.parametrize("name", ["X-Long", "DKIM-Signature", "Subject"])
def test_no_header_line_of_a_mail_that_renders_itself_is_too_long(name: str) -> None:
    class Own(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            made = super().message(**kwargs)
            del made[name]
            made[name] = "y" * 3000
            return made

    composed(Own("s", "b", ME, ["a@example.org"]))


def test_a_part_with_lines_too_long_is_encoded_whatever_it_says_of_itself() -> None:
    parts: list[tuple[str, bytes]] = [
        ("7bit", LONG),
        ("base64", b"eHh4" * 1000),
        ("quoted-printable", b"=41" * 1000),
    ]
    for encoding, payload in parts:
        raw = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n" % (
            encoding.encode(),
            payload,
        )
        (message, _same) = forwarding(raw)
        inner = read(composed(message).body).get_payload(1).get_payload(0)
        assert inner.get_payload(decode=True).strip() == read(raw).get_payload(decode=True).strip()


@pytest.mark.parametrize("value", ["a\nBcc: x@example.org", "a\r\nBcc: x@example.org", "a\x00b"])
def test_a_header_of_an_attached_part_injects_nothing(value: str) -> None:
    for part in (MIMEBase("application", "x"), MIMEText("x"), MIMEMessage(MIMEText("x"))):
        part._headers.append(("X-Evil", value))  # type: ignore[attr-defined]
        message = mail()
        message.attachments.append(part)
        with pytest.raises(InvalidMessage):
            compose(message)


def test_a_part_may_have_odd_characters_in_a_header() -> None:
    part = MIMEPart()
    part.set_content("x")
    text: Any = MIMEText("x")
    text["X-Old"] = "a\x1bb\tc"
    text["X-Other"] = Header("Grüße", "utf-8")
    message = mail()
    message.attachments += [part, text]
    assert b"X-Old: a\x1bb\tc\r\n" in composed(message).body


def test_a_mail_of_djangos_is_forwarded_as_it_renders_itself() -> None:
    made, signed = multipart_signed()

    class Signing(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            return made

    message = mail()
    message.attach("in.eml", Signing("s", "b", ME, ["a@example.org"]), "message/rfc822")
    assert signed in composed(message).body
    plain = StandardMessage()
    plain["Subject"] = "Grüße"
    plain.set_content("ü")
    message = mail()
    message.attach("in.eml", plain, "message/rfc822")
    assert b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=" in composed(message).body
