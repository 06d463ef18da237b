"""Verdict of a run: what the mail server received, held against what was queued and what the limits allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from project.inbox.store import ReceivedMail


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Mails that have to arrive from one mailbox."""

    address: str
    message_ids: tuple[str, ...]
    """Of the mails that were queued, in their order."""
    limit: int
    period: float
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Measurements of one mailbox, and what is wrong."""

    expected: Expected
    arrived: int
    fullest: int
    """The most mails that any window of the limit's length held."""
    seconds: float
    """From the first mail to the last."""
    problems: tuple[str, ...]


def fullest_window(times: Iterable[datetime], period: float) -> int:
    """The most of ``times`` within any half-open window of ``period`` seconds."""
    ordered = sorted(times)
    length = timedelta(seconds=period)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= length:
            first += 1
        most = max(most, last - first + 1)
    return most


def judge(expected: Expected, received: Sequence[ReceivedMail]) -> Verdict:
    """Everything arrived once, in order, within the limit.

    Args:
        expected: of one mailbox.
        received: all mails of the server; those with another envelope sender are another mailbox's. Mails that
            were not expected, such as test mails, count in the windows.
    """
    mine = [mail for mail in received if mail.mail_from == expected.address]
    wanted = set(expected.message_ids)
    arrived = [mail.header("Message-ID") for mail in mine if mail.header("Message-ID") in wanted]
    times = Counter(arrived)
    fullest = fullest_window((mail.received_at for mail in mine), expected.period)
    problems = []
    missing = [message_id for message_id in expected.message_ids if not times[message_id]]
    if missing:
        problems.append(f"{len(missing)} of {len(expected.message_ids)} mails did not arrive")
    repeated = sum(count - 1 for count in times.values())
    if repeated:
        problems.append(f"{repeated} mails arrived again")
    if list(times) != [message_id for message_id in expected.message_ids if times[message_id]]:
        problems.append("the mails did not arrive in their order")
    if fullest > expected.limit:
        problems.append(f"{fullest} mails within {expected.period:g} s, and {expected.limit} are allowed")
    received_at = [mail.received_at for mail in mine]
    seconds = (max(received_at) - min(received_at)).total_seconds() if received_at else 0.0
    return Verdict(
        expected=expected,
        arrived=len(times),
        fullest=fullest,
        seconds=seconds,
        problems=tuple(f"{expected.address}: {problem}" for problem in problems),
    )
