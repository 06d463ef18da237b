"""Bounces that came in by mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailconfig.delivery.bounces import NotArrived, store_bounces
from mailconfig.delivery.sync.ties import Return
from mailconfig.models import Mailbox


def store_returns(mailbox: Mailbox, returns: Sequence[Return], reported_in: Mapping[int, int]) -> int:
    """Store what was reported, within the caller's transaction: see :func:`mailconfig.delivery.bounces.store_bounces`.

    Args:
        mailbox: whose mail it was.
        returns: what was reported.
        reported_in: primary keys of the messages that report it, by UID.

    Returns:
        How many are new.
    """
    found = [
        NotArrived(
            message_id=each.message_id,
            address=each.address,
            is_permanent=each.report.is_permanent,
            is_about_address=each.report.is_about_address,
            enhanced_code=each.report.enhanced_code,
            text=each.report.text,
            tenant_id=mailbox.tenant_id,
            reported_in_id=reported_in.get(each.uid),
        )
        for each in returns
    ]
    return store_bounces(found, account_id=mailbox.pk)
