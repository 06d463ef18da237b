"""Names and types of attached files: what is left of what a server says."""

from __future__ import annotations

import pytest

from mailconfig.delivery.preparing.file_names import (
    LONGEST_NAME,
    clean_name,
    is_html,
    name_in_path,
    says_html,
    type_of,
    unlike,
    with_ending,
)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("C:\\x.pdf", "x.pdf"),
        ("a/b/", ""),
        ("..", ""),
        (". .", ""),
        ("  x.pdf . ", "x.pdf"),
        (".htaccess", "htaccess"),
        ("a\0b.pdf", "ab.pdf"),
        ("a\r\nBcc: b.pdf", "aBcc_ b.pdf"),
        ("\u202efdp.exe", "fdp.exe"),
        ("a\u200b\u2028b.pdf", "ab.pdf"),
        ("\ud800.pdf", "pdf"),
        ('a<b>c:"d|e?f*.pdf', "a_b_c__d_e_f_.pdf"),
        ("Ma\u0308rz.pdf", "März.pdf"),
        ("報告書.pdf", "報告書.pdf"),
        ("a" * 300 + ".pdf", "a" * (LONGEST_NAME - 4) + ".pdf"),
        ("a" * 300, "a" * LONGEST_NAME),
        ("a." + "b" * 300, "a." + "b" * (LONGEST_NAME - 2)),
        ("ü" * 100_000, "ü" * LONGEST_NAME),
    ],
)
def test_a_name_is_one_line_without_a_path(given: str, name: str) -> None:
    assert clean_name(given) == name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/a/b.pdf?x=/c.pdf", "b.pdf"),
        ("/M%C3%A4rz.pdf", "März.pdf"),
        ("/a%2f..%2fb.pdf", "b.pdf"),
        ("/%00%0d%0a", ""),
        ("/%ff.pdf", "\ufffd.pdf"),
        ("/", ""),
        ("/a/", ""),
    ],
)
def test_a_url_has_a_name_at_its_end_or_none(target: str, name: str) -> None:
    assert name_in_path(target) == name


def test_two_files_do_not_have_one_name() -> None:
    assert unlike("a.pdf", ["b.pdf"]) == "a.pdf"
    assert unlike("a.pdf", ["A.PDF"]) == "a (2).pdf"
    assert unlike("a.pdf", ["a.pdf", "a (2).pdf"]) == "a (3).pdf"
    assert unlike("a", ["a"]) == "a (2)"


@pytest.mark.parametrize(
    ("name", "declared", "found"),
    [
        ("a.pdf", "application/pdf", "application/pdf"),
        ("a.pdf", "image/png", "application/pdf"),
        ("a.pdf", "text/html", "application/pdf"),
        ("a", "Image/PNG; x=y", "image/png"),
        ("a", "text/html", "application/octet-stream"),
        ("a", "multipart/mixed; boundary=x", "application/octet-stream"),
        ("a.eml", "message/rfc822", "application/octet-stream"),
        ("a", "nonsense", "application/octet-stream"),
        ("a", "a/b\r\nX: y", "application/octet-stream"),
        ("a", "", "application/octet-stream"),
        ("a.csv.gz", "application/gzip", "application/gzip"),
        ("a.html", "text/html; charset=utf-8", "text/html"),
    ],
)
def test_a_type_is_what_the_name_says_before_what_the_server_does(
    name: str, declared: str, found: str
) -> None:
    assert type_of(name, declared) == found


@pytest.mark.parametrize(
    ("declared", "beginning", "html"),
    [
        ("text/html; charset=utf-8", b"", True),
        ("application/xhtml+xml", b"", True),
        ("application/pdf", b"%PDF-1.7", False),
        ("application/pdf", b"\n <!DOCTYPE html><html>", True),
        ("application/pdf", b"<HTML lang=en>", True),
        ("application/pdf", b"<!-- a --> <!-- b -->\n<html>", True),
        # 2**146 ways to divide it, of which one is enough.
        ("application/pdf", b"<!---->" * 146 + b"x", False),
        ("application/octet-stream", b"\xef\xbb\xbf<!-- x -->\n<html>", True),
        ("text/xml", b"<?xml version='1.0'?><htmlish/>", False),
        ("text/plain", b"<htmlish>", False),
        ("", b"<!" + b"-" * 1000, False),
    ],
)
def test_a_web_page_is_one_whatever_the_server_calls_it(declared: str, beginning: bytes, html: bool) -> None:
    assert is_html(declared, beginning) is html


def test_names_of_web_pages_say_so() -> None:
    assert says_html("a.html")
    assert says_html("a.HTM")
    assert not says_html("a.pdf")
    assert not says_html("")


def test_a_name_without_ending_gets_that_of_its_type() -> None:
    assert with_ending("report", "application/pdf") == "report.pdf"
    assert with_ending("report.x", "application/pdf") == "report.x"
    assert with_ending("report", "application/unheard-of") == "report"
