"""Transitions of messages: states by the operation that changes them; the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass

from mailconfig.models import MessageState as S


@dataclass(frozen=True, slots=True)
class Transition:
    """An operation, the states it starts from and those it may end in."""

    sources: frozenset[S]
    targets: frozenset[S]


def _transition(sources: set[S], targets: set[S]) -> Transition:
    return Transition(frozenset(sources), frozenset(targets))


_OUTCOMES = {S.SENT, S.PARTIAL, S.FAILED, S.QUEUED, S.HELD}

TRANSITIONS = {
    "enqueue": _transition(set(), {S.QUEUED, S.PREPARING}),
    "prepare": _transition({S.PREPARING}, {S.QUEUED, S.FAILED}),
    "hand_over": _transition({S.QUEUED}, {S.HANDING_OVER}),
    "settle": _transition({S.HANDING_OVER, S.QUEUED}, _OUTCOMES),
    "settle_late": _transition({S.QUEUED, S.HELD, S.FAILED, S.PARTIAL}, {S.SENT, S.PARTIAL, S.QUEUED}),
    "reap": _transition({S.HANDING_OVER}, {S.QUEUED, S.HELD, S.FAILED, S.SENT, S.PARTIAL}),
    "end_orphans": _transition({S.PREPARING, S.QUEUED, S.HELD}, {S.FAILED}),
    "hold": _transition({S.QUEUED}, {S.HELD}),
    "release": _transition({S.HELD}, {S.QUEUED}),
    "requeue": _transition({S.FAILED}, {S.QUEUED, S.PREPARING}),
    "cancel": _transition({S.PREPARING, S.QUEUED, S.HELD}, {S.CANCELLED}),
}


IN_PLACE = {
    "send_now": frozenset({S.QUEUED}),
    "move": frozenset({S.QUEUED, S.HELD}),
    "resend": frozenset({S.SENT, S.PARTIAL}),
}
"""Operations that leave the state as it is, and the states in which a message is for them."""


def states_allowing(operation: str) -> list[S]:
    """Return the states that the operation may start from, for a query's ``state__in``.

    A message that is being handed over is found as queued: see :class:`~mailconfig.models.MessageState`.
    """
    return sorted(IN_PLACE.get(operation) or TRANSITIONS[operation].sources)
