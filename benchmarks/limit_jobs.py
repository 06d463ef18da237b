"""A worker among several that race for limited accounts, in a process of its own."""

from __future__ import annotations

import time

from mailconfig import delivery


def work(seconds: float) -> None:
    """Drain as a worker without Celery does, for so long."""
    until = time.monotonic() + seconds
    delivery.run(should_stop=lambda: time.monotonic() >= until)
