"""How the tests are spread over pytest's workers (``-n auto``), each with databases, servers and a folder of its own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.servers import postgres
from tests.tables import spread, tables

TOGETHER = {
    "tests/acceptance/test_demo.py": "demo",
    "tests/acceptance/test_published_outbound.py": "demo",
    "tests/acceptance/test_published_requests.py": "demo",
    "tests/acceptance/test_published_service.py": "service",
    "tests/acceptance/test_generated_client.py": "client",
    "tests/integration/delivery/imports/test_mail.py": "other queues",
    "tests/integration/delivery/imports/test_settings.py": "other queues",
    "tests/unit/test_packaging.py": "wheel",
    "tests/unit/test_quick_start.py": "project",
}
"""Files whose tests share what takes long to make, or a port that is looked at: one worker runs all of a name."""
ALIKE = (
    "tests/contract/",
    "tests/integration/admin/",
    "tests/integration/api/",
    "tests/integration/delivery/accounts/",
    "tests/integration/faults/",
)
"""Folders whose tables vary what clients send and servers answer: a second database runs some cases of each."""
EACH = (
    "tests/contract/test_bad_input.py",
    "tests/contract/test_pages.py",
    "tests/contract/test_queries.py",
    "tests/integration/admin/test_lookups.py",
    "tests/integration/admin/test_search.py",
    "tests/integration/api/common/test_literals.py",
    "tests/integration/api/mailboxes/test_list.py",
    "tests/integration/api/outbound_email/test_list.py",
    "tests/integration/api/providers/test_list.py",
    "tests/integration/api/providers/test_writing.py",
    "tests/integration/delivery/accounts/test_running_checks.py",
    "tests/integration/delivery/accounts/test_save_queries.py",
    "tests/integration/delivery/accounts/test_save_races.py",
    "tests/integration/faults/test_edits.py",
    "tests/integration/faults/test_lane_races.py",
    "tests/integration/faults/test_mishaps.py",
    "tests/integration/faults/test_storage.py",
)
"""Files among those whose cases databases may take differently: values, conditions, races."""
CASES = 2
"""How many of such a table: the first and the last."""
ROOT = Path(__file__).resolve().parents[1]


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Each test goes to whoever is free, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget what is done: after each test, all that its worker was ever given would be counted once more."""
        given = self.assigned_work[node]
        for scope in [scope for scope, tests in given.items() if all(tests.values())]:
            del given[scope]
        super().mark_test_complete(node, item_index, duration)


def count_workers() -> int:
    """Twice the processors, since tests wait more than they compute; none where DATABASE_URL or REDIS_URL names a server.

    Tests crash and flush their servers, so workers cannot share one. A second database has less to do and half as many:
    each takes as much to begin as hundreds of tests.
    """
    if postgres.is_named() or "REDIS_URL" in os.environ:
        return 0
    return (1 if is_second() else 2) * (os.cpu_count() or 1)


def is_second() -> bool:
    """Whether the same tests run on another database beside, which has all of them."""
    return "TEST_DB_AGAIN" in os.environ


def needs_database(item: pytest.Item) -> bool:
    """Whether a test meets another database in another run: those that do not are enough once.

    So are those that say so by the marker ``one_database``.
    """
    if item.get_closest_marker("one_database"):
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    marked = any(item.get_closest_marker(name) for name in ("django_db", "postgres"))
    return marked or not fixtures.isdisjoint({"db", "transactional_db"})


def repeated(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return what a second database need not run of the tables that say little of one."""
    return {
        item
        for table in tables(
            item for item in items if item.nodeid.startswith(ALIKE) and not item.nodeid.startswith(EACH)
        )
        for item in set(table) - {table[index] for index in spread(len(table), CASES)}
    }


def place(item: pytest.Item) -> tuple[bool, bool]:
    """Slow tests first, so that no worker is left alone with one; but what empties the database after what does not."""
    marker = item.get_closest_marker("django_db")
    empties = marker is not None and bool(marker.kwargs.get("transaction"))
    return empties, item.get_closest_marker("slow") is None
