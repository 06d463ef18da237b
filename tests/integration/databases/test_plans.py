"""Queries of people and of the house-keeping find their rows by an index, and sent mail is in no more of them than that."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from mailconfig.delivery import tallies
from mailconfig.models import Account, Attempt, Message, MessageState
from tests.factories import make_account

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=400)

QUERIES: dict[str, Callable[[], QuerySet[Any]]] = {
    "mailconfig_attempt_orphan": lambda: Attempt.objects.filter(ended_at__lt=LONG_AGO, message=None).order_by(
        "ended_at"
    ),
    "mailconfig_attempt_message": lambda: Attempt.objects.filter(message_id=1),
    "mailconfig_message_failed": lambda: Message.objects.filter(
        settled_at__gt=LONG_AGO, state=MessageState.FAILED
    ),
    "mailconfig_message_account": lambda: Message.objects.filter(account_id=1).order_by("-pk"),
}


@pytest.mark.parametrize("index", QUERIES)
def test_rows_are_found_by_an_index(index: str) -> None:
    plan = explained(QUERIES[index]())
    assert index in plan
    for other in ("Sort", "SCAN mailconfig", "TEMP B-TREE", "Seq Scan"):
        assert other not in plan


def explained(rows: QuerySet[Any]) -> str:
    """How the database would find the rows, if the tables were too large to be read."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    return rows[:10].explain()


@pytest.mark.postgres
def test_what_is_not_tallied_yet_is_read_by_the_window_however_much_was_sent() -> None:
    account, now = make_account(), timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailconfig_attempt (account_id, worker, recipients, stage, outcome, enhanced_code, reply_text,"
            " started_at, ended_at) SELECT %s, '', 1, 'dot', 'sent', '', '', at, at"
            " FROM generate_series(%s::timestamptz - interval '6 days', %s, interval '4 seconds') AS at ORDER BY random()",
            [account.pk, now, now],
        )
        cursor.execute("ANALYZE mailconfig_attempt")
    tallies.bring_up_to_date(account.pk, None, now=now)
    week_ago = now - timedelta(days=7)
    times = {"after_0": week_ago, "edge_0": tallies._edge_of(week_ago)}
    plan = tallies._sums(1, Account.objects.filter(pk=account.pk), **times).explain()
    expected = [int(rows) for rows in re.findall(r"using mailconfig_attempt_window .* rows=(\d+)", plan)]
    assert len(expected) == 2, plan
    assert max(expected) < Attempt.objects.count() / 50, "else it may read all of them, as there are so many"
