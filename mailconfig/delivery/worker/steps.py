"""The steps of the house-keeping: one that throws is logged, rests for a while, and keeps no other from being done."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, transaction

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.mishaps import in_words, lacks_migration, require_database
from mailconfig.delivery.postgres.bounds import StepBounds
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Installation

logger = logging.getLogger("mailconfig.upkeep")


@dataclass(frozen=True, slots=True)
class FailingStep:
    """A step that throws.

    Attributes:
        step: its name.
        since: when it first did.
        text: what it said last, for staff.
        failures: how often in a row.
        retry_at: when it is tried again.
    """

    step: str
    since: datetime
    text: str
    failures: int
    retry_at: datetime


def do_steps(steps: Mapping[str, Callable[[], int]]) -> dict[str, int]:
    """Do one step after another. On PostgreSQL none waits long for a lock that somebody else has: it fails instead.

    Returns:
        What each says it did; ``0`` for one that threw, or that rests since it threw not long ago.

    Raises:
        WrongInstallation: nothing may be done here.
        DatabaseError, InterfaceError: the database does not answer, or lacks a migration.
    """
    known = {failing.step: failing for failing in failing_steps()}
    done = dict.fromkeys(steps, 0)
    news: dict[str, FailingStep | None] = {}
    with StepBounds() as bounds:
        for name, step in steps.items():
            failing = known.get(name)
            if failing and failing.retry_at > database_now():
                continue
            try:
                bounds.ensure()
                done[name] = step()
            except WrongInstallation:
                raise
            except Exception as error:
                if lacks_migration(error):
                    raise
                logger.exception("house-keeping: the step %s failed", name)
                if isinstance(error, (DatabaseError, InterfaceError)):
                    require_database()
                news[name] = _after(error, name, failing)
            else:
                if failing:
                    news[name] = None
        if news:
            _note(news)
    return done


def failing_steps() -> list[FailingStep]:
    """The steps that throw, the longest first."""
    stored = Installation.objects.filter(id=1).values_list("failing_steps", flat=True).first()
    found = [
        FailingStep(
            **row
            | {
                "since": datetime.fromisoformat(row["since"]),
                "retry_at": datetime.fromisoformat(row["retry_at"]),
            }
        )
        for row in json.loads(stored or "[]")
    ]
    return sorted(found, key=lambda failing: failing.since)


def _after(error: Exception, name: str, before: FailingStep | None) -> FailingStep:
    now, failures = database_now(), (before.failures if before else 0) + 1
    retry_at = now + timedelta(seconds=backoff_seconds(failures, get_settings()))
    return FailingStep(name, before.since if before else now, in_words(error), failures, retry_at)


def _note(news: Mapping[str, FailingStep | None]) -> None:
    """Write what changed; another process may do other steps at the same time."""
    with transaction.atomic():
        Installation.objects.get_or_create(id=1, defaults={"name": get_settings().installation_id})
        list(Installation.objects.select_for_update().filter(id=1))
        merged = {failing.step: failing for failing in failing_steps()} | dict(news)
        rows = [asdict(failing) for failing in merged.values() if failing]
        text = json.dumps(rows, default=datetime.isoformat) if rows else ""
        Installation.objects.filter(id=1).update(failing_steps=text)
