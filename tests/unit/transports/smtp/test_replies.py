"""Reading what servers say."""

import base64

import pytest

from mailconfig.transports import hints
from mailconfig.transports.scrubber import MAX_TEXT, Scrubber
from mailconfig.transports.smtp.replies import (
    BadReplyError,
    parse_capabilities,
    parse_line,
    to_reply,
)
from mailconfig.values import Capabilities, Reply

SECRET = "not-a-real-password"


@pytest.mark.parametrize("line", [b"-1 oops", b"", b"25", b"150 wait", b"600 x", b"2500 x", b"abc", b"250_x"])
def test_what_is_no_reply_line_is_an_error(line: bytes) -> None:
    with pytest.raises(BadReplyError):
        parse_line(line)


def test_a_bare_code_is_a_reply() -> None:
    assert parse_line(b"250") == (250, False, b"")


def test_the_enhanced_status_leaves_the_text() -> None:
    lines = [b"5.7.26 This mail has been", b"5.7.26 blocked"]
    assert to_reply(550, lines, Scrubber()) == Reply(550, "This mail has been blocked", "5.7.26")


def test_an_enhanced_status_of_another_class_does_not_override_the_code() -> None:
    assert to_reply(250, [b"5.1.1 fine"], Scrubber()) == Reply(250, "5.1.1 fine", "")


def test_the_text_is_printable_and_cut() -> None:
    reply = to_reply(550, [b"a\x00b\x1b[31m\xff\xe2\x80\xae" + b"x" * 1000], Scrubber())
    assert reply.text.isprintable()
    assert reply.text.startswith("ab[31m\N{REPLACEMENT CHARACTER}x")
    assert len(reply.text) == MAX_TEXT


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"\0me\0{SECRET}".encode()).decode(),
        base64.b64encode(f"user=me\x01auth=Bearer {SECRET}\x01\x01".encode()).decode(),
    ],
)
def test_a_secret_that_the_server_echoes_is_taken_out(form: str) -> None:
    scrubber = Scrubber.for_login("me", SECRET)
    for text in (form, form[:5] + "\x00" + form[5:], "x" * (MAX_TEXT - 10) + form):
        cleaned = to_reply(535, [b"you said " + text.encode()], scrubber).text
        assert form not in cleaned
        assert form[:10] not in cleaned
    assert SECRET not in repr(scrubber)


def test_capabilities_are_read_without_regard_to_case() -> None:
    lines = [
        b"host",
        b"Pipelining",
        b"SIZE 1000",
        b"8bitmime",
        b"AUTH=plain login",
        b"auth XOAUTH2",
        b"STARTTLS",
    ]
    assert parse_capabilities(lines) == Capabilities(
        pipelining=True,
        size_limit=1000,
        eight_bit_mime=True,
        starttls=True,
        auth=frozenset({"PLAIN", "LOGIN", "XOAUTH2"}),
    )


@pytest.mark.parametrize("line", [b"SIZE", b"SIZE 0", b"SIZE lots", b"SIZE -1"])
def test_a_size_that_says_nothing_is_no_limit(line: bytes) -> None:
    assert parse_capabilities([b"host", line]).size_limit is None


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(534, "Application-specific password required", "5.7.9"), "app password"),
        (Reply(535, "Application-specific password required", "5.7.8"), "app password"),
        (Reply(535, "Authentication unsuccessful, SmtpClientAuthentication is disabled", "5.7.139"), "OAuth"),
        (Reply(535, "basic authentication is disabled", "5.7.139"), "OAuth"),
        (Reply(454, "Too many login attempts", "4.7.0"), "too many"),
        (Reply(538, "Encryption required"), "STARTTLS"),
        (Reply(535, "no"), "password"),
    ],
)
def test_a_refused_login_has_a_hint(reply: Reply, words: str) -> None:
    assert words in hints.for_login(reply, with_token=False)


def test_a_sender_that_is_not_owned_has_a_hint() -> None:
    assert "may not send" in hints.for_sender(
        Reply(553, "Sender address rejected: not owned by user", "5.7.1")
    )
    assert hints.for_sender(Reply(451, "later")) == ""


def test_a_login_mechanism_has_a_name_or_is_none() -> None:
    """RFC 4422 §3.1. What else stands there would go into databases and pages."""
    offered = parse_capabilities(
        [b"mail.test", b"AUTH PLAIN A\x00B \x1b[31m X" + b"Y" * 5000 + b" SCRAM-SHA-256"]
    )
    assert offered.auth == {"PLAIN", "SCRAM-SHA-256"}
