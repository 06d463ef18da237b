"""Commands as they are written."""

from __future__ import annotations

import datetime as dt

import pytest

from mailconfig.transports.imap import searching
from mailconfig.transports.imap.searching import Criteria
from mailconfig.transports.imap.uids import UIDSet
from mailconfig.transports.imap.writing import Command

UMLAUT = "ü".encode()


@pytest.mark.parametrize(
    ("value", "capabilities", "utf8", "pieces"),
    [
        (b"plain", (), False, [b'X "plain" Y\r\n']),
        (rb'q"\ ', (), False, [rb'X "q\"\\ " Y' + b"\r\n"]),
        (b"", (), False, [b'X "" Y\r\n']),
        (UMLAUT, (), False, [b"X {2}\r\n", UMLAUT + b" Y\r\n"]),
        (UMLAUT, ("LITERAL+",), False, [b"X {2+}\r\n" + UMLAUT + b" Y\r\n"]),
        (UMLAUT, ("LITERAL-",), False, [b"X {2+}\r\n" + UMLAUT + b" Y\r\n"]),
        (UMLAUT, (), True, [b'X "' + UMLAUT + b'" Y\r\n']),
        (b"a\r\nb", (), True, [b"X {4}\r\n", b"a\r\nb Y\r\n"]),
        (b"x" * 5000, ("LITERAL+",), False, [b"X {5000}\r\n", b"x" * 5000 + b" Y\r\n"]),
    ],
)
def test_strings(value: bytes, capabilities: tuple[str, ...], utf8: bool, pieces: list[bytes]) -> None:
    command = Command("X ", frozenset(capabilities), utf8=utf8).string(value).text(" Y")

    assert command.pieces() == pieces


@pytest.mark.parametrize(
    ("criteria", "capabilities", "pieces"),
    [
        (Criteria(), (), [b"UID SEARCH ALL\r\n"]),
        (Criteria(), ("ESEARCH",), [b"UID SEARCH RETURN (ALL) ALL\r\n"]),
        (Criteria(uids=UIDSet.since(7)), (), [b"UID SEARCH UID 7:*\r\n"]),
        (
            Criteria(received_since=dt.date(2026, 3, 1), received_before=dt.date(2026, 12, 31)),
            (),
            [b"UID SEARCH ALL SINCE 1-Mar-2026 BEFORE 31-Dec-2026\r\n"],
        ),
        (Criteria(changed_since=9), (), [b"UID SEARCH ALL MODSEQ 10\r\n"]),
        (
            Criteria(header=("Message-ID", "<a@b>")),
            (),
            [b'UID SEARCH ALL HEADER "Message-ID" "<a@b>"\r\n'],
        ),
        (
            Criteria(header=("Subject", "ü")),
            (),
            [b'UID SEARCH CHARSET UTF-8 ALL HEADER "Subject" {2}\r\n', UMLAUT + b"\r\n"],
        ),
    ],
)
def test_searches(criteria: Criteria, capabilities: tuple[str, ...], pieces: list[bytes]) -> None:
    assert searching.written(criteria, frozenset(capabilities), utf8=False).pieces() == pieces


def test_a_search_cannot_have_nul_in_it() -> None:
    with pytest.raises(ValueError, match="NUL"):
        searching.written(Criteria(header=("Subject", "\0")), frozenset(), utf8=False)
