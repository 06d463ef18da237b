"""What must hold whatever is killed: nothing is lost, duplicates are bounded, states tell the truth."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from django.db.models import QuerySet

from mailconfig.models import AttemptOutcome, HandOver, Lane, Message, MessageState, Purpose
from tests.servers.sink import Received, Sink

MAY_BE_OUT = frozenset({MessageState.HANDING_OVER, MessageState.HELD})
"""States that leave open whether the server has the message."""


class Arrivals(Protocol):
    """What arrived, at one server or at several."""

    def by_message_id(self) -> dict[str, list[Received]]:
        """Copies of each message."""
        ...


@dataclass
class Kill:
    """A worker that was killed, and what it had in hand: the only messages that may arrive twice."""

    point: str
    began: float
    """``time.time()`` before it started; it was dead before the next one did."""
    in_hand: frozenset[str]
    """Message-IDs journaled without an outcome when it died."""
    lanes: frozenset[int] = frozenset()
    """Accounts whose lanes it owned when it died."""


@dataclass
class Tally:
    """The figures of a run."""

    messages: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    lanes: float = 0.0
    """Lanes in hand when a worker was killed, on average."""

    def __str__(self) -> str:
        kills = ", ".join(
            f"{point} {count} (+{self.duplicates.get(point, 0)})" for point, count in self.kills.items()
        )
        doubles = sum(self.duplicates.values())
        return (
            f"{self.messages} mails, {sum(self.kills.values())} kills with {self.lanes:.1f} lanes in hand, "
            f"{self.lost} lost, {doubles} twice: {kills}"
        )


def in_hand(pid: int) -> frozenset[str]:
    """Message-IDs that a process has journaled and not settled."""
    mine = HandOver.objects.filter(worker__endswith=f":{pid}")
    return frozenset(entry.message.message_id for entry in mine.select_related("message"))


def message_ids(messages: QuerySet[Message]) -> set[str]:
    """Message-IDs as the mails have them."""
    return {message.message_id for message in messages}


def lanes_of(pid: int) -> frozenset[int]:
    """Accounts whose lanes a process owns, or owned when it died."""
    mine = Lane.objects.filter(worker__endswith=f":{pid}", purpose=Purpose.SEND)
    return frozenset(mine.values_list("account_id", flat=True))


def check_states(sink: Arrivals) -> None:
    """no state contradicts the sink, at a moment when no worker runs."""
    received = set(sink.by_message_id())
    rows = Message.objects.select_related("hand_over").defer("account")
    states = {message.message_id: message.shown_state for message in rows}
    unsure = message_ids(Message.objects.filter(attempt_set__outcome=AttemptOutcome.UNKNOWN))
    for message_id, state in states.items():
        if state == MessageState.SENT:
            assert message_id in received, f"{message_id} is called sent and is not at the sink"
        elif message_id in received:
            assert state in MAY_BE_OUT or message_id in unsure, f"{message_id} is {state} and at the sink"
    strangers = received - states.keys()
    assert not strangers, f"at the sink and in no row: {strangers}"


def check_ledger(ledger: Path, sink: Arrivals) -> None:
    """For what a host was told is queued: it is in a row, and what arrived has the bytes it had then."""
    rows = message_ids(Message.objects.all())
    copies = sink.by_message_id()
    for line in ledger.read_text(encoding="utf-8").splitlines():
        accepted = json.loads(line)
        message_id = accepted["message_id"]
        assert message_id in rows, f"{message_id} was accepted and has no row"
        digests = {hashlib.sha256(copy.data).hexdigest() for copy in copies.get(message_id, [])}
        assert digests <= {accepted["sha256"]}, f"{message_id} changed on its way"


def count_duplicates(sink: Sink, kills: list[Kill], *, window: int) -> dict[str, int]:
    """Duplicates by crash point. Each was out and in a killed worker's hands: of each account ``window`` at most a kill."""
    copies = sink.by_message_id()
    account_of = {message.message_id: message.account_id for message in Message.objects.all()}
    found: dict[str, int] = {}
    explained: dict[str, int] = {}
    ends = [*(kill.began for kill in kills[1:]), float("inf")]
    for kill, end in zip(kills, ends, strict=True):
        arrived = {message.message_id for message in sink.messages if kill.began <= message.at < end}
        doubles = [message_id for message_id in kill.in_hand & arrived if len(copies[message_id]) > 1]
        of_accounts = Counter(account_of[message_id] for message_id in doubles)
        most = max(of_accounts.values(), default=0)
        assert most <= window, f"{most} duplicates of one account and one kill, at {kill.point}"
        assert of_accounts.keys() <= kill.lanes, f"of accounts that it had not in hand, at {kill.point}"
        found[kill.point] = found.get(kill.point, 0) + len(doubles)
        for message_id in doubles:
            explained[message_id] = explained.get(message_id, 0) + 1
    for message_id, received in copies.items():
        extra = len(received) - 1
        assert extra <= explained.get(message_id, 0), f"{message_id} came {extra + 1} times without a reason"
        assert len({copy.data for copy in received}) == 1, f"copies of {message_id} differ"
        assert len({copy.recipients for copy in received}) == 1, f"copies of {message_id} went elsewhere"
    return {point: count for point, count in found.items() if count}


def overfull_windows(received: Iterable[Received], *, limit: int, seconds: float) -> list[float]:
    """Spans of ``limit`` + 1 messages that are shorter than the window, by the server's clock."""
    times = sorted(message.at for message in received)
    spans = [later - earlier for earlier, later in zip(times, times[limit:], strict=False)]
    return [span for span in spans if span < seconds]


def check_limits(sink: Arrivals, *, limit: int, seconds: float) -> None:
    """In no window the server took more mails of an account than its limit allows; copies count as well."""
    account_of = {message.message_id: message.account_id for message in Message.objects.all()}
    of_accounts: dict[int, list[Received]] = {}
    for message_id, received in sink.by_message_id().items():
        of_accounts.setdefault(account_of[message_id], []).extend(received)
    for account_id, received in of_accounts.items():
        overfull = overfull_windows(received, limit=limit, seconds=seconds)
        assert not overfull, f"account {account_id} sent {limit + 1} mails within {min(overfull)} s"


def count_lost(sink: Sink) -> int:
    """Rows that are neither at the sink nor visibly waiting, held or failed."""
    received = set(sink.by_message_id())
    settled = Message.objects.filter(state__in=[MessageState.SENT, MessageState.PARTIAL])
    return sum(message_id not in received for message_id in message_ids(settled))
