"""Bounces: what was reported not to have arrived, and addresses to which nothing should be sent any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from django.db import transaction

from mailconfig import signals
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.sync.ties import Return
from mailconfig.incoming.addresses import normalised
from mailconfig.models import Bounce, Mailbox, Suppression, SuppressionReason, note_message_bounced


def store_returns(mailbox: Mailbox, returns: Sequence[Return], reported_in: Mapping[int, int]) -> int:
    """Store what was reported, once for each recipient of a message, within the caller's transaction.

    A report that it is for good outdoes one that said it may pass. Each that is new is told (``message_bounced``).

    Args:
        mailbox: whose mail it was.
        returns: what was reported.
        reported_in: primary keys of the messages that report it, by UID.

    Returns:
        How many are new.
    """
    if not returns:
        return 0
    known = {
        (bounce.message_id, bounce.address): bounce
        for bounce in Bounce.objects.filter(message_id__in={each.message_id for each in returns})
    }
    fresh: dict[tuple[int, str], Bounce] = {}
    for each in returns:
        key = (each.message_id, each.address)
        before = fresh.get(key) or known.get(key)
        if before is not None and (before.is_permanent or not each.report.is_permanent):
            continue
        bounce = before or Bounce(message_id=each.message_id, address=each.address)
        bounce.is_permanent, bounce.enhanced_code = each.report.is_permanent, each.report.enhanced_code
        bounce.text, bounce.reported_in_id = each.report.text, reported_in.get(each.uid)
        if bounce.pk:
            bounce.reported_at = database_now()
        fresh[key] = bounce
    for bounce in fresh.values():
        bounce.save()
    _suppress(mailbox, [each for each in returns if each.report.is_about_address])
    for bounce in fresh.values():
        note_message_bounced(
            bounce.message_id,
            address=bounce.address,
            is_permanent=bounce.is_permanent,
            enhanced_code=bounce.enhanced_code,
            bounce_id=bounce.pk,
        )
        transaction.on_commit(partial(_tell, mailbox.pk, bounce.message_id, bounce.pk), robust=True)
    return len(fresh)


def _suppress(mailbox: Mailbox, returns: Sequence[Return]) -> None:
    """List addresses that are refused themselves: another message to them would be, too."""
    rows = {normalised(each.address): each for each in returns}
    Suppression.objects.bulk_create(
        [
            Suppression(
                tenant_id=mailbox.tenant_id,
                address=address,
                reason=SuppressionReason.BOUNCE,
                message_id=each.message_id,
            )
            for address, each in rows.items()
        ],
        ignore_conflicts=True,
    )


def _tell(account_id: int, message_id: int, bounce_id: int) -> None:
    signals.message_bounced.send_robust(
        sender=Bounce, message_id=message_id, account_id=account_id, bounce_id=bounce_id
    )
