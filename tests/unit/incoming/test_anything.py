"""Octets of any kind: nothing raises, everything fits its column, and the work grows with the length only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable

import pytest
from django.db.models import Model
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailconfig.incoming import addresses
from mailconfig.incoming.content import read_content
from mailconfig.incoming.exclusions import Exclusions
from mailconfig.incoming.head import read_head
from mailconfig.incoming.reports import read_report
from mailconfig.models import Bounce, SyncedMessage
from tests import growth

PIECES = [
    b"\r\n", b"\n", b"\r", b"\n\n", b" ", b"\t", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xe3\x81", b'"', b"\\", b"(", b")", b"<", b">",
    b"@", b",", b";", b":", b"=?utf-8?q?=C3?=", b"=?utf-8?b?w6Q?=", b"=?x?B?=?=", b"=?iso-2022-jp?b?GyRCJDM=?=", b"=?utf-7?q?+2AA-?=",
    b"a@b.example", b"<1@x>", b"From: ", b"To: ", b"Cc: ", b"Subject: ", b"Date: ", b"Message-ID: ", b"In-Reply-To: ", b"References: ",
    b"Tue, 1 Jan 2024 10:00:00 +0900", b"1 Jan 99999", b"Content-Type: ", b"multipart/report; report-type=delivery-status; boundary=x",
    b"multipart/alternative; boundary=x", b"text/plain; charset=utf-16", b"text/html; charset=idna", b"message/delivery-status", b"message/rfc822",
    b"\n--x\n", b"\n--x--\n", b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"=C3=\n=4", b"From: MAILER-DAEMON\n",
    b"X-Failed-Recipients: ", b"Final-Recipient: rfc822; ", b"Action: failed\n", b"Status: 5.1.1\n", b"utf-8; \\x{D800}", b"Hi. This is the qmail\n\n<a@b.example>:\n",
]  # fmt: skip
ADDRESSES = [
    "a@b.example", "<c@d.example>", '"Q, r" <q@r.example>', "Me <m@n.example>", ", ", ",", " ", "  ", '"', "<", ">", "@", "\\", "é", "\u3000", "\x7f", "\t",
    "=?utf-8?q?=C3=A9?=", " =?utf-8?q?a?= ",
]  # fmt: skip
octets = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=60).map(b"".join)
any_octets = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def width(model: type[Model], name: str) -> int:
    """Return how many characters a column takes."""
    return int(getattr(model._meta.get_field(name), "max_length"))  # noqa: B009 - fields of relations have none


def assert_storable(texts: Iterable[str]) -> None:
    for text in texts:
        assert "\0" not in text
        text.encode()  # a lone surrogate has no UTF-8


@any_octets
@given(octets)
@example(b"From:\r\n" + b" x" * 40_000)
@example(b"Date: Fri, 31 Dec 9999 23:59:59 -9999\nDate: x")
@example(
    b"Message-ID: <"
    + b"m" * 300
    + b">\nSubject: "
    + "漢".encode() * 4000
    + b'\nFrom: "'
    + b"n" * 900
    + b'" <a@b.example>'
)
def test_a_head_of_anything_fits_its_columns(octets: bytes) -> None:
    head = read_head(octets)

    for name in ("message_id", "in_reply_to", "thread_id", "from_address", "from_name", "subject"):
        assert len(getattr(head, name)) <= width(SyncedMessage, name), name
        assert_storable([getattr(head, name)])
        assert "\n" not in getattr(head, name)
    assert all(len(each) <= 255 and each.startswith("<") and each.endswith(">") for each in head.references)
    assert_storable([*head.references, *head.to, *head.cc])
    assert head.dated_at is None or (head.dated_at.tzinfo is dt.UTC and 1982 <= head.dated_at.year < 2100)
    assert head.may_be_report or not head.is_report


@any_octets
@given(st.lists(st.sampled_from(ADDRESSES) | st.text(max_size=3), max_size=9).map("".join))
def test_a_list_as_nearly_all_are_written_says_the_same_piece_by_piece(text: str) -> None:
    plain = addresses._read_plain(text)

    if plain is not None:
        reading = addresses._Reading(quotes=True, comments=True)
        assert reading.read(text)
        assert plain == reading.found


@any_octets
@given(octets, st.integers(0, 40))
def test_the_content_of_anything_is_no_longer_than_wanted(octets: bytes, most: int) -> None:
    content = read_content(octets, most=most)

    assert len(content.text) <= most
    assert len(content.html) <= most
    assert_storable([content.text, content.html])


@any_octets
@given(octets)
def test_a_report_of_anything_fits_its_columns(octets: bytes) -> None:
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\nFrom: mailer-daemon@a.example\n"
    for report in (
        *read_report(octets),
        *read_report(head + octets),
        *read_report(b"From: MAILER-DAEMON\n\n" + octets),
    ):
        for name in ("address", "enhanced_code"):
            assert len(getattr(report, name)) <= width(Bounce, name)
        assert "@" in report.address
        assert_storable([report.address, report.tried_address, report.text, *report.original_message_ids])
        assert len(report.text) <= 500


@any_octets
@given(
    st.text(max_size=60) | st.from_regex(r"[*@.a]{0,12}(\n[*@.a]{0,12}){0,4}", fullmatch=True),
    st.text(max_size=30),
)
def test_exclusions_of_anything_exclude_or_do_not(lines: str, address: str) -> None:
    assert Exclusions.parse(lines).excludes([address]) in {True, False}


MIXED = b"Content-Type: multipart/mixed; boundary=x\n\n"
REPORT = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n"


def nested(count: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("read", "make"),
    [
        (read_head, lambda count: b"".join(b"X-%d: y\n" % number for number in range(count))),
        (read_head, lambda count: b"Subject: a\n" + b" b\n" * count),
        (read_head, lambda count: b"a\n" * count),
        (read_head, lambda count: b"Subject: " + b"=?" * count),
        (read_head, lambda count: b"Subject: " + b"=?a?q?" * count),
        (read_head, lambda count: b"From: " + b'"\\' * count),
        (read_head, lambda count: b"From: " + b"(" * count),
        (read_head, lambda count: b"To: " + b"<" * count),
        (read_head, lambda count: b"To: " + b"a <b>," * count),
        (read_head, lambda count: b"To: " + b" " * count + b"x"),
        (read_head, lambda count: b"To: " + b"a a" * count),
        (read_head, lambda count: b"To: " + b"a@b.c, " * count + b"("),
        (read_head, lambda count: b"References: " + b"<" * count),
        (read_head, lambda count: b"References: " + b"".join(b"<%d@x>" % number for number in range(count))),
        (read_head, lambda count: b"Content-Type: " + b'; a="' * count),
        (lambda octets: read_content(octets, most=10**9), nested),
        (lambda octets: read_content(octets, most=10**9), lambda count: MIXED + b"--x\n\na\n" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: MIXED + b"--x\n" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: MIXED + b"--y\n" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: MIXED + b"--" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: b"Content-Transfer-Encoding: base64\n\n" + b"YQ==\n" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n=4" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B\xff" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: b"Content-Type: text/plain; charset=utf-7\n\n" + b"+2AA-\xff" * count),
        (lambda octets: read_content(octets, most=10**9), lambda count: b"Content-Type: text/plain; charset=gb18030\n\n" + b"\x81\xff" * count),
        (read_report, lambda count: REPORT + b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * count),
        (read_report, lambda count: b"From: MAILER-DAEMON\n\n" + b"<a@b.example>:\n" * count),
        (Exclusions.parse, lambda count: "".join(f"a{number}@*b\n" for number in range(count))),
        (Exclusions.parse("*a*a*a*a*b@c").excludes, lambda count: ["a" * 300 + "@c"] * count),
    ],
)  # fmt: skip
def test_the_work_grows_with_the_length_only(
    read: Callable[[bytes], object], make: Callable[[int], bytes]
) -> None:
    count = 8_000

    assert growth.is_even(read, make(count), make(count // growth.STEP))
