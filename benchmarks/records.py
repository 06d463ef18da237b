"""Times of arrival that our own sink wrote down."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def arrivals(record: Path) -> dict[str, list[float]]:
    """Return by sender when its mails came, one number a recipient, in order (this machine's monotonic clock)."""
    seen: dict[str, list[float]] = defaultdict(list)
    for line in record.read_text().splitlines():
        at, sender, recipients = line.split()
        seen[sender] += [float(at)] * int(recipients)
    return {sender: sorted(times) for sender, times in seen.items()}
