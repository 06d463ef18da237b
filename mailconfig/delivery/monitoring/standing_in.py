"""Stand-ins: accounts over which the mail of others goes now, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailconfig.conf import get_settings
from mailconfig.delivery.queue.ways import REASONS, Ways
from mailconfig.models import Account, Lane


@dataclass(frozen=True, slots=True)
class StandIn:
    """Failover of one account, as it is now.

    Attributes:
        account: the one that sends its due mail; ``None``: none can.
        since: since when its mail goes over another account, if one can send.
        refused: the words of a server that did not let the other account send for this one; empty: none did.
    """

    account: Account | None
    since: datetime
    refused: str = ""


def stand_ins(accounts: Iterable[Account], lanes: Mapping[int, Lane], now: datetime) -> dict[int, StandIn]:
    """Find who sends for those accounts that fail over now, by primary key. Where none names another, nothing is asked.

    Args:
        accounts: whose mail may go over others.
        lanes: those that send, by account.
        now: the database's time.
    """
    rest = timedelta(seconds=get_settings().failover_seconds)
    held = {
        account.pk: (account, lane)
        for account in accounts
        if account.failover_id is not None
        and (lane := lanes.get(account.pk)) is not None
        and (since := _held_back_since(lane, now)) is not None
        and since + rest <= now
    }
    found = Ways(now)
    found.look_up([account for account, _lane in held.values()])
    return {key: _stand_in(account, lane, found, rest) for key, (account, lane) in held.items()}


def _held_back_since(lane: Lane, now: datetime) -> datetime | None:
    """Return since when it is held back for a reason for which mail goes over others; ``None``: it is not."""
    waits = lane.wait_reason in REASONS and (lane.wait_until is None or lane.wait_until > now)
    known = [lane.paused_at, lane.wait_since if waits else None]
    return min((since for since in known if since is not None), default=None)


def _stand_in(account: Account, lane: Lane, found: Ways, rest: timedelta) -> StandIn:
    since = (_held_back_since(lane, found.now) or found.now) + rest
    if lane.no_failover_until is not None and lane.no_failover_until > found.now:
        return StandIn(None, since, lane.no_failover_text)
    way = next(found.after(account), None)
    return StandIn(way.account if way else None, since)
