"""Queries of people and of the house-keeping find their rows by an index, and sent mail is in no more of them than that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from mailconfig.models import Attempt, Message, MessageState

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
