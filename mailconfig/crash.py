"""Places where a test may kill this process, to prove that nothing is lost.

Off unless the environment variable ``MAILCONFIG_CRASH_AT=<name>:<probability>`` is set when the process
starts (a probability of 1 always kills); then the process that comes by ``point(name)`` ends as by ``kill -9``.
"""

from __future__ import annotations

import os
import random
import signal

_name, _, _probability = os.environ.get("MAILCONFIG_CRASH_AT", "").partition(":")
_chance = float(_probability or 1) if _name else 0.0


def point(name: str) -> None:
    """Kill this process if it was asked to crash here."""
    if name == _name and random.random() < _chance:  # noqa: S311 - dice, not cryptography
        os.kill(os.getpid(), signal.SIGKILL)


def is_armed() -> bool:
    """Return whether any crash point is on (the drain then avoids nothing; a check reports it)."""
    return bool(_name)
