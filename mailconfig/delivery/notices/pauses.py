"""Telling people of accounts that paused by themselves: a step of the sweep.

A pause is told once, by mail, to those who may change the account. It is noted and its mail queued in one transaction, which
has the lane: two sweeps at the same time do not tell it twice, and a process that is killed in between has told nothing, so
the next sweep does. What becomes of that mail is the queue's affair, as of any other: it is tried and given up by the same rules,
and nobody is told of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery.notices.recipients import NoticeRecipient, recipients_for
from mailconfig.delivery.notices.senders import senders_for
from mailconfig.delivery.notices.words import notice_for
from mailconfig.delivery.queue.backlog import count_unsent
from mailconfig.delivery.queue.enqueue import enqueue_for
from mailconfig.models import PAUSES, Account, Lane, Purpose

logger = logging.getLogger("mailconfig.upkeep")

STEP = 500
"""So many pauses are told in one sweep."""
QUIET = timedelta(hours=1)
"""After an account's pause was told, or could be told to nobody, none of it is told for so long: it may come and go."""
DIGEST_HOUR = 8
"""Of the deployment's day: when the digest is made."""
NAMED = 10
"""So many accounts stand in one line of the log."""


def tell_pauses(now: datetime) -> int:
    """Queue the mail that tells of pauses which were not told yet, or whose day's digest is due.

    Returns:
        How many pauses were told.
    """
    mode = get_settings().pause_notices
    if mode == "off":
        return 0
    is_digest = mode == "digest"
    due = _of_digest(now) if is_digest else _not_told(now)
    if not due.exists():  # most sweeps: no transaction, which on SQLite would be the only one that writes
        return 0
    with transaction.atomic():
        count = _tell(_claimed(due), now, is_digest=is_digest)
        crash.point("before_notices")
    return count


def _paused() -> QuerySet[Lane]:
    """Return the lanes that paused by themselves, of accounts in use; a person who paused one knows of it."""
    in_use = Q(account__is_enabled=True, account__deleted_at=None)
    in_use &= Q(account__tenant=None) | Q(account__tenant__is_active=True)
    half = Q(purpose=Purpose.SEND) | Q(purpose=Purpose.SYNC, account__mailbox__is_sync_enabled=True)
    return Lane.objects.filter(in_use, half, wait_reason__in=PAUSES, wait_since__isnull=False, paused_at=None)


def _not_told(now: datetime) -> QuerySet[Lane]:
    another = Q(noticed_since=None) | ~Q(noticed_since=F("wait_since"))
    return _paused().filter(another, _before(now - QUIET))


def _of_digest(now: datetime) -> QuerySet[Lane]:
    local = timezone.localtime(now)
    made = local.replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    made = made if made <= local else made - timedelta(days=1)
    return _paused().filter(_before(made), wait_since__lte=made)


def _before(then: datetime) -> Q:
    return Q(noticed_at=None) | Q(noticed_at__lte=then)


def _claimed(due: QuerySet[Lane]) -> list[Lane]:
    """Return lanes that nobody else tells, as long as the transaction lasts; those of one tenant and owner together.

    On PostgreSQL another sweep leaves out what is locked, and finds it told afterwards. Where rows cannot be locked, whoever
    writes keeps others from writing: one of two sweeps waits, or is refused and has told nothing.
    """
    skips = connection.features.has_select_for_update_skip_locked
    rows = due.select_for_update(skip_locked=skips, of=("self",)) if skips else due.select_for_update()
    rows = rows.select_related("account__owner", "account__tenant").defer("account__secret")
    return list(rows.order_by("account__tenant", "account__owner", "pk")[:STEP])


def _tell(lanes: Sequence[Lane], now: datetime, *, is_digest: bool) -> int:
    accounts = list({lane.account_id: lane.account for lane in lanes}.values())
    recipients = recipients_for(accounts)
    senders = senders_for({account.tenant_id for account in accounts if account.tenant_id is not None})
    nobody = [lane for lane in lanes if not recipients[lane.account_id]]
    unsent = [lane for lane in lanes if recipients[lane.account_id] and not _sender(lane, senders)]
    left = {lane.pk for lane in (*nobody, *unsent)}
    told = [lane for lane in lanes if lane.pk not in left]
    waiting = count_unsent({lane.account_id for lane in told})
    mails = enqueue_for(
        _mails(told, recipients, senders, waiting, is_digest=is_digest),
        transactional=True,
        skip_invalid=True,
    )
    Lane.objects.filter(pk__in=[lane.pk for lane in told]).update(
        noticed_at=now, noticed_since=F("wait_since")
    )
    Lane.objects.filter(pk__in=left).update(noticed_at=now)
    _log(unsent, "no other account that may tell of it can send")
    _log(nobody, "nobody who may change it has an address")
    if mails:
        logger.info("%d mails tell of %d pauses", len(mails), len(told))
    return len(told)


def _sender(lane: Lane, senders: Mapping[int | None, Account]) -> Account | None:
    """Return the account that tells of a pause: the tenant's, else the project's."""
    return senders.get(lane.account.tenant_id) or senders.get(None)


def _mails(
    lanes: Sequence[Lane],
    recipients: Mapping[int, Sequence[NoticeRecipient]],
    senders: Mapping[int | None, Account],
    waiting: Mapping[int, int],
    *,
    is_digest: bool,
) -> Iterator[tuple[EmailMessage, Account]]:
    """Yield one mail for each person and sender, with all that this one has to be told of."""
    grouped: dict[tuple[str, int], tuple[NoticeRecipient, Account, list[tuple[Lane, bool]]]] = {}
    for lane in lanes:
        if sender := _sender(lane, senders):
            for recipient in recipients[lane.account_id]:
                key = (recipient.address.lower(), sender.pk)
                pauses = grouped.setdefault(key, (recipient, sender, []))[2]
                pauses.append((lane, recipient.opens_pages))
    for recipient, sender, pauses in grouped.values():
        yield notice_for(recipient, pauses, waiting=waiting, is_digest=is_digest), sender


def _log(lanes: Sequence[Lane], why: str) -> None:
    """Say which pauses nobody was told of."""
    if not lanes:
        return
    accounts = sorted({lane.account_id for lane in lanes})
    named = ", ".join(map(str, accounts[:NAMED])) + (" …" if len(accounts) > NAMED else "")
    logger.warning("nobody is told that %d accounts are paused (%s): %s", len(accounts), named, why)
