"""The growth of work with the length of its input, for tests that must not depend on how fast a machine is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP = 4
"""How many times as long the longer input is."""
MOST = 9.0
"""Times as much work: linear work has about 4, n log n below 5, quadratic 16."""
_LEAST_SECONDS = 0.005
_TRIES = 8


def is_even(work: Callable[[T], object], whole: T, quarter: T) -> bool:
    """Whether work grows about as its input does, not with the square.

    Compares the processor time of this thread alone, the least of several tries, so that neither a busy machine nor
    coverage matters: both slow down the two sides alike, and what strikes one try only is left out.
    """
    gc.collect()
    gc.disable()
    try:
        repeats = 1
        while (least_quarter := _seconds(work, quarter, repeats)) < _LEAST_SECONDS:
            repeats *= 2
        least_whole = _seconds(work, whole, repeats)
        for _ in range(_TRIES):
            if least_whole < MOST * least_quarter:
                return True
            least_whole = min(least_whole, _seconds(work, whole, repeats))
            least_quarter = min(least_quarter, _seconds(work, quarter, repeats))
        return least_whole < MOST * least_quarter
    finally:
        gc.enable()


def _seconds(work: Callable[[T], object], value: T, repeats: int) -> float:
    began = time.thread_time()
    for _ in range(repeats):
        work(value)
    return time.thread_time() - began
