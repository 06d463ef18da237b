"""Texts of messages, as their readers see them."""

from __future__ import annotations

from email.message import EmailMessage, MIMEPart

import pytest

from mailconfig.incoming.content import Content, read_content
from mailconfig.incoming.mime import DEEPEST, MOST_PARTS

MOST = 10_000


def read(octets: bytes, most: int = MOST) -> Content:
    return read_content(octets, most=most)


def part(head: str, body: bytes) -> bytes:
    return head.encode() + b"\r\n\r\n" + body


def multipart(kind: str, *parts: bytes, boundary: str = "x", is_ended: bool = True) -> bytes:
    lines = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), each) for each in parts)
    end = f"--{boundary}--\r\nafter\r\n".encode() if is_ended else b""
    return part(f'Content-Type: multipart/{kind}; boundary="{boundary}"', b"before\r\n" + lines + end)


PLAIN, HTML = part("Content-Type: text/plain", b"plain"), part("Content-Type: text/html", b"<p>html")
OTHER, STYLE = part("Content-Type: text/plain", b"other"), part("Content-Type: text/html", b"<style>")
FILE = part("Content-Type: text/plain\r\nContent-Disposition: attachment", b"file")
NAMED = part("Content-Type: text/plain; name*=utf-8''a.txt", b"file")
INLINE = part("Content-Type: text/plain\r\nContent-Disposition: inline; filename=a.txt", b"file")
IMAGE = part("Content-Type: image/png\r\nContent-Disposition: inline", b"png")
ENCLOSED = part("Content-Type: message/rfc822", multipart("mixed", OTHER, boundary="inner"))


@pytest.mark.parametrize(
    ("octets", "text", "html"),
    [
        (b"Subject: x\n\nplain", "plain", ""),
        (b"\nplain", "plain", ""),
        (b"Subject: no body", "", ""),
        (part("Content-Type: nonsense", b"plain"), "plain", ""),
        (HTML, "", "<p>html"),
        (IMAGE, "", ""),
        (multipart("alternative", PLAIN, HTML), "plain", "<p>html"),
        (multipart("alternative", PLAIN, OTHER, HTML, STYLE), "plain", "<p>html"),
        (multipart("alternative", HTML, PLAIN, is_ended=False), "plain\n", "<p>html"),
        (multipart("mixed", PLAIN, IMAGE, OTHER, FILE, NAMED, INLINE), "plain\nother", ""),
        (multipart("mixed", PLAIN, ENCLOSED, OTHER), "plain\nother", ""),
        (multipart("related", HTML, STYLE, IMAGE), "", "<p>html"),
        (multipart("alternative", PLAIN, multipart("related", HTML, STYLE, boundary="y")), "plain", "<p>html"),
        (multipart("alternative", PLAIN, multipart("mixed", HTML, IMAGE, STYLE, boundary="y")), "plain", "<p>html\n<style>"),
        (multipart("mixed", multipart("alternative", PLAIN, HTML, boundary="y"), OTHER), "plain\nother", "<p>html"),
        (multipart("mixed", multipart("mixed", PLAIN, boundary="y", is_ended=False), OTHER), "plain\nother", ""),
        (multipart("mixed", multipart("mixed", PLAIN), OTHER), "plain", ""),  # the same boundary: the inner end ends both
        (multipart("mixed", b"Content-Type: text/plain", PLAIN), "plain", ""),  # a header without an end
        (multipart("unknown", PLAIN), "plain", ""),
        (part("Content-Type: multipart/mixed", b"--x\r\n\r\nplain"), "", ""),
        (part("Content-Type: multipart/mixed; boundary=x", b"--y\r\nplain"), "--y\nplain", ""),
        (part("Content-Type: multipart/mixed; boundary=x", b"--x\r\n--x--"), "", ""),
    ],
)  # fmt: skip
def test_texts_are_those_that_a_reader_sees(octets: bytes, text: str, html: str) -> None:
    assert read(octets) == Content(text=text, html=html)


def test_a_message_of_the_standard_library_is_read_as_it_reads_it_itself() -> None:
    message, inner = EmailMessage(), EmailMessage()
    message.set_content("Grüße\n  > zitiert\n" + "lang " * 300 + "\n")
    message.add_alternative("<p>Grüße</p>\n", subtype="html")
    message.get_payload()[1].add_related(b"png", maintype="image", subtype="png", cid="<x>")  # type: ignore[union-attr,index]
    inner.set_content("inner")
    message.add_attachment("file", filename="ä.txt")
    message.add_attachment(inner)

    content = read(message.as_bytes())

    for form, text in (("plain", content.text), ("html", content.html)):
        body = message.get_body((form,))
        assert isinstance(body, MIMEPart)
        assert text == body.get_content().replace("\r\n", "\n")
    assert not content.is_cut


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        ("Content-Type: text/plain; charset=utf-8", "é".encode(), "é"),
        ('Content-Type: text/plain; charset="ISO-8859-15"', b"\xa4", "€"),
        ("Content-Type: text/plain; charset=iso-8859-1", "é".encode(), "é"),  # it is UTF-8 all the same
        ("Content-Type: text/plain; charset=utf-8", b"caf\xe9 !", "caf\ufffd !"),
        ("Content-Type: text/plain; charset=us-ascii", b"caf\xe9 !", "café !"),
        ("Content-Type: text/plain; charset=no-such", b"caf\xe9 !", "café !"),
        ("Content-Type: text/plain; charset=punycode", b"caf\xe9 !", "café !"),
        ("Content-Type: text/plain; charset=base64", b"YQ==", "YQ=="),
        ("Content-Type: text/plain; charset=unicode_escape", rb"\ud800", r"\ud800"),
        ("Content-Type: text/plain; charset=utf-7", b"+2AA-", "\ufffd"),
        ("Content-Type: text/plain; charset=gb2312", b"\x81\x30\x81\x30", "\x80"),  # GB 18030 has it
        ("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B$3\x1b(B", "こ"),
        ("Content-Type: text/plain", b"\x1b$B$3\x1b(B", "こ"),
        ("Content-Type: text/plain; charset=utf-16", "é".encode("utf-16"), "é"),
        ("Content-Type: text/plain; charset=utf-8", b"\xef\xbb\xbfa\0b", "a\ufffdb"),
        ("Content-Type: text/plain; charset=utf-8", "é漢".encode()[:-1], "é"),  # cut off within a character
        ("Content-Type: text/plain\nContent-Transfer-Encoding: base64", b"YWJj\r\n!ZA", "abcd"),
        ("Content-Type: text/plain\nContent-Transfer-Encoding: BASE64 (x)", b"YWJjZ", "abc"),
        ("Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable", b"a=\r\nb=3D=zz=", "ab==zz"),
        ("Content-Type: text/plain\nContent-Transfer-Encoding: x-own", b"as it is", "as it is"),
        ("Content-Type: text/plain; format=flowed", b"one \r\ntwo\rthree", "one \ntwo\nthree"),
    ],
)  # fmt: skip
def test_a_charset_is_tried_before_it_is_believed(head: str, body: bytes, text: str) -> None:
    assert read(part(head, body)).text == text


def test_html_may_name_its_charset_itself() -> None:
    assert "こ" in read(part("Content-Type: text/html", b"<meta charset='shift_jis'>\x82\xb1")).html


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_text_is_cut_at_a_character(encoding: str) -> None:
    message = EmailMessage()
    message.set_content("漢字" * 100, cte=encoding)

    assert read(message.as_bytes(), 7) == Content(text="漢字漢字漢字漢", is_cut=True)
    assert not read(message.as_bytes(), 201).is_cut
    assert read(message.as_bytes(), 200).is_cut
    assert read(message.as_bytes(), 0) == Content(is_cut=True)


def test_many_parts_and_deep_ones_are_left_out() -> None:
    many = read(multipart("mixed", *[PLAIN] * (MOST_PARTS + 1)), 10**6)
    deep = PLAIN
    for level in range(DEEPEST):
        deep = multipart("mixed", deep, boundary=f"b{level}")

    assert many.is_cut
    assert many.text.count("plain") == MOST_PARTS
    assert read(deep).text == "plain"
    assert read(multipart("mixed", deep, OTHER)).text == "other"
