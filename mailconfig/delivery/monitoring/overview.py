"""Overview of accounts: health, quota and queue of many in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import WindowUsage, usage
from mailconfig.delivery.monitoring.health import Health, health_of
from mailconfig.delivery.monitoring.standing_in import StandIn, stand_ins
from mailconfig.delivery.queue.backlog import count_unsent
from mailconfig.models import Account, Lane, Purpose


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """Facts about an account beside its own row.

    Attributes:
        health: its state.
        windows: its limits and what is used of them.
        unsent: mails that wait to be sent.
        lane: the one that sends its mail; ``None``: nothing was ever queued or tried.
        sync_lane: the one that reads what comes in; ``None``: nothing was ever to be read or tried.
        stand_in: which account sends its mail now; ``None``: itself.
        at: the database's time at which this was so.
    """

    health: Health
    windows: tuple[WindowUsage, ...]
    unsent: int
    lane: Lane | None
    sync_lane: Lane | None
    stand_in: StandIn | None
    at: datetime


def overview_of(accounts: Collection[Account]) -> dict[int, AccountOverview]:
    """Describe each account, by primary key. The number of queries does not grow with the accounts."""
    ids = [account.pk for account in accounts]
    now = database_now()
    lanes = {
        (lane.account_id, lane.purpose): lane
        for lane in Lane.objects.filter(account_id__in=ids).select_related("paused_by")
    }
    stand_ins_now = stand_ins(
        accounts, {key[0]: lane for key, lane in lanes.items() if key[1] == Purpose.SEND}, now
    )
    windows = usage(accounts, now=now)
    unsent = count_unsent(ids)
    return {
        account.pk: AccountOverview(
            health=health_of(account, lanes.get((account.pk, Purpose.SEND))),
            windows=windows[account.pk],
            unsent=unsent.get(account.pk, 0),
            lane=lanes.get((account.pk, Purpose.SEND)),
            sync_lane=lanes.get((account.pk, Purpose.SYNC)),
            stand_in=stand_ins_now.get(account.pk),
            at=now,
        )
        for account in accounts
    }
