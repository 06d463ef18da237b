"""A total deadline over many steps, on the monotonic clock."""

from __future__ import annotations

import math
from time import monotonic


class Deadline:
    """A moment that nothing may pass, whatever the time-outs of the single steps.

    A time-out per ``recv`` does not bound a server that sends one byte a second; a moment does.
    """

    __slots__ = ("_until",)

    def __init__(self, seconds: float | None = None) -> None:
        """Start now; ``None`` never ends."""
        self._until = math.inf if seconds is None else monotonic() + seconds

    def step(self, seconds: float) -> float:
        """The monotonic time at which a step of ``seconds`` that starts now has to be over."""
        return min(monotonic() + seconds, self._until)

    def within(self, seconds: float) -> Deadline:
        """A deadline of its own in so many seconds, which does not pass this one either."""
        sooner = Deadline()
        sooner._until = self.step(seconds)
        return sooner

    def left(self) -> float:
        """Seconds that are left, at least 0; infinite without a total."""
        return max(0.0, self._until - monotonic())

    def seconds(self, step: float) -> float:
        """Seconds a step may take that would like to take ``step``.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(step, left)
