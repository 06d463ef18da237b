"""Headers as mailers write them, also those that have not read the RFC."""

from __future__ import annotations

import datetime as dt

import pytest

from mailconfig.incoming.head import Head, read_head


def head_of(*lines: str | bytes) -> Head:
    return read_head(
        b"\r\n".join(
            line.encode() if isinstance(line, str) else line for line in (*lines, "", "To: in@the.body")
        )
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("  folded\r\n\t twice  ", "folded twice"),
        ("=?utf-8?q?h=C3=A9llo_w?= orld", "héllo w orld"),
        ("=?UTF-8?B?w6k=?=", "é"),
        ("=?utf-8?b?w6k?=", "é"),  # no padding
        ("=?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?=", "é"),  # broken within a character
        ("=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"),
        ("=?shift_jis?B?grGHQA==?=", "こ①"),  # what is said to be Shift JIS is windows-31J
        ("=?iso-8859-1?q?=80?=", "€"),  # what is said to be ISO 8859-1 is windows-1252
        ("=?us-ascii*en?q?a?=", "a"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=  b", "a b"),
        ("=?no-such?q?=C3=A9?=", "é"),
        ("=?no-such?q?=E9?=", "é"),
        ("=?idna?q?xn--a?=", "xn--a"),
        ("=?utf-8?q?never ends", "=?utf-8?q?never ends"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"raw \xc3\xa9", "raw é"),
        (b"raw \xe9", "raw é"),
        (b"\x1b$B$3\x1b(B", "こ"),
        (b"a\0b\rc", "a\ufffdb c"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("漢" * 2000, "漢" * 998),
    ],
)  # fmt: skip
def test_a_subject_is_read(raw: str | bytes, text: str) -> None:
    if isinstance(raw, str):
        raw = raw.encode()

    assert head_of(b"Subject: " + raw).subject == text


@pytest.mark.parametrize(
    ("raw", "name", "address"),
    [
        ("a@b.example", "", "a@b.example"),
        ("A B <a@b.example>", "A B", "a@b.example"),
        ('"B, A" <a@b.example>', "B, A", "a@b.example"),
        (r'"A \"B\" C" <a@b.example>', 'A "B" C', "a@b.example"),
        ("a@b.example (A (b) C)", "A (b) C", "a@b.example"),
        ("=?utf-8?q?J=C3=BCrgen?= <a@b.example>", "Jürgen", "a@b.example"),
        ('"=?utf-8?q?J=C3=BCrgen?=" <a@b.example>', "Jürgen", "a@b.example"),
        ("jürgen@bücher.example", "", "jürgen@bücher.example"),
        ("<@relay.example,@x.example:a@b.example>", "", "a@b.example"),
        ("list: a@b.example, c@d.example;", "", "a@b.example"),
        ('"never closed <a@b.example>', "never closed", "a@b.example"),
        ("a@b.example (never closed", "", "a@b.example"),
        ("A B a@b.example", "", "a@b.example"),
        ("A <a@b.example", "A", "a@b.example"),
        ("MAILER-DAEMON (Mail System)", "Mail System", "MAILER-DAEMON"),
        ("nobody, a@b.example", "", "a@b.example"),
        ("A B", "", ""),
        ("<a@b.example\0>", "", ""),
        (f"<{'a' * 320}@b.example>", "", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_sender_is_read(raw: str, name: str, address: str) -> None:
    head = head_of(f"From: {raw}")

    assert (head.from_name, head.from_address) == (name, address)


def test_without_from_the_sender_counts() -> None:
    assert head_of("Sender: a@b.example", "From:").from_address == "a@b.example"


def test_recipients_are_read_once_each_and_without_what_is_no_address() -> None:
    head = head_of(
        "To: undisclosed-recipients:;", 'TO : "A, B" <a@b.example>, staff: c@d.example, e@f.example;, g', "To: a@b.example", "Cc: h@i.example",
        "Cc: (nobody)",
    )  # fmt: skip

    assert head.to == ("a@b.example", "c@d.example", "e@f.example")
    assert head.cc == ("h@i.example",)


def test_own_addresses_are_no_counterparts_however_they_are_spelled() -> None:
    head = head_of("From: a@b.example", "To: ME@BÜCHER.example, c@d.example", "Cc: me@xn--bcher-kva.example")

    assert head.counterparts(["me@bücher.example"]) == ("a@b.example", "c@d.example")


@pytest.mark.parametrize(
    ("lines", "thread"),
    [
        (["References: <1@x> <2@x>", "In-Reply-To: <2@x>"], "<1@x>"),
        (["In-Reply-To: <2@x>"], "<2@x>"),
        (["In-Reply-To: Your message of today <2@x>"], "<2@x>"),
        ([], "<3@x>"),
        (["References: <1@x\r\n .y>"], "<1@x.y>"),
        (["In-Reply-To: 2@x"], "<2@x>"),
        (["In-Reply-To: your message of today"], "<3@x>"),
    ],
)
def test_a_thread_is_known_by_what_it_began_with(lines: list[str], thread: str) -> None:
    assert head_of("Message-ID: <3@x>", *lines).thread_id == thread


def test_an_id_that_is_too_long_is_the_same_stand_in_everywhere() -> None:
    long = f"<{'x' * 300}@x>"
    head = head_of(f"Message-ID: {long}", f"References: <1@x> {long}", f"In-Reply-To: {long}")

    assert head.message_id == head.in_reply_to == head.references[1]
    assert len(head.message_id) == 66
    assert head_of(f"Message-ID: <y{long[1:]}").message_id != head.message_id


def test_of_very_many_references_the_first_and_the_last_are_kept() -> None:
    references = head_of("References: " + " ".join(f"<{number}@x>" for number in range(1000))).references

    assert (len(references), references[0], references[-1]) == (200, "<0@x>", "<999@x>")


@pytest.mark.parametrize(
    ("raw", "dated_at"),
    [
        ("Tue, 3 Mar 2026 10:15:00 +0100", dt.datetime(2026, 3, 3, 9, 15, tzinfo=dt.UTC)),
        ("3 Mar 2026 10:15 -0000 (UTC)", dt.datetime(2026, 3, 3, 10, 15, tzinfo=dt.UTC)),
        ("Tue, 3 Mar 2026 10:15:00 -0130 (EST)", dt.datetime(2026, 3, 3, 11, 45, tzinfo=dt.UTC)),
        ("3 Mar 2026 10:15:00 -0000", dt.datetime(2026, 3, 3, 10, 15, tzinfo=dt.UTC)),
        ("Tue, 3 Max 2026 10:15:00 +0100", None),
        ("Tue, 3 Mar 2026 10:15:00 +2500", None),
        ("Tue, 3 Mar 1026 10:15:00 +0100", None),
        ("Tue, 3 Mar 9999 10:15:00 +0100", None),
        ("Tue, 33 Mar 2026 10:15:00 +0100", None),
        ("Tue, 3 Mar 2026 10:15:00 +9999999999", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_in_utc_or_none(raw: str, dated_at: dt.datetime | None) -> None:
    assert head_of(f"Date: {raw}").dated_at == dated_at


@pytest.mark.parametrize(
    ("line", "is_automatic"),
    [
        ("Auto-Submitted: auto-replied (vacation)", True),
        ("Auto-Submitted: auto-generated; x=y", True),
        ("Auto-Submitted: No", False),
        ("Precedence: Bulk", True),
        ("Precedence: junk", True),
        ("Precedence: auto_reply", True),
        ("Precedence: list", False),
        ("X-Auto-Response-Suppress: All", True),
        ("X-Auto-Response-Suppress: None", False),
        ("X-Autoreply: yes", True),
        ("Return-Path: <>", True),
        ("Return-Path: <a@b.example>", False),
        ("Content-Type: multipart/report; report-type=disposition-notification", True),
        ("Subject: Out of office", False),
    ],
)
def test_what_no_person_wrote_is_automatic(line: str, is_automatic: bool) -> None:
    assert head_of(line).is_automatic is is_automatic


@pytest.mark.parametrize(
    ("line", "is_report", "may_be_report"),
    [
        ("Content-Type: Multipart/Report; Report-Type=\"Delivery-Status\"; boundary=x", True, True),
        ("Content-Type: multipart/report; report-type=disposition-notification", False, False),
        ("Content-Type: multipart/report; boundary=x", True, True),
        ("From: <Mailer-Daemon@x.example>", False, True),
        ("X-Failed-Recipients: a@b.example", False, True),
        ("From: <a@b.example>", False, False),
    ],
)  # fmt: skip
def test_a_report_is_known_by_its_header(line: str, is_report: bool, may_be_report: bool) -> None:
    head = head_of(line)

    assert (head.is_report, head.may_be_report) == (is_report, may_be_report)


def test_nothing_of_the_body_is_read() -> None:
    assert head_of("Subject: x").to == ()
