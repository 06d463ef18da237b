"""Signatures: what is left of their HTML, their text, and where they stand in a mail."""

import email
import email.policy
import time
from email.message import EmailMessage as StandardMessage
from typing import Any

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from hypothesis import example, given
from hypothesis import strategies as st

from mailconfig.rendering.compose import compose
from mailconfig.rendering.signature import Signature, sanitised, signature_of

SIGNATURE = signature_of('<p>Ann <b>Bell</b><br><a href="https://example.com/ann">Page</a></p>')
TEXT = "-- \nAnn Bell\nPage <https://example.com/ann>"

PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<b>", "<i>", "</b>", "<a", "href=x>", "</a>", "<table>", "<tr>", "<td>", "<div>",
        "<style>", "<script>", "</script>", "<svg>", "<math>", "<!--", "-->", "<select>", "&", "&lt;", "x", "<",
        ">", "<form>", "<title>", "<img", "src=x", "onerror=y>", "<plaintext>", "<template>", "<noscript>",
        "href=javascript:x>", "<br>", "\n", "<ul>", "<li>", "<h1>",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("<script>alert(1)</script>Ann", "Ann"),
        ("<p>Ann</p>\n", "<p>Ann</p>\n"),
        ("<img src=x onerror=alert(1)>", '<img src="x">'),
        ('<a href="javascript:alert(1)">Ann</a>', "<a>Ann</a>"),
        ('<a href=" &#106;avascript:alert(1)">Ann</a>', "<a>Ann</a>"),
        ('<img src="data:text/html,x">', "<img>"),
        ("<style>p { display: none }</style>Ann", "Ann"),
        ('<base href="//evil.test/"><form action="/x"><input name="a">Ann</form>', "Ann"),
        ("<b><i>Ann", "<b><i>Ann</i></b>"),
        (
            '<p style="color: red; position: fixed; background: url(//evil.test)">',
            '<p style="color:red"></p>',
        ),
        ("<!-- x -->Ann<![endif]-->", "Ann"),
        ("<iframe src=x>Ann</iframe><object>x</object>", ""),
        ("Ann & Bob <3", "Ann &amp; Bob &lt;3"),
        ("<svg><p><style><a title='</style><img src=x onerror=y>'>", None),
        ("<a><table>" * 6, None),
        ('<img src="https://example.com/open.gif" width="1" height="1">', None),
    ],
)
def test_of_html_what_is_harmless_is_left(given: str, left: str | None) -> None:
    found = sanitised(given)

    assert found == left if left is not None else True
    assert sanitised(found) == found
    assert not any(
        word in found.lower() for word in ("onerror", "script", "<style", "url(", "<form", "<base")
    )


@given(st.lists(PIECES, max_size=30).map("".join))
@example("<a><table><a><table>")
def test_what_is_sanitised_stays_as_it_is(html: str) -> None:
    found = sanitised(html)
    assert sanitised(found) == found
    signature_of(found)


@pytest.mark.parametrize(
    "unit", ["<", "<b><div>", "<a><table>", "</b>", "&", "<!--", "<p>", "&#x", "<a href='"]
)
def test_much_of_what_is_unfinished_takes_no_time(unit: str) -> None:
    began = time.monotonic()
    signature_of(sanitised(unit * (65535 // len(unit))))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Ann\nBell", "Ann\nBell"),
        ("<div>Ann</div><div>Bell</div>", "Ann\nBell"),
        ("<p>Ann</p><p>Bell</p>", "Ann\n\nBell"),
        ("<table><tr><td>Ann</td><td>Bell</td></tr><tr><td>Chef</td></tr></table>", "Ann Bell\nChef"),
        ('<a href="mailto:a@b.test">a@b.test</a>', "a@b.test"),
        ('<a href="https://b.test/">b.test</a>', "b.test"),
        ('<a href="https://b.test/x"><img src="l.png"></a>', "https://b.test/x"),
        ('<img src="https://b.test/l.png" alt="Logo">', "Logo"),
        ("Ann&nbsp;&lt;3&#0;", "Ann <3\N{REPLACEMENT CHARACTER}"),
        ("", None),
        ("<p> </p>", None),
    ],
)
def test_its_text_says_the_same_in_lines(html: str, text: str | None) -> None:
    signature = signature_of(html)
    assert (signature and signature.text) == text


def parts(message: EmailMessage, signature: Signature | None = SIGNATURE) -> dict[str, str]:
    """What a reader sees of each part."""
    rendered = compose(message, from_email="me@example.com", signature=signature)
    read = email.message_from_bytes(rendered.body, policy=email.policy.default)
    assert isinstance(read, StandardMessage)
    leaves = [part for part in read.walk() if not part.is_multipart()]
    return {part.get_content_type(): str(part.get_content()).replace("\r\n", "\n") for part in leaves}


def mail(body: str = "Hello", **values: Any) -> EmailMultiAlternatives:
    return EmailMultiAlternatives("s", body, "me@example.com", ["a@example.org"], **values)


@pytest.mark.parametrize("body", ["Hello", "Hello\n", "Hello\r\n\r\n"])
def test_text_ends_with_the_line_that_rfc_3676_names(body: str) -> None:
    assert parts(mail(body)) == {"text/plain": f"Hello\n\n{TEXT}\n"}


def test_mail_without_text_is_signed_all_the_same() -> None:
    assert parts(mail("")) == {"text/plain": f"{TEXT}\n"}


def test_both_forms_of_a_mail_are_signed_once() -> None:
    message = mail()
    message.attach_alternative("<html><body><p>Hello</p></body></html>", "text/html")
    message.attach_alternative("BEGIN:VCALENDAR", "text/calendar")
    assert SIGNATURE
    found = parts(message)

    assert found["text/plain"] == f"Hello\n\n{TEXT}\n"
    assert found["text/html"].count(SIGNATURE.html) == 1
    assert found["text/html"].rstrip().endswith(f"<div>{SIGNATURE.html}</div>\n</body></html>")
    assert "Ann" not in found["text/calendar"]
    again = mail(found["text/plain"])
    again.attach_alternative(found["text/html"], "text/html")
    signed_again = parts(again)
    assert signed_again["text/plain"] == found["text/plain"]
    assert signed_again["text/html"].rstrip() == found["text/html"].rstrip()


def test_html_alone_is_signed_in_html_alone() -> None:
    message = mail("<p>Hello</p>")
    message.content_subtype = "html"
    assert SIGNATURE
    assert SIGNATURE.html in parts(message)["text/html"]
    only = mail("")
    only.attach_alternative("<p>Hello</p>", "text/html")
    assert set(parts(only)) == {"text/html"}


def test_enclosed_mail_files_and_mail_of_its_own_making_are_not_signed() -> None:
    class Own(EmailMessage):
        def message(self, *args: Any, **values: Any) -> Any:
            return super().message(*args, **values)

    assert "Ann" not in parts(Own("s", "Hello", "me@example.com", ["a@example.org"]))["text/plain"]
    message = mail()
    message.attach("a.html", "<p>File</p>", "text/html")
    assert "Ann" not in parts(message)["text/html"]


def test_a_signature_that_does_not_fit_the_charset_makes_it_utf_8() -> None:
    message = mail()
    message.encoding = "iso-8859-1"
    assert parts(message, signature_of("安娜"))["text/plain"] == "Hello\n\n-- \n安娜\n"
