"""What LIST, EXAMINE, SEARCH and FETCH tell."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from mailconfig.transports.imap.dialogue import Data
from mailconfig.transports.imap.folders import Examination, KnownState, parse_list
from mailconfig.transports.imap.limits import Limits
from mailconfig.transports.imap.messages import is_section, parse_date, parse_flags, parse_head, parse_part
from mailconfig.transports.imap.replies import parse_status
from mailconfig.transports.imap.searching import Findings
from mailconfig.transports.imap.wire import BadAnswerError, Budget
from mailconfig.transports.scrubber import Scrubber


def data(*pieces: bytes) -> Data:
    """A response as the dialogue hands it on."""
    found = re.match(rb"(?:(\d+) )?(\S+)", pieces[0])
    assert found is not None
    number = int(found[1]) if found[1] else None
    return Data(found[2].decode(), number, pieces, found.end(), Budget(Limits()))


@pytest.mark.parametrize(
    ("line", "name", "delimiter", "selectable"),
    [
        (rb'LIST (\HasNoChildren) "/" INBOX', "INBOX", "/", True),
        (rb'LIST (\Noselect) "." "Entw&APw-rfe"', "Entwürfe", ".", False),
        (rb'LIST (\NonExistent \Sent) NIL "a b"', "a b", None, False),
        (rb'LIST () "\\" "a\\b" ("CHILDINFO" ("SUBSCRIBED"))', "a\\b", "\\", True),
        (rb'LIST (\HasChildren) "/" [Gmail]/Starred', "[Gmail]/Starred", "/", True),
    ],
)
def test_folders(line: bytes, name: str, delimiter: str | None, *, selectable: bool) -> None:
    folder = parse_list(data(line), utf8=False)

    assert (folder.name, folder.delimiter, folder.is_selectable) == (name, delimiter, selectable)


def test_a_name_in_a_literal() -> None:
    assert parse_list(data(b'LIST () "/" {3}', b'a"b', b""), utf8=False).name == 'a"b'


@pytest.mark.parametrize(
    "line", [b"LIST", b"LIST ()", b'LIST () "/" NIL', b'LIST x "/" a', b"LIST () () a", b'LIST (()) "/" a']
)
def test_what_is_no_folder(line: bytes) -> None:
    with pytest.raises(BadAnswerError):
        parse_list(data(line), utf8=False)


def examination(*lines: bytes) -> Examination:
    found = Examination()
    for line in lines:
        found.take(parse_status(line, Scrubber()) if line.startswith(b"OK") else data(line))
    return found


VERDICT = parse_status(b"OK [READ-ONLY] done", Scrubber())


def test_a_folder_that_tells_all() -> None:
    state = examination(
        b"3 EXISTS",
        b"0 RECENT",
        b"OK [UIDVALIDITY 17] x",
        b"OK [UIDNEXT 9] x",
        b"OK [HIGHESTMODSEQ 18446744073709551] x",
        b"VANISHED (EARLIER) 1:2,5",
        rb"2 FETCH (UID 7 FLAGS (\Seen) MODSEQ (12))",
        rb"3 FETCH (FLAGS (\Seen))",
    ).state(VERDICT, known=KnownState(uid_validity=17, highest_modseq=11))

    assert (state.exists, state.uid_validity, state.uid_next) == (3, 17, 9)
    assert state.highest_modseq == 18446744073709551
    assert state.read_only
    assert list(state.vanished or ()) == [1, 2, 5]
    assert [(flags.uid, flags.modseq) for flags in state.changed or ()] == [(7, 12)]


@pytest.mark.parametrize(
    "lines",
    [
        (b"OK [UIDVALIDITY 18] x", b"OK [HIGHESTMODSEQ 99] x"),
        (b"OK [UIDVALIDITY 17] x", b"OK [NOMODSEQ] x"),
        (b"OK [UIDVALIDITY 17] x", b"OK [HIGHESTMODSEQ 10] x"),
        (b"OK [HIGHESTMODSEQ 99] x",),
    ],
    ids=["other messages", "no count", "a new count", "no validity"],
)
def test_a_server_that_has_lost_the_known_state_does_not_say_that_nothing_changed(
    lines: tuple[bytes, ...],
) -> None:
    known = KnownState(uid_validity=17, highest_modseq=11)
    state = examination(b"3 EXISTS", *lines).state(VERDICT, known=known)

    assert (state.changed, state.vanished) == (None, None)


@pytest.mark.parametrize(
    "lines",
    [(), (b"OK [UIDVALIDITY 0] x", b"OK [UIDNEXT 0] x", b"OK [HIGHESTMODSEQ 0] x")],
    ids=["nothing", "noughts"],
)
def test_a_folder_that_tells_little(lines: tuple[bytes, ...]) -> None:
    state = examination(b"0 EXISTS", *lines).state(parse_status(b"OK done", Scrubber()), known=None)

    assert (state.exists, state.uid_validity, state.uid_next, state.highest_modseq) == (0, None, None, None)
    assert (state.read_only, state.changed, state.vanished) == (False, None, None)


@pytest.mark.parametrize(
    "line", [b"OK [UIDVALIDITY x] x", b"OK [UIDNEXT 99999999999] x", b"VANISHED", b"VANISHED ()", b"FETCH 5"]
)
def test_a_folder_that_tells_nonsense(line: bytes) -> None:
    with pytest.raises(BadAnswerError):
        examination(b"1 EXISTS", line)


def test_a_folder_has_to_tell_how_many_messages_there_are() -> None:
    with pytest.raises(BadAnswerError):
        examination(b"OK [UIDVALIDITY 1] x").state(VERDICT, known=None)


@pytest.mark.parametrize(
    ("line", "uids"),
    [
        (b"SEARCH", []),
        (b"SEARCH ", []),
        (b"SEARCH 5 3 4", [3, 4, 5]),
        (b"SEARCH 2 (MODSEQ 917162500)", [2]),
        (b'ESEARCH (TAG "a1") UID', []),
        (b'ESEARCH (TAG "a1") UID COUNT 3 ALL 1:2,9', [1, 2, 9]),
        (b"5 EXISTS", []),
    ],
)
def test_findings(line: bytes, uids: list[int]) -> None:
    findings = Findings()
    findings.take(data(line))

    assert list(findings.found()) == uids


@pytest.mark.parametrize("line", [b"SEARCH x", b"SEARCH 0", b"ESEARCH UID ALL ()", b"ESEARCH UID ALL x"])
def test_what_is_no_finding(line: bytes) -> None:
    with pytest.raises(BadAnswerError):
        Findings().take(data(line))


def test_a_head() -> None:
    head = parse_head(
        data(
            rb'1 FETCH (UID 5 FLAGS (\Seen $X) INTERNALDATE " 1-Jul-2026 02:44:25 -0730" RFC822.SIZE 4000'
            b" MODSEQ (3) BODY[HEADER]<0> {4}",
            b"A: b",
            b")",
        ),
        header_bytes=100,
    )

    assert head is not None
    assert (head.uid, set(head.flags), head.size, head.modseq) == (5, {"\\Seen", "$X"}, 4000, 3)
    assert head.received_at is not None
    assert head.received_at.astimezone(dt.UTC) == dt.datetime(2026, 7, 1, 10, 14, 25, tzinfo=dt.UTC)
    assert (head.header, head.is_whole) == (b"A: b", True)


@pytest.mark.parametrize("modseq", [b"MODSEQ (-1)", b"MODSEQ NIL", b"MODSEQ ()"])
def test_a_count_of_changes_that_is_none(modseq: bytes) -> None:
    flags = parse_flags(data(b"1 FETCH (UID 5 FLAGS () " + modseq + b")"))

    assert flags is not None
    assert flags.modseq is None


@pytest.mark.parametrize(
    "rest",
    [
        rb"FLAGS (\Seen)",
        rb"UID 5 FLAGS (\Seen)",
        b"UID 5 FLAGS () RFC822.SIZE 1",
        b'UID 5 FLAGS () RFC822.SIZE 1 BODY[TEXT]<0> "x"',
    ],
)
def test_what_comes_unasked_is_no_head(rest: bytes) -> None:
    assert parse_head(data(b"1 FETCH (" + rest + b")"), header_bytes=100) is None


@pytest.mark.parametrize(
    "rest",
    [
        b"(UID)",
        b"UID 5",
        b"(UID x)",
        b"(UID 0x5 FLAGS ())",
        b"(() 5)",
        b"",
        b'(UID 5 FLAGS x RFC822.SIZE 1 BODY[HEADER]<0> "x")',
        b'(UID 5 FLAGS () RFC822.SIZE -1 BODY[HEADER]<0> "x")',
        b"(UID 5 FLAGS () RFC822.SIZE 1 BODY[HEADER]<0> (x))",
        b'(UID 5 FLAGS () RFC822.SIZE 1 BODY[HEADER]<0> "longer than it may be")',
        b'(UID 5 FLAGS () RFC822.SIZE 1 MODSEQ (x) BODY[HEADER]<0> "x")',
    ],
)
def test_what_is_no_head(rest: bytes) -> None:
    with pytest.raises(BadAnswerError):
        parse_head(data(b"1 FETCH " + rest), header_bytes=10)


def test_flags_without_a_uid_are_of_nobody() -> None:
    assert parse_flags(data(b"1 FETCH (FLAGS (x))")) is None


@pytest.mark.parametrize(
    ("rest", "piece"),
    [
        (b'UID 5 BODY[1.2]<100> "abc"', b"abc"),
        (b'BODY[1.2]<100> "abc" UID 5', b"abc"),
        (b'UID 5 body[1.2]<100> "abc"', b"abc"),
        (b"UID 5 BODY[1.2]<100> NIL", b""),
        (b'UID 5 BODY[1.2]<0> "abc"', None),
        (b'UID 5 BODY[1.2] "abc"', None),
        (b'UID 5 BODY[1] "abc"', None),
        (b'UID 6 BODY[1.2]<100> "abc"', None),
    ],
)
def test_pieces(rest: bytes, piece: bytes | None) -> None:
    found = parse_part(data(b"1 FETCH (" + rest + b")"), uid=5, section="1.2", start=100, size=10)

    assert found == piece


def test_a_piece_is_not_longer_than_was_asked_for() -> None:
    with pytest.raises(BadAnswerError, match="more than was asked"):
        parse_part(data(b'1 FETCH (UID 5 BODY[]<0> "abc")'), uid=5, section="", start=0, size=2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        b"",
        b"32-Jul-2026 02:44:25 +0000",
        b"1-Foo-2026 02:44:25 +0000",
        b"1-Jul-2026 25:00:00 +0000",
        b"1-Jul-2026 00:00:00 +2500",
        b"1-Jul-0000 00:00:00 +0000",
        b"01-Jan-0001 00:00:00 +0100",
        b"31-Dec-9999 23:59:59 -0100",
        b"1-Jul-2026 00:00:00",
    ],
)
def test_dates_that_are_none(value: Any) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", True),
        ("HEADER", True),
        ("TEXT", True),
        ("1.2.MIME", True),
        ("1", True),
        ("MIME", False),
        ("0", False),
        ("1.", False),
        ("HEADER]<0.1> FLAGS", False),
        ("1\r\n", False),
        ("1." * 100 + "1", False),
    ],
)
def test_sections(name: str, *, expected: bool) -> None:
    assert is_section(name) is expected
