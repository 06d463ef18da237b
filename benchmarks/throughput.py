"""Enqueue and drain, subjects taking turns, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from statistics import median

from . import database
from .processes import Place
from .subjects import Subject


@dataclass(slots=True)
class Figures:
    """Of one case, one number a round."""

    sent: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        """``name msgs_per_s enqueue_per_s peak_rss_mb``; without a queue nothing is enqueued: 0."""
        enqueued = median(self.one) if self.one else 0.0
        return f"{name:36} {median(self.sent):9.1f} {enqueued:9.1f} {max(self.rss):7.1f}"


def measure(
    place: Place,
    server: AbstractContextManager[int],
    subjects: Sequence[Subject],
    *,
    rounds: int,
    count: int,
    one_by_one: int,
) -> dict[str, Figures]:
    """Let every subject queue and send ``count`` mails, ``rounds`` times; by the subject's name."""
    figures: dict[str, Figures] = defaultdict(Figures)
    with server as port:
        for number in range(rounds):
            # Nobody always comes first, or always behind the same one.
            turns = [*subjects[number % len(subjects) :], *subjects[: number % len(subjects)]]
            for subject in turns:
                mine = figures[subject.name]
                if subject.has_queue:
                    database.forget_mail(place.database_url)
                filled = subject.fill(place, port=port, one_by_one=one_by_one, at_once=count - one_by_one)
                if filled:
                    mine.one.append(filled["one"])
                    mine.many.append(filled["many"])
                    database.settle_down(place.database_url)
                outcome = subject.send(place, port=port, count=count)
                mine.sent.append(outcome.result)
                mine.rss.append(outcome.peak_rss_mb)
    return dict(figures)
