"""Bounces, whoever reports them: what did not arrive, and addresses to which nothing should be sent any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models import Q

from mailconfig import signals
from mailconfig.delivery.clock import database_now
from mailconfig.incoming.addresses import normalised
from mailconfig.models import NO_TENANT, Bounce, Suppression, SuppressionReason, note_messages_bounced

CHUNK = 500
"""Rows named in one statement: every database takes so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotArrived:
    """A recipient that a message is reported not to have reached."""

    message_id: int
    address: str
    """As the message has it."""
    is_permanent: bool
    is_about_address: bool
    """Whether another message there would come back, too."""
    enhanced_code: str
    text: str
    """Cleaned and cut."""
    tenant_id: int | None
    """Whose list the message goes by; ``None``: that of no tenant."""
    reported_in_id: int | None = None
    """Primary key of the synced message that reports it, if it is one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An address to which nothing should be sent any more, and why."""

    address: str
    reason: SuppressionReason
    message_id: int
    tenant_id: int | None


def store_bounces(found: Sequence[NotArrived], *, account_id: int) -> int:
    """Store what was reported, once for each recipient of a message, within the caller's transaction.

    A report that it is for good outdoes one that said it may pass. Each that is new is told (``message_bounced``). It takes
    a few statements, however many were reported.

    Args:
        found: what was reported.
        account_id: whose mail it was.

    Returns:
        How many are new.
    """
    if not found:
        return 0
    known = _stored(found)
    fresh: dict[tuple[int, str], Bounce] = {}
    for each in found:
        key = (each.message_id, each.address)
        before = fresh.get(key) or known.get(key)
        if before is not None and (before.is_permanent or not each.is_permanent):
            continue
        bounce = before or Bounce(message_id=each.message_id, address=each.address)
        bounce.is_permanent, bounce.enhanced_code = each.is_permanent, each.enhanced_code
        bounce.text, bounce.reported_in_id = each.text, each.reported_in_id
        fresh[key] = bounce
    outdone = [bounce for bounce in fresh.values() if bounce.pk]
    if outdone:
        now = database_now()
        for bounce in outdone:
            bounce.reported_at = now
        columns = ["is_permanent", "enhanced_code", "text", "reported_in", "reported_at"]
        Bounce.objects.bulk_update(outdone, columns, batch_size=CHUNK)
    new = [bounce for bounce in fresh.values() if not bounce.pk]
    if new:
        # Somebody else may report the same just now.
        Bounce.objects.bulk_create(new, ignore_conflicts=True, batch_size=CHUNK)
    suppress(
        Listed(each.address, SuppressionReason.BOUNCE, each.message_id, each.tenant_id)
        for each in found
        if each.is_about_address
    )
    stored = _stored(found) if new else known
    told = [stored[key] for key in fresh if key in stored]
    note_messages_bounced(told)
    for bounce in told:
        transaction.on_commit(partial(_tell, account_id, bounce.message_id, bounce.pk), robust=True)
    return len(fresh)


def suppress(listed: Iterable[Listed]) -> None:
    """List addresses, within the caller's transaction; those that are listed stay as they are."""
    rows = {(each.tenant_id, normalised(each.address), each.reason): each.message_id for each in listed}
    # In one order: of two who list the same addresses one waits for the other, and never each for the other.
    ordered = sorted(rows.items(), key=lambda row: (row[0][0] or NO_TENANT, *row[0][1:]))
    Suppression.objects.bulk_create(
        [
            Suppression(tenant_id=tenant_id, address=address, reason=reason, message_id=message_id)
            for (tenant_id, address, reason), message_id in ordered
        ],
        ignore_conflicts=True,
        batch_size=CHUNK,
    )


def _stored(found: Sequence[NotArrived]) -> dict[tuple[int, str], Bounce]:
    """Return what is stored already of these recipients."""
    messages, addresses = sorted({each.message_id for each in found}), {each.address for each in found}
    rows: dict[tuple[int, str], Bounce] = {}
    for start in range(0, len(messages), CHUNK):
        of_these = Q(message_id__in=messages[start : start + CHUNK])
        for bounce in Bounce.objects.filter(of_these):
            if bounce.address in addresses:
                rows[bounce.message_id, bounce.address] = bounce
    return rows


def _tell(account_id: int, message_id: int, bounce_id: int) -> None:
    signals.message_bounced.send_robust(
        sender=Bounce, message_id=message_id, account_id=account_id, bounce_id=bounce_id
    )
