"""Reports of delivery as mail systems write them, and mail that is none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mailconfig.incoming import old_reports
from mailconfig.incoming.head import read_head
from mailconfig.incoming.reports import MOST_RECIPIENTS, Report, read_report

SAMPLES = Path(__file__).parent / "samples"
ORIGINAL = "<0190f3a1b2c37d4e8f90a1b2c3d4e5f6@shop.example>"
CAROL = "carol@example.net"
NOTHING: list[tuple[str, bool, str, str]] = []

SAID = {
    "postfix": [(CAROL, True, "5.1.1", "550 5.1.1 <carol@example.net>: Recipient address rejected: User unknown")],
    "postfix_delayed": NOTHING,
    "postfix_expired": [(CAROL, False, "4.4.1", "connect to mail.example.net[192.0.2.25]:25: Connection timed out")],
    "postfix_relayed": NOTHING,
    "postfix_passed_on": [("Carol@example.net", True, "5.2.2", "552 5.2.2 ")],
    "exim": [
        (CAROL, True, "5.1.1", "550 5.1.1 <carol@example.net>... User unknown"),
        ("dave@example.net", False, "4.0.0", ""),
    ],
    "exim_old": [(CAROL, True, "5.1.1", "carol@example.net SMTP error from remote mail server")],
    "exchange": [(CAROL, True, "5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient")],
    "gmail": [(CAROL, True, "5.1.1", "550-5.1.1 The email account that you tried to reach does not exist.")],
    "international": [("jürgen@bücher.example", True, "5.1.1", "550 Empfänger unbekannt")],
    "opensmtpd_cut": [(CAROL, True, "5.1.1", "550 5.1.1 no such user")],
    "form_without_recipients": [(CAROL, False, "", "SMTP <carol@example.net>")],
    "html_only": [(CAROL, True, "5.1.1", "carol@example.net 550 5.1.1 No such user")],
    "no_parts": [(CAROL, False, "", "<carol@example.net>")],
    "qmail": [(CAROL, True, "5.1.1", "<carol@example.net>: 192.0.2.25 does not like recipient. Remote host said: 550 5.1.1")],
    "sendmail": [(CAROL, True, "5.1.1", "550 5.1.1 <carol@example.net>... User unknown")],
    "none_challenge": NOTHING,
    "none_forwarded": NOTHING,
    "none_ordinary": NOTHING,
    "none_postmaster": NOTHING,
    "none_receipt": NOTHING,
    "none_receipt_of_a_daemon": NOTHING,
    "none_vacation": NOTHING,
    "none_x400": NOTHING,
}  # fmt: skip


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


def test_every_sample_is_in_the_table() -> None:
    assert {path.stem for path in SAMPLES.iterdir()} == set(SAID)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", SAID)
def test_a_sample_reports_what_it_says(name: str, line_end: bytes) -> None:
    octets = sample(name).replace(b"\n", line_end)

    found = read_report(octets)

    expected = SAID[name]
    assert [(each.address, each.is_permanent, each.enhanced_code) for each in found] == [
        each[:3] for each in expected
    ]
    for each, (_address, _is_permanent, _code, words) in zip(found, expected, strict=True):
        assert each.original_message_ids == (ORIGINAL,)
        assert each.text.startswith(words)
    if found:
        assert read_head(octets).may_be_report, "nobody would have looked into it"


def test_the_address_that_was_sent_to_stands_before_the_one_it_was_passed_on_to() -> None:
    [report] = read_report(sample("postfix_passed_on"))

    assert (report.address, report.tried_address) == ("Carol@example.net", "carol.smith@mail.example.org")


def report_of(fields: str, *, end: str = "") -> Report | None:
    """Return what a report of one recipient says."""
    found = read_report(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n"
        f"Content-Type: message/delivery-status\n\nReporting-MTA: dns; a.example\n\n{fields}\n{end}".encode()
    )
    assert len(found) < 2
    return found[0] if found else None


@pytest.mark.parametrize(
    ("fields", "is_permanent", "code"),
    [
        ("Action: failed\nStatus: 5.2.1 (disabled)", True, "5.2.1"),
        ("ACTION: Failed (bad luck)\nStatus: 5.0.0", True, "5.0.0"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 450 4.2.2 full", True, "5.0.0"),
        ("Action: failed\nDiagnostic-Code: smtp; 550 no such user", True, ""),
        ("Action: failed\nDiagnostic-Code: smtp; 450 later", False, ""),
        ("Action: failed\nDiagnostic-Code: X-Unix; 5.1.1.7 is no code, nor is 15.1.1", False, ""),
        ("Action: failed", False, ""),
        ("Status: 5.1.1", True, "5.1.1"),
        ("Action: failed\nStatus: 4.4.7", False, "4.4.7"),
    ],
)
def test_only_what_is_said_to_be_permanent_is(fields: str, is_permanent: bool, code: str) -> None:
    report = report_of(f"Final-Recipient: rfc822; {CAROL}\n{fields}\n")

    assert report is not None
    assert (report.is_permanent, report.enhanced_code) == (is_permanent, code)


@pytest.mark.parametrize(
    ("code", "is_about_address"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.2.1", True),
        ("5.4.4", True),
        ("5.0.0", True),
        ("4.1.1", False),
        ("5.1.8", False),
        ("5.2.2", False),
        ("5.3.4", False),
        ("5.7.1", False),
    ],
)
def test_what_is_refused_for_the_message_is_not_held_against_the_address(
    code: str, is_about_address: bool
) -> None:
    report = report_of(f"Final-Recipient: rfc822; {CAROL}\nAction: failed\nStatus: {code}\n")

    assert report is not None
    assert report.is_about_address is is_about_address


@pytest.mark.parametrize(
    "fields",
    [
        "Action: delivered\nStatus: 2.0.0",
        "Action: expanded\nStatus: 2.0.0",
        "Action: delayed\nStatus: 4.0.0",
        "Status: 4.2.2",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
    ],
)
def test_what_did_not_fail_is_not_reported(fields: str) -> None:
    assert report_of(f"Final-Recipient: rfc822; {CAROL}\n{fields}\n") is None


def test_the_words_of_a_server_are_cleaned() -> None:
    report = report_of(
        f"Final-Recipient: rfc822; {CAROL}\nAction: failed\nDiagnostic-Code: smtp; 550\n no\x1b[31m\0\tsuch \x85user{'!' * 900}\n"
    )

    assert report is not None
    assert report.text.startswith("550 no [31m\ufffd such user!!!")
    assert report.text.isprintable()
    assert len(report.text) == 500


@pytest.mark.parametrize(
    ("head", "ids"),
    [
        ("In-Reply-To: <b@x>\nReferences: <a@x> <b@x>\n", ("<b@x>",)),
        ("References: <a@x> <b@x>\n", ("<b@x>", "<a@x>")),
        ("", ()),
    ],
)
def test_the_original_is_looked_for_in_the_header_at_last(head: str, ids: tuple[str, ...]) -> None:
    octets = head.encode() + sample("postfix").partition(b"Content-Description: Undelivered Message")[0]
    [report] = read_report(octets)

    assert report.original_message_ids == ids


def test_a_report_of_very_many_is_cut() -> None:
    blocks = "".join(
        f"Final-Recipient: rfc822; {number}@a.example\nAction: failed\nStatus: 5.1.1\n\n"
        for number in range(MOST_RECIPIENTS + 10)
    )
    found = read_report(
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n\n"
        + blocks.encode()
    )

    assert MOST_RECIPIENTS <= len(found) <= MOST_RECIPIENTS + 1


def test_a_header_that_the_heuristics_stumble_over_is_mended_before(caplog: pytest.LogCaptureFixture) -> None:
    octets = (
        b"From: ,\nX-Failed-Recipients: ,(, carol@example.net, \xff\nReferences: "
        + ORIGINAL.encode()
        + b"\n\n"
    )

    [report] = read_report(octets)

    assert (report.address, report.original_message_ids) == (CAROL, (ORIGINAL,))
    assert caplog.records == []


def test_heuristics_that_raise_find_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The far side here is the library: it did raise on odd mail in its past versions."""

    def fail(message: object) -> None:
        raise RecursionError

    monkeypatch.setattr(old_reports, "all_failures", fail)
    with caplog.at_level(logging.WARNING, "mailconfig.incoming"):
        assert read_report(sample("qmail")) == ()
    assert [record.getMessage() for record in caplog.records] == [
        "A report could not be read: RecursionError"
    ]
