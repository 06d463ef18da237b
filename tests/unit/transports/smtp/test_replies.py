"""Reading what servers say."""

import base64

import pytest

from mailconfig.transports.scrubber import MAX_TEXT, Scrubber
from mailconfig.transports.smtp.replies import BadReplyError, Reply, parse_line, to_reply

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
