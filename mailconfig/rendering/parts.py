"""The parts of a mail (RFC 2045, RFC 2046), written as 7-bit bytes with CRLF and without needless copies."""

from __future__ import annotations

import binascii
import hashlib
import mimetypes
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import charset as charsets
from functools import lru_cache

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.header_lines import CONTROLS, FORBIDDEN, MAX_LINE, InvalidHeader, parameter

OCTET_STREAM = "application/octet-stream"
_BASE64_BLOCK = 57 * 1024

_TOKEN = r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+"  # noqa: S105 - RFC 2045 calls this a token
_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})((?:;[ ]*{_TOKEN}=(?:{_TOKEN}|\"[^\"\\]*\"))*)")
_CHARSET = re.compile(rf";[ ]*charset=(?:{_TOKEN}|\"[^\"]*\")", re.IGNORECASE)
_BREAKS = re.compile(r"\r\n?|\n")
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_NOT_ASCII = bytes(range(128, 256))


@dataclass(frozen=True, slots=True)
class Part:
    """Its header lines, and its content in pieces that are joined once, at the very end."""

    head: list[str]
    content: list[bytes]
    eight_bit: bool = False
    """Has octets above 127, as only what others made may."""

    def pieces(self) -> Iterator[bytes]:
        """The part as it stands between two boundaries."""
        if self.head:
            yield ("\r\n".join(self.head) + "\r\n\r\n").encode("ascii")
        yield from self.content


def text_part(text: str, subtype: str, encoding: str | charsets.Charset) -> Part:
    """A text in the plainest encoding that carries it in lines of at most 998 ASCII characters.

    Args:
        subtype: may have parameters, as in ``calendar; method=REQUEST``.
        encoding: a charset's name or a :class:`email.charset.Charset`; where the text does not fit, UTF-8.

    Raises:
        InvalidMessage: no such charset or type, or lone surrogates in the text.
    """
    wish = encoding.body_encoding if isinstance(encoding, charsets.Charset) else None
    name = encoding.get_output_charset() if isinstance(encoding, charsets.Charset) else str(encoding).lower()
    text = _BREAKS.sub("\n", text) if "\r" in text else text
    name, data = _encode(text, name or "us-ascii")
    main, sub, parameters = split_type(f"text/{subtype}")
    head = [f'Content-Type: {main}/{sub}; charset="{name}"{_CHARSET.sub("", parameters)}']
    if wish is None and text.isascii() and _is_like_ascii(name) and not _UNSAFE.search(text) and _fits(text):
        head.append("Content-Transfer-Encoding: 7bit")
        return Part(head, [data.replace(b"\n", b"\r\n")])
    others = len(data) - len(data.translate(None, _NOT_ASCII))
    if (
        wish == charsets.BASE64
        or not _is_like_ascii(name)
        or (wish != charsets.QP and others * 6 > len(data))
    ):
        head.append("Content-Transfer-Encoding: base64")
        crlf = _BREAKS.sub("\r\n", text).encode(name, "surrogateescape")
        return Part(head, list(_base64_lines(crlf)))
    head.append("Content-Transfer-Encoding: quoted-printable")
    return Part(head, [binascii.b2a_qp(data).replace(b"\n", b"\r\n")])


def binary_part(content: bytes | bytearray | memoryview, mimetype: str) -> Part:
    """Anything, in base64.

    Raises:
        InvalidMessage: ``mimetype`` is none.
    """
    head = ["Content-Type: {}/{}{}".format(*split_type(mimetype)), "Content-Transfer-Encoding: base64"]
    return Part(head, list(_base64_lines(content)))


def attachment_part(content: object, mimetype: str, filename: str, encoding: str | charsets.Charset) -> Part:
    """A file, shown under ``filename`` unless that is empty.

    Raises:
        InvalidMessage: the type, the name or the content cannot be used.
    """
    main, sub, parameters = split_type(mimetype)
    ends = {0}
    if main == "text" and isinstance(content, (bytes, bytearray, memoryview)):
        try:
            content, ends = bytes(content).decode(), set()  # a file: not even LF may become CRLF
        except UnicodeDecodeError:
            mimetype = OCTET_STREAM
    if isinstance(content, str):
        # A text whose line ends would not survive (a lone CR, or a mixture) travels as the bytes it is.
        ends.add(content.count("\n"))
        if main == "text" and content.count("\r") == content.count("\r\n") in ends:
            part = text_part(content, sub + parameters, encoding)
        else:
            part = binary_part(utf8(content), _with_charset(mimetype))
    elif isinstance(content, (bytes, bytearray, memoryview)):
        part = binary_part(content, mimetype)
    else:
        msg = f"an attachment holds text or bytes, not {type(content).__name__}"
        raise InvalidMessage(msg)
    part.head.extend(_disposition(filename))
    return part


def _with_charset(mimetype: str) -> str:
    """Return a type whose text is in UTF-8, and says so unless it says otherwise (RFC 2046 §4.1.2: else it were ASCII)."""
    is_silent = mimetype.lower().startswith("text/") and not _CHARSET.search(mimetype)
    return f'{mimetype}; charset="utf-8"' if is_silent else mimetype


def guessed_type(filename: str) -> str:
    """The type that a file's name suggests."""
    return mimetypes.guess_type(filename)[0] or OCTET_STREAM


def multipart(subtype: str, parts: list[Part], *, seed: bytes | None = None) -> Part:
    """Several parts in one (RFC 2046 §5.1).

    Args:
        subtype: mixed, alternative or the like, with its parameters.
        parts: in their order.
        seed: the boundary is always the same for this and these parts; ``None``: it is another each time.
    """
    main, sub, parameters = split_type(f"multipart/{subtype}")
    # "=_" occurs in neither quoted-printable nor base64; elsewhere 128 bits of chance keep the parts apart.
    boundary = f"=_{os.urandom(16).hex() if seed is None else _number_of(seed, parts)}"
    content: list[bytes] = []
    for part in parts:
        content.append(f"--{boundary}\r\n".encode())
        content.extend(part.pieces())
        content.append(b"\r\n")
    content.append(f"--{boundary}--\r\n".encode())
    head = [f'Content-Type: {main}/{sub}{parameters};\r\n boundary="{boundary}"']
    eight_bit = any(part.eight_bit for part in parts)
    if eight_bit:
        head.append("Content-Transfer-Encoding: 8bit")  # RFC 2045 §6.4: no less than that of its parts
    return Part(head, content, eight_bit=eight_bit)


def _number_of(seed: bytes, parts: list[Part]) -> str:
    """A number that nobody can write into a part beforehand: it follows from the parts."""
    number = hashlib.sha256(seed)
    for part in parts:
        for piece in part.pieces():
            number.update(piece)
    return number.hexdigest()[:32]


def enclosed_part(content: bytes, filename: str) -> Part:
    """A whole mail within a mail (message/rfc822, RFC 2046 §5.2.1: never base64)."""
    cte = "7bit" if content.isascii() else "8bit"
    head = ["Content-Type: message/rfc822", f"Content-Transfer-Encoding: {cte}", *_disposition(filename)]
    return Part(head, [content], eight_bit=not content.isascii())


def split_type(mimetype: str) -> tuple[str, str, str]:
    """Type, subtype and parameters, each of them in front of a ``;`` on a line of its own.

    Raises:
        InvalidMessage: it is no type (RFC 2045 §5.1).
    """
    found = _TYPE.fullmatch(mimetype) if len(mimetype) <= MAX_LINE - 200 else None
    if found is None:
        msg = f"{ascii(mimetype)[:80]} is not a MIME type"
        raise InvalidMessage(msg)
    main, sub, parameters = found.groups()
    return main.lower(), sub, parameters


def _disposition(filename: str) -> list[str]:
    if not filename:
        return []
    if FORBIDDEN.search(filename) or len(filename) > 1000:
        msg = f"{ascii(filename)[:80]} cannot be the name of an attachment"
        raise InvalidHeader(msg)
    return ["Content-Disposition: attachment" + parameter("filename", filename)]


@lru_cache(maxsize=64)
def _is_like_ascii(name: str) -> bool:
    sample = "".join(map(chr, range(128)))
    try:
        return sample.encode(name) == sample.encode("ascii")
    except UnicodeError:
        return False


def _encode(text: str, name: str) -> tuple[str, bytes]:
    """The text's bytes, and the charset they are in."""
    if CONTROLS.search(name) or not re.fullmatch(_TOKEN, name):
        msg = f"{ascii(name)[:80]} is not a charset"
        raise InvalidMessage(msg)
    try:
        return name, text.encode(name)
    except LookupError as error:
        msg = f"{ascii(name)[:80]} is not a charset"
        raise InvalidMessage(msg) from error
    except UnicodeError:
        return "utf-8", utf8(text)


def utf8(text: str) -> bytes:
    """The text's bytes; those that somebody read by ``surrogateescape`` are what they were, as with Django.

    Raises:
        InvalidMessage: a lone surrogate is in it that stands for no byte.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        msg = "the text has a lone surrogate in it"
        raise InvalidMessage(msg) from error


def _fits(text: str) -> bool:
    return len(text) <= MAX_LINE or max(map(len, text.split("\n"))) <= MAX_LINE


def _base64_lines(content: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """In blocks of 1024 lines: the coded content exists once, and once more in the joined message."""
    view = memoryview(content).cast("B")
    for start in range(0, len(view), _BASE64_BLOCK):
        coded = binascii.b2a_base64(view[start : start + _BASE64_BLOCK], newline=False)
        lines = [coded[at : at + 76] for at in range(0, len(coded), 76)]
        yield b"\r\n".join([*lines, b""])
