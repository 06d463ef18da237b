"""The admin's pages over a million mails and ten thousand accounts: how long each takes, and how many statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import admin_rows, database
from .processes import Place

FEW = admin_rows.Amount(accounts=120, messages=2400)
"""Fewer rows than a page has, with some of each kind, so that what grows with rows shows in the number of statements."""
ENVIRONMENT = {
    "BENCH_APPS": (
        "django.contrib.sessions,django.contrib.messages,django.contrib.admin,rest_framework,mailconfig,post_office"
    ),
    "BENCH_ADMIN": "yes",
}


@dataclass(frozen=True, slots=True)
class PageCost:
    """Cost of one page of the admin."""

    name: str
    milliseconds: Sequence[float]
    processor: Sequence[float]
    """Milliseconds of this process's processor, which a busy machine does not change much."""
    database_processor: float
    """The same of the database's process, on average; without workers of parallel queries."""
    statements: int
    few_statements: int
    """Of the same page while there is hardly anything in the tables."""
    in_database: float
    """Milliseconds of one of these answers that the database took."""
    slowest: str
    """The statement that took longest, cut."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Cost of all pages."""

    amount: admin_rows.Amount
    filled_in: float
    """Seconds that it took to write the rows."""
    costs: Sequence[PageCost]


def measure(place: Place, *, accounts: int, messages: int, rounds: int) -> Pages:
    """Ask for each page that the registry of the admin knows, with few rows and with many."""
    url = place.database_url
    amount = admin_rows.Amount(accounts=accounts, messages=messages)
    place.run("setup_jobs:migrate", env=ENVIRONMENT)
    found, seconds = [], 0.0
    for each, times in ((FEW, 1), (amount, rounds)):
        place.run("admin_pages_jobs:make_patterns", env=ENVIRONMENT)
        seconds = admin_rows.write(url, each)
        found.append(place.run("admin_pages_jobs:measure", env=ENVIRONMENT, rounds=times).result)
        admin_rows.forget(url)
    few, many = found
    database.vacuum(url)
    return Pages(
        amount,
        seconds,
        [
            PageCost(
                name,
                cost["ms"],
                cost["cpu_ms"],
                cost["database_cpu_ms"],
                cost["statements"],
                few[name]["statements"] if name in few else -1,
                cost["database_ms"],
                cost["slowest"],
            )
            for name, cost in many.items()
        ],
    )
