"""The mails that every subject sends: 2 KB of text, each to a recipient of its own."""

from __future__ import annotations

import random

SENDER = "sender@example.com"
_LINE = "The quick brown fox jumps over the lazy dog, and then it does so again.\n"
TEXT = (_LINE * 29)[:2048]
ATTACHMENT_BYTES = 5 * 1024 * 1024


def subject(number: int) -> str:
    """The subject of one mail."""
    return f"Mail number {number}"


def recipient(number: int) -> str:
    """Its recipient."""
    return f"to{number}@example.net"


def attachment(number: int) -> bytes:
    """Five megabytes that do not compress, another each time."""
    return random.Random(number).randbytes(ATTACHMENT_BYTES)
