"""Counts of what is not sent yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from django.db.models import Count

from mailconfig.models import WAITING_STATES, Message, MessageState


def count_unsent(account_ids: Collection[int]) -> dict[int, int]:
    """Count the mails of each account that wait to be sent.

    Returns:
        The number by account; accounts without any are left out.
    """
    mine = Message.objects.filter(account_id__in=list(account_ids)).order_by()
    # Two conditions, as the partial indexes have them; what is being handed over stands as queued in its row.
    queued = mine.filter(state=MessageState.QUEUED)
    others = mine.filter(state__in=sorted(WAITING_STATES - {MessageState.QUEUED, MessageState.HANDING_OVER}))
    counts: Counter[int] = Counter()
    for rows in (queued, others):
        counts.update(dict(rows.values_list("account_id").annotate(Count("pk"))))
    return dict(counts)
