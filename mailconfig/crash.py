"""Places where a test may kill this process, to prove that nothing is lost.

Off unless the environment variable ``MAILCONFIG_CRASH_AT`` is set when the process starts: to ``<name>:<probability>``, where
1 always kills, or to ``<name>@<n>`` for the n-th time that any thread comes by ``point(name)``. The process then ends as by
``kill -9``; with ``=stop`` behind it, it stands still as by ``kill -STOP``, and goes on when it is told to.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from itertools import count

_set = re.fullmatch(r"(\w+)(?:@(\d+)|:([\d.]+))?(=stop)?", os.environ.get("MAILCONFIG_CRASH_AT", ""))
_name = _set[1] if _set else ""
_number = int(_set[2]) if _set and _set[2] else None
_chance = float(_set[3] or 1) if _set else 0.0
_signal = signal.SIGSTOP if _set and _set[4] else signal.SIGKILL
_times = count(1)


def point(name: str) -> None:
    """Kill or stop this process if it was asked to crash here."""
    if name != _name:
        return
    # A count and not a sum: threads come by at the same time.
    comes = next(_times) == _number if _number else random.random() < _chance  # noqa: S311 - dice, not cryptography
    if comes:
        # To this very thread, which goes no further then; of a whole process any thread may take it, and this one go on a while.
        signal.pthread_kill(threading.get_ident(), _signal)


def is_armed(*names: str) -> bool:
    """Return whether one of these crash points is on, or any at all if none is named (which a check reports)."""
    return _name in names if names else bool(_name)
