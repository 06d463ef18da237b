"""Timing of reading the next batch, in a process of its own."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from django.db import connection

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue import due
from mailconfig.models import Priority


def read_batches(account: int, times: int) -> dict[str, Any]:
    """Milliseconds to read the next batch (the median of ``times``), its size, and the plan of its query."""
    limit = get_settings().batch_size
    took: list[float] = []
    size = 0
    for _ in range(times):
        now = database_now()
        begun = time.perf_counter()
        size = len(due.read(account_id=account, now=now, limit=limit).messages)
        took.append(time.perf_counter() - begun)
    return {"ms": median(took) * 1000, "mails": size, "plan": _plan(account, limit)}


def _plan(account: int, limit: int) -> str:
    if connection.vendor != "postgresql":
        return ""
    sql = "EXPLAIN (ANALYZE, BUFFERS) " + due._READ.format(limit=limit)
    with connection.cursor() as cursor:
        now = database_now()
        values: list[Any] = []
        for priority in Priority.values:
            values += [account, priority, now, "{}", account, False, False]
        cursor.execute(sql, [*values, due.READ_AHEAD_BYTES])
        return "\n".join(line for (line,) in cursor.fetchall())
