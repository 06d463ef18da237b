"""Figures for machines: the dashboard as values of JSON, and the last day's hours by account as lines of CSV."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.monitoring.dashboard import AccountSums, Dashboard
from mailconfig.delivery.spreadsheets import csv_head, csv_line
from mailconfig.delivery.worker.counting import day_of
from mailconfig.models import HourFigures
from mailconfig.models.account_queries import AccountQuerySet

COLUMNS = ("hour", "account", "name", "sent", "put_off", "failed", "waiting")


def dashboard_data(dashboard: Dashboard) -> dict[str, Any]:
    """Return the dashboard as a dictionary; times are ``datetime``, accounts their number and name."""
    return {
        "at": dashboard.at,
        "counted_until": dashboard.counted_until,
        "is_whole": dashboard.is_whole,
        "hours": [dataclasses.asdict(hour) for hour in dashboard.hours],
        "waiting": dataclasses.asdict(dashboard.waiting) | {"total": dashboard.waiting.total},
        "worst": [_account(one) for one in dashboard.worst],
        "busiest": [_account(one) for one in dashboard.busiest],
        "paused_count": dashboard.paused_count,
        "paused": [
            {
                "account": stopped.account.pk,
                "name": str(stopped.account),
                "reason": str(stopped.reason),
                "since": stopped.since,
            }
            for stopped in dashboard.paused
        ],
        "swept_at": dashboard.swept_at,
        "is_swept": dashboard.is_swept,
        "workers": [dataclasses.asdict(worker) for worker in dashboard.workers],
        "failing_steps": [failing.step for failing in dashboard.failing_steps],
    }


def _account(sums: AccountSums) -> dict[str, Any]:
    account = sums.account
    numbers = {"sent": sums.sent, "put_off": sums.put_off, "failed": sums.failed}
    return {"account": account.pk, "name": str(account), **numbers}


def export_figures(accounts: AccountQuerySet | None = None) -> Iterator[str]:
    """Yield lines of CSV in UTF-8 with a byte order mark: what is counted of the last 24 hours, by hour and account.

    Args:
        accounts: whose; ``None``: everybody's.
    """
    rows = HourFigures.objects.filter(hour_at__in=day_of(database_now()), account__deleted_at=None)
    if accounts is not None:
        rows = rows.filter(account_id__in=accounts.order_by().values("pk"))
    rows = rows.select_related("account").defer("account__secret").order_by("hour_at", "account_id")
    yield csv_head(COLUMNS)
    for row in rows.iterator(chunk_size=2000):
        numbers = (row.account_id, str(row.account), row.sent, row.put_off, row.failed, row.waiting)
        yield csv_line((row.hour_at.isoformat(), *map(str, numbers)))
