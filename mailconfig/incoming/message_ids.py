"""Message-IDs (RFC 5322 §3.6.4) as they are stored and compared: with angle brackets, of a length that fits."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from mailconfig.incoming.charsets import decoded

LONGEST: Final = 255
"""Characters of an id with its brackets, as columns have it."""
MOST_IDS: Final = 200
_BRACKETED = re.compile(r"<([^<>]*)>")
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")


def read_message_ids(raw: bytes) -> tuple[str, ...]:
    """Return the ids in a field, each once, the oldest first.

    Of more than :data:`MOST_IDS` the first and the last are kept: a thread is known by the first, its parent is the last.
    """
    if not raw:
        return ()
    text = decoded(raw)
    text = text if text.isprintable() else _BLANKS.sub(" ", text)
    ids = [found.replace(" ", "") for found in _BRACKETED.findall(text)]
    if not ids and len(text.split()) == 1:  # some forget the brackets; whoever answers writes them
        ids = [text.strip("<> \t")]
    whole = list(dict.fromkeys(fitting(f"<{each}>") for each in ids if each))
    half = MOST_IDS // 2
    return tuple(whole if len(whole) <= MOST_IDS else whole[:half] + whole[-half:])


def fitting(message_id: str) -> str:
    """Return the id, or of one that is too long a digest in its place: the same for the same id, so that threads hold together."""
    if len(message_id) <= LONGEST:
        return message_id
    return f"<{hashlib.sha256(message_id.encode('utf-8', 'surrogatepass')).hexdigest()}>"
