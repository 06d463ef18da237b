"""Taking a mailbox to sync it: its lane, and all that a sync needs to know of it, in one statement where that is possible."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.clock import DatabaseClock
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.models import Account, Activity, Installation, Lane, Mailbox, Purpose, SyncedFolder
from mailconfig.models.mailbox import INBOX, OUTREACH_FOLDER

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Taken:
    """A mailbox whose lane is ours.

    Attributes:
        ownership: of the lane.
        mailbox: as it was read when the lane was taken.
        lane: the same.
        folder: the one that is synced, as far as it was read; ``None``: it never was.
        seen_at: when the owner used the application last.
    """

    ownership: Ownership
    mailbox: Mailbox
    lane: Lane
    folder: SyncedFolder | None
    seen_at: datetime | None


def take(account_id: int, *, lease: float) -> Taken | None:
    """Own the mailbox's lane for ``lease`` seconds; ``None``: somebody else does, or it is no mailbox.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was taken.
    """
    if has_psycopg3():
        taken = _take_at_once(account_id, lease)
        if taken is not None:
            return taken
        # Owned, without a lane, or of another installation.
        ensure_this_installation()
        make_lane(account_id)
        return _take_at_once(account_id, lease)
    ensure_this_installation()
    return _take_bit_by_bit(account_id, lease)


def make_lane(account_id: int) -> None:
    """Give a mailbox its lane if it has none: bulk inserts leave it out."""
    if Mailbox.objects.filter(pk=account_id).exists():
        Lane.objects.bulk_create([Lane(account_id=account_id, purpose=Purpose.SYNC)], ignore_conflicts=True)


def _take_bit_by_bit(account_id: int, lease: float) -> Taken | None:
    make_lane(account_id)
    ownership = lanes.take(account_id=account_id, lease=lease, purpose=Purpose.SYNC)
    if ownership is None:
        return None
    mailbox = Mailbox.objects.get(pk=account_id)
    seen = Activity.objects.filter(user_id=mailbox.owner_id) if mailbox.owner_id else Activity.objects.none()
    return Taken(
        ownership,
        mailbox,
        Lane.objects.get(pk=ownership.lane_id),
        SyncedFolder.objects.filter(mailbox=mailbox, name=mailbox.sync_folder).first(),
        seen.values_list("seen_at", flat=True).first(),
    )


def _take_at_once(account_id: int, lease: float) -> Taken | None:
    token, worker = uuid.uuid4(), lanes.worker_name()
    asked_at = time.monotonic()
    name = get_settings().installation_id
    is_alone = not connection.in_atomic_block
    rows = statements.run(
        _statement(), [token, timedelta(seconds=lease), worker, account_id, name, name, is_alone]
    )
    if not rows:
        return None
    values = iter(rows[0])
    now: datetime = next(values)
    next(values)  # whether the disk is waited for
    lane = _instance_of(Lane, values)
    mailbox = _instance_of(Mailbox, values)
    folder = _instance_of(SyncedFolder, values)
    clock = DatabaseClock(said=now, asked_at=asked_at)
    ownership = Ownership(lane.pk, account_id, token, worker, lease, clock, asked_at)
    return Taken(ownership, mailbox, lane, folder if folder.pk else None, next(values))


@cache
def _statement() -> str:
    """Return the statement that takes a lane and reads what belongs to it.

    The folder's progress may be older than what another owner committed right before: whoever stores something looks again
    whether it is still so. In a transaction of its own the disk is not waited for, as in :func:`lanes.take`.
    """
    lane = ", ".join(f"taken.{field.column}" for field in Lane._meta.concrete_fields)
    mailbox = ", ".join(
        f"{'account' if field.model is Account else 'mailbox'}.{field.column}"
        for field in Mailbox._meta.concrete_fields
    )
    folder = ", ".join(f"folder.{field.column}" for field in SyncedFolder._meta.concrete_fields)
    return f"""
        WITH taken AS (
            UPDATE {Lane._meta.db_table}
               SET lease_token = %s::uuid, lease_until = statement_timestamp() + %s::interval, worker = %s::text
             WHERE account_id = %s::bigint AND purpose = '{Purpose.SYNC.value}'
               AND (lease_until IS NULL OR lease_until < statement_timestamp())
               AND (EXISTS (SELECT FROM {Installation._meta.db_table} WHERE id = 1 AND name = %s::text)
                    OR (%s::text = '' AND NOT EXISTS (SELECT FROM {Installation._meta.db_table} WHERE id = 1)))
         RETURNING *)
        SELECT clock_timestamp(), CASE WHEN %s::boolean THEN set_config('synchronous_commit', 'off', true) END,
               {lane}, {mailbox}, {folder}, activity.seen_at
          FROM taken
          JOIN {Account._meta.db_table} AS account ON account.id = taken.account_id
          JOIN {Mailbox._meta.db_table} AS mailbox ON mailbox.account_ptr_id = account.id
          LEFT JOIN {SyncedFolder._meta.db_table} AS folder
                 ON folder.mailbox_id = account.id
                AND folder.name = CASE WHEN mailbox.syncs_outreach_folder THEN '{OUTREACH_FOLDER}' ELSE '{INBOX}' END
          LEFT JOIN {Activity._meta.db_table} AS activity ON activity.user_id = account.owner_id
    """  # noqa: S608 - names only


def _instance_of(model: type[M], values: Iterator[Any]) -> M:
    names, converters = _columns(model)
    row = list(islice(values, len(names)))
    for at, convert in converters:
        row[at] = convert(row[at])
    return model.from_db(DEFAULT_DB_ALIAS, names, row)


@cache
def _columns(model: type[Model]) -> tuple[list[str], list[tuple[int, Callable[[Any], Any]]]]:
    """Return the attributes of a row in their order, and what makes values of columns that are stored as something else."""
    converters = [
        (at, _bind(convert))
        for at, field in enumerate(model._meta.concrete_fields)
        for convert in field.get_db_converters(connection)
    ]
    return [field.attname for field in model._meta.concrete_fields], converters


def _bind(convert: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda value: convert(value, None, connection)
