"""Responses taken apart."""

from __future__ import annotations

import time

import pytest

from mailconfig.transports.imap.tokens import MAX_DEPTH, Value, as_number, as_words, parse
from mailconfig.transports.imap.wire import BadAnswerError


def values(*pieces: bytes, most: int = 1000) -> list[Value]:
    return parse(pieces, most=most)[0]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b""], []),
        ([b"  "], []),
        ([b"a B 5"], [b"a", b"B", b"5"]),
        ([b'NIL nil "NIL"'], [None, None, b"NIL"]),
        ([b"(a (b) ())"], [[b"a", [b"b"], []]]),
        ([b"(a)(b)"], [[b"a"], [b"b"]]),
        ([rb'"a \"b\" \\ c" ""'], [b'a "b" \\ c', b""]),
        ([rb"(\Seen \* $Fwd)"], [[rb"\Seen", rb"\*", b"$Fwd"]]),
        ([b'BODY[HEADER.FIELDS (DATE "FROM")]<0> x'], [b'BODY[HEADER.FIELDS (DATE "FROM")]<0>', b"x"]),
        ([b"BODY[] ", b"x"], None),
        ([b"(BODY[] {3}", b"a)b", b" UID 5)"], [[b"BODY[]", b"a)b", b"UID", b"5"]]),
        ([b"{0}", b"", b" ~{2}", b"\0\r", b""], [b"", b"\0\r"]),
        ([b"(BODY[]{3}", b"abc", b")"], None),
        ([b"\xff\xfe \xc3\xa4"], [b"\xff\xfe", b"\xc3\xa4"]),
        ([b"(a"], None),
        ([b"a)"], None),
        ([b'"a'], None),
        ([b'"a\\'], None),
        ([b'a"b"'], [b"a", b"b"]),
        ([b"a\0"], None),
        ([b"body[x y]<0>z"], [b"body[x y]<0>z"]),
        ([b"BODY[x y"], None),
        ([b"[x]/y a[b [c][d] $[e (f"], None),
        ([b"[x]/y a[b [c][d] $[e (f])"], [b"[x]/y", b"a[b", b"[c][d]", b"$[e", [b"f]"]]),
    ],
)
def test_values(pieces: list[bytes], expected: list[Value] | None) -> None:
    if expected is None:
        with pytest.raises(BadAnswerError):
            values(*pieces)
    else:
        assert values(*pieces) == expected


def test_lists_within_lists_have_an_end() -> None:
    assert values(b"(" * MAX_DEPTH + b")" * MAX_DEPTH)
    with pytest.raises(BadAnswerError, match="lists within lists"):
        values(b"(" * 100_000 + b")" * 100_000, most=10**6)


@pytest.mark.parametrize("line", [b"a " * 11, b"()" * 11, b'"" ' * 11])
def test_so_many_values_and_no_more(line: bytes) -> None:
    with pytest.raises(BadAnswerError, match="too many parts"):
        values(line, most=10)


@pytest.mark.parametrize(
    "line",
    [b'"' + b"\\" * 1_000_001, b'"' + b"a" * 1_000_000, b"BODY[ " * 170_000, b" " * 1_000_000 + b"\0"],
)
def test_a_long_line_that_is_wrong_takes_no_long_time(line: bytes) -> None:
    started = time.monotonic()

    with pytest.raises(BadAnswerError):
        values(line)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize("value", [None, [], b"", b"-1", b"1x", b"99999999999", b"1" * 5000, "１".encode()])
def test_what_is_no_number(value: Value) -> None:
    with pytest.raises(BadAnswerError):
        as_number(value, most=2**32)


@pytest.mark.parametrize("value", [None, b"a", [None], [[b"a"]]])
def test_what_is_no_list_of_words(value: Value) -> None:
    with pytest.raises(BadAnswerError):
        as_words(value)
