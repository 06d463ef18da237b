"""Bodies of reports: JSON that may be hostile."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

from mailconfig.exceptions import EventsRefused
from mailconfig.values import EventsFault

MOST_OCTETS: Final = 1_048_576
"""Of one report."""
MOST_LEVELS: Final = 32
_MOST_BRACKETS: Final = 200_000
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[{\]}]+")
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def read_json(body: bytes) -> Any:
    """Return the value of a body.

    Raises:
        EventsRefused: it is no JSON in UTF-8 (RFC 8259), or nested so deeply that nobody has meant it.
    """
    try:
        text = body.decode("utf-8")
        _check_shape(text)
        return json.loads(text, parse_constant=_refuse_constant)
    # Python refuses numbers with thousands of digits by the same error.
    except (ValueError, RecursionError):
        raise EventsRefused(EventsFault.MALFORMED) from None


def _check_shape(text: str) -> None:
    """Count the levels before anything is made of them."""
    brackets = _NO_BRACKETS.sub("", _STRINGS.sub("", text))
    if (
        len(brackets) > _MOST_BRACKETS
        or max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MOST_LEVELS
    ):
        raise ValueError("nested too deeply")


def _refuse_constant(_word: str) -> NoReturn:
    raise ValueError("no JSON")
