"""A worker that drains for so long, alone or among several that race for limited accounts; in a process of its own."""

from __future__ import annotations

import time

from mailconfig import delivery


def work(seconds: float) -> float:
    """Drain as a worker without Celery does, for so long: when it began, by this machine's monotonic clock."""
    begun = time.monotonic()
    delivery.run(should_stop=lambda: time.monotonic() >= begun + seconds)
    return begun
