"""The journal: what is about to be handed over is committed before the dot, with the outcomes before it.

On PostgreSQL outcomes and journal are one data-modifying statement, hence one round trip and one commit; on
other databases the same is written through the ORM in one transaction. One test suite runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from django.db import connection, transaction
from django.db.models.functions import Now

from mailconfig import signals
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.statements import columns_of, rows_sql
from mailconfig.delivery.queue import outcomes
from mailconfig.delivery.queue.settle import erases, settle_all
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.models import Account, HandOver, Lane, Message, MessageState
from mailconfig.values import Answer

if TYPE_CHECKING:
    from mailconfig.models.account_queries import AccountQuerySet


def _nothing() -> None:
    """There is nothing to wait for."""


class Journal(Protocol):
    """Commits outcomes, and lets the next messages be handed over."""

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """Write the outcomes of ``finished`` and, in the same commit, the journal of ``group``.

        A turn of ``group`` may be handed over only if its ``attempt_id`` is set afterwards. It is not if the
        message is no longer queued, the lane is no longer ours, or the account was edited, disabled or
        deleted since ``revision``; the outcomes are written all the same.

        Returns:
            What waits for the commit. Nothing is known before; until then no turn may be touched.
        """
        ...


class OrmJournal:
    """For every database."""

    def __init__(self, ownership: Ownership) -> None:
        self.ownership = ownership

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """See :class:`Journal`."""
        owner = self.ownership
        with transaction.atomic():
            settle_all(finished, ownership=owner)
            if group and self._may_hand_over(revision):
                for turn in group:
                    self._hand_over(turn)
        return _nothing

    def _may_hand_over(self, revision: int) -> bool:
        accounts: AccountQuerySet = Account.objects.usable()
        owner = self.ownership
        lanes = Lane.objects.filter(pk=owner.lane_id, lease_token=owner.token, lease_until__gt=Now())
        if connection.features.has_select_for_update:
            lanes = lanes.select_for_update()
        return bool(lanes) and accounts.filter(pk=owner.account_id, revision=revision).exists()

    def _hand_over(self, turn: Turn) -> None:
        owner = self.ownership
        entry = HandOver(
            message_id=turn.message.pk,
            account_id=owner.account_id,
            lease_token=owner.token,
            worker=owner.worker,
            recipients=turn.accepted() or turn.slots,
            started_at=turn.started_at,
            handed_over_at=owner.clock.at_latest(),
        )
        # Written before the message is looked at: where rows cannot be locked, this keeps others from writing.
        HandOver.objects.bulk_create([entry], ignore_conflicts=True)
        written = HandOver.objects.filter(message_id=entry.message_id, lease_token=owner.token)
        if written and self._is_queued(entry.message_id):
            turn.attempt_id, turn.handed_over_at = entry.message_id, entry.handed_over_at
        else:
            written.delete()

    @staticmethod
    def _is_queued(message_id: int) -> bool:
        queued = Message.objects.filter(pk=message_id, state__in=states_allowing("hand_over"))
        if connection.features.has_select_for_update:
            queued = queued.select_for_update()
        return bool(queued.values_list("pk", flat=True))


_DONE = """
done AS (
    DELETE FROM mailconfig_handover AS entry
     USING {came} AS came (message_id, ended_at, handed_over, code, enhanced, reply)
     WHERE entry.message_id = came.message_id AND entry.lease_token = %s::uuid
 RETURNING entry.account_id, entry.message_id, entry.worker, entry.started_at, entry.handed_over_at,
           came.ended_at, came.handed_over, came.code, came.enhanced, came.reply
), noted AS (
    INSERT INTO mailconfig_attempt (account_id, message_id, worker, recipients, stage, outcome, reply_code,
                                    enhanced_code, reply_text, started_at, handed_over_at, ended_at)
    SELECT account_id, message_id, worker, handed_over, 'dot', 'sent', code, enhanced, reply, started_at,
           handed_over_at, ended_at FROM done
 RETURNING message_id, id
), settled AS (
    UPDATE mailconfig_message AS message
       SET state = 'sent', settled_at = done.ended_at, attempts = LEAST(message.attempts + 1, 32767), wait_reason = '',
           error_code = '', error_text = ''
      FROM done
     WHERE message.id = done.message_id AND message.state || '' = 'queued'
){erased}
"""
# A state is compared as an expression, so that rows are found by their key and never by a partial index on the
# state: its few live entries look cheap, but lie among the dead ones of all that was sent since the last vacuum.
_ERASED = """, erased AS (
    DELETE FROM mailconfig_body AS body USING done WHERE body.message_id = done.message_id
)"""

_JOURNAL = """
journal AS (
    SELECT message.id, message.account_id, turn.slots, turn.started_at
      FROM {turn} AS turn (message_id, slots, started_at)
      JOIN mailconfig_message AS message ON message.id = turn.message_id
     WHERE message.state || '' = 'queued'
       AND EXISTS (SELECT 1 FROM mailconfig_lane AS lane
                    WHERE lane.id = %s AND lane.lease_token = %s AND lane.lease_until > clock_timestamp())
       AND EXISTS (SELECT 1 FROM mailconfig_account AS account
                    WHERE account.id = message.account_id AND account.revision = %s
                      AND account.is_enabled AND account.deleted_at IS NULL)
       FOR NO KEY UPDATE OF message
), opened AS (
    INSERT INTO mailconfig_handover (message_id, account_id, lease_token, worker, recipients, started_at, handed_over_at)
    SELECT id, account_id, %s, %s, slots, started_at, clock_timestamp() FROM journal
        ON CONFLICT (message_id) DO NOTHING
 RETURNING message_id, handed_over_at
)
"""
"""The message is locked, so that nobody cancels it meanwhile; whoever does looks for a hand-over afterwards."""


class PostgresJournal(OrmJournal):
    """One statement for what nearly always happens; what is not plain goes the common way first."""

    def exchange(
        self, finished: Sequence[Settlement], group: Sequence[Turn], *, revision: int
    ) -> Callable[[], None]:
        """See :class:`Journal`."""
        listened_to = signals.message_settled.has_listeners(Message)
        plain = [] if listened_to else [settlement for settlement in finished if self._is_plain(settlement)]
        if len(plain) < len(finished):
            special = [settlement for settlement in finished if settlement not in plain]
            settle_all(special, ownership=self.ownership)
        if not plain and not group:
            return _nothing
        fetch = self._start(plain, group, revision)

        def wait() -> None:
            by_message = {turn.message.pk: turn for turn in group}
            done: dict[int, int] = {}
            for message_id, attempt_id, at in fetch():
                if attempt_id is not None:
                    done[message_id] = attempt_id
                else:
                    by_message[message_id].attempt_id, by_message[message_id].handed_over_at = message_id, at
            late = []
            for settlement in plain:  # the rows come in any order
                attempt_id = done.get(settlement.turn.message.pk)
                if attempt_id is not None:
                    settlement.turn.attempt_id = attempt_id
                    outcomes.log_outcome(settlement, MessageState.SENT, account_id=self.ownership.account_id)
                else:
                    late.append(settlement)
            settle_all(late, ownership=self.ownership)

        return wait

    @staticmethod
    def _is_plain(settlement: Settlement) -> bool:
        return (
            settlement.is_plain
            and settlement.turn.attempt_id is not None
            and not settlement.turn.message.stored_as
        )

    def _start(
        self, plain: Sequence[Settlement], group: Sequence[Turn], revision: int
    ) -> Callable[[], statements.Rows]:
        owner = self.ownership
        params: list[object] = []
        if plain:
            params += [*columns_of([_came(settlement) for settlement in plain]), owner.token]
        if group:
            turns = [(turn.message.pk, turn.accepted() or turn.slots, turn.started_at) for turn in group]
            params += columns_of(turns)
            params += [owner.lane_id, owner.token, revision, owner.token, owner.worker]
        sql = _statement(min(len(plain), 2), min(len(group), 2), erase=erases(MessageState.SENT))
        return statements.start(sql, params)


@cache
def _statement(plain: int, group: int, *, erase: bool) -> str:
    """For so many rows of each, where two stand for any number above one."""
    parts: list[str] = []
    answers: list[str] = []
    if plain:
        came = rows_sql(_CAME, plain)
        parts.append(_DONE.format(came=came, erased=_ERASED if erase else ""))
        answers.append("SELECT message_id, id, NULL::timestamptz FROM noted")
    if group:
        parts.append(_JOURNAL.format(turn=rows_sql(_TURN, group)))
        answers.append("SELECT message_id, NULL::bigint, handed_over_at FROM opened")
    return "WITH" + ",".join(parts) + " UNION ALL ".join(answers)


_CAME = ("bigint", "timestamptz", "int", "int", "text", "text")
_TURN = ("bigint", "int", "timestamptz")


def _came(settlement: Settlement) -> tuple[object, ...]:
    reply = settlement.reply or Answer(0)
    return (
        settlement.turn.message.pk,
        settlement.ended_at,
        settlement.handed_over,
        reply.code or None,
        reply.enhanced,
        reply.text,
    )


def open_journal(ownership: Ownership) -> Journal:
    """The journal for the database we run on."""
    return PostgresJournal(ownership) if connection.vendor == "postgresql" else OrmJournal(ownership)


def adopt_lost_commit(ownership: Ownership, group: Sequence[Turn]) -> None:
    """After a commit whose answer was lost: find out which turns the journal took nevertheless."""
    by_message = {turn.message.pk: turn for turn in group}
    mine = HandOver.objects.filter(message_id__in=by_message, lease_token=ownership.token)
    for message_id, at in mine.values_list("message_id", "handed_over_at"):
        by_message[message_id].attempt_id, by_message[message_id].handed_over_at = message_id, at
