"""PII tokens: values that stand for a person's data, which is known at the moment of sending only and is never stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailconfig.exceptions import InvalidMessage

LONGEST_TOKEN = 254

_TOKEN = re.compile(r"NS-EU-[0-9A-Z]+-[0-9A-Z]+")


def is_token(value: str) -> bool:
    """Return whether the whole of a value is a token. A text with one somewhere in it is a text.

    Raises:
        InvalidMessage: it is longer than any token.
    """
    if not _TOKEN.fullmatch(value):
        return False
    if len(value) > LONGEST_TOKEN:
        msg = f"a token has at most {LONGEST_TOKEN} characters"
        raise InvalidMessage(msg)
    return True


def tokens_among(values: Iterable[str]) -> tuple[str, ...]:
    """Return the tokens among the values, each once."""
    return tuple(dict.fromkeys(value for value in values if is_token(value)))
