"""Numbers of mails, which begin with the time."""

from __future__ import annotations

import os
import time
import uuid

_FIXED = 0xF000 << 64 | 0xC000 << 48
_VERSION_7 = 0x7000 << 64 | 0x8000 << 48


def new_number() -> uuid.UUID:
    """Return a number for a mail: a UUID of version 7 (RFC 9562 §5.7), that is the milliseconds since 1970 and 74 random bits.

    Mails queued one after another lie together in an index, whose pages are then full, and few are written at a time.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return uuid.UUID(int=value & ~_FIXED | _VERSION_7)
