"""A message as it goes over the wire after DATA: line ends, dot-stuffing and the final dot (RFC 5321 §4.5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

BLOCK = 64 * 1024

_BARE = re.compile(rb"\r?\n|\r(?!\n)")


def blocks(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The stuffed message in blocks of about :data:`BLOCK` bytes, each with whether it is the last.

    The last one ends with the dot; a small message is a single block. Line ends that are not CRLF become
    CRLF: a bare LF before a dot would end the message for some servers (SMTP smuggling).
    """
    # An end of line is carried over to the next block, so that no CRLF and no CRLF "." is ever cut in two.
    # The first one stands for the end of the DATA line and is taken off again.
    carry, skip = b"\r\n", 2
    parts: list[bytes] = []
    length = 0
    for chunk in chunks:
        for piece in _pieces(chunk):
            parts.append(piece)
            length += len(piece)
            if length < BLOCK:
                continue
            data = carry + b"".join(parts)
            parts.clear()
            length = 0
            half = b"\r" if data.endswith(b"\r") else b""
            data = _with_crlf(data.removesuffix(b"\r"))
            carry = b"\r\n" + half if data.endswith(b"\r\n") else half
            block = _stuff(data.removesuffix(b"\r\n"))[skip:]
            skip = 0
            if block:
                yield block, False
    data = _stuff(_with_crlf(carry + b"".join(parts)))
    end = b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n"
    yield (data + end)[skip:], True


def _pieces(chunk: bytes) -> Iterator[bytes]:
    if len(chunk) <= BLOCK:
        yield chunk
        return
    for start in range(0, len(chunk), BLOCK):
        yield chunk[start : start + BLOCK]


def _with_crlf(data: bytes) -> bytes:
    pairs = data.count(b"\r\n")
    if data.count(b"\n") != pairs or data.count(b"\r") != pairs:
        return _BARE.sub(b"\r\n", data)
    return data


def _stuff(data: bytes) -> bytes:
    return data.replace(b"\r\n.", b"\r\n..")
