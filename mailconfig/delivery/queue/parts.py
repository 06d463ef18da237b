"""Parts of a commit: outcomes and journals of one lane or of many, as one data-modifying statement of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.statements import columns_of, rows_sql
from mailconfig.delivery.queue.ends import erases
from mailconfig.delivery.queue.listed import listed_sql
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.models import MessageState
from mailconfig.values import Answer


@dataclass(slots=True)
class Part:
    """Plain outcomes that one session of a lane wants committed, and the journal of its next turns.

    It is fenced by itself: by the token of its lane, which nobody paused, and the account's revision.
    """

    ownership: Ownership
    finished: Sequence[Settlement]
    group: Sequence[Turn]
    revision: int
    done: dict[int, int] = field(default_factory=dict)
    """Once it is committed: the attempts that were written, by message."""
    opened: dict[int, datetime] = field(default_factory=dict)
    """Once it is committed: when the journal allowed the dot, by message."""

    def message_ids(self) -> set[int]:
        """Return the messages it is about."""
        return {settlement.turn.message.pk for settlement in self.finished} | {
            turn.message.pk for turn in self.group
        }


PATIENCE_MS = 200
"""How long a statement that must not wait is kept by rows that somebody else has locked; then it fails as a whole."""
_PATIENCE = f"patience AS MATERIALIZED (SELECT set_config('lock_timeout', '{PATIENCE_MS}ms', true) AS set)"
"""In the statement itself, whose transaction ends with it: there is no session behind a pooler. Rows are joined with it,
so it is set before the first one is locked, and once."""

_DONE = """
done AS (
    DELETE FROM mailconfig_handover AS entry
     USING {came} AS came (message_id, token, ended_at, handed_over, code, enhanced, reply){patience}
     WHERE entry.message_id = came.message_id AND entry.lease_token = came.token
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
    SELECT message.id, message.account_id, turn.token, turn.worker, turn.slots, turn.started_at
      FROM {turn} AS turn (message_id, lane_id, token, revision, worker, slots, started_at, first, last)
      JOIN mailconfig_message AS message ON message.id = turn.message_id{patience}
     WHERE message.state || '' = 'queued'
       AND EXISTS (SELECT 1 FROM mailconfig_lane AS lane
                    WHERE lane.id = turn.lane_id AND lane.account_id = message.account_id
                      AND lane.lease_token = turn.token AND lane.lease_until > clock_timestamp()
                      AND lane.paused_at IS NULL)
       AND EXISTS (SELECT 1 FROM mailconfig_account AS account
                    WHERE account.id = message.account_id AND account.revision = turn.revision
                      AND account.is_enabled AND account.deleted_at IS NULL)
       AND (message.kind = 0 OR NOT EXISTS (SELECT 1 FROM mailconfig_recipient AS recipient, LATERAL ({listed}) AS found
                                             WHERE recipient.message_id = message.id AND recipient.state = ''
                                               AND recipient.id BETWEEN turn.first AND turn.last))
       FOR NO KEY UPDATE OF message {locked}
), opened AS (
    INSERT INTO mailconfig_handover (message_id, account_id, lease_token, worker, recipients, started_at, handed_over_at)
    SELECT id, account_id, token, worker, slots, started_at, clock_timestamp() FROM journal
        ON CONFLICT (message_id) DO NOTHING
 RETURNING message_id, handed_over_at
)
"""
"""The message is locked, so that nobody cancels it meanwhile; whoever does looks for a hand-over afterwards."""

_CAME = ("bigint", "uuid", "timestamptz", "int", "int", "text", "text")
_TURN = ("bigint", "bigint", "uuid", "bigint", "text", "int", "timestamptz", "bigint", "bigint")
_LISTED = listed_sql("message", "recipient.address")


def start(parts: Sequence[Part], *, waits_for_locks: bool = True) -> Callable[[], None]:
    """Begin to commit the parts together.

    Args:
        parts: about different messages.
        waits_for_locks: whether to wait for what somebody else has locked. Otherwise a message that is locked is not
            journaled, and an outcome of one has all of it fail after a moment, by PostgreSQL's ``lock_not_available``.

    Returns:
        What waits for the commit; then each part knows what became of it.
    """
    came = [_came(settlement, part) for part in parts for settlement in part.finished]
    turns = [_turn(turn, part) for part in parts for turn in part.group]
    params = [*(columns_of(_CAME, came) if came else ()), *(columns_of(_TURN, turns) if turns else ())]
    sql = _statement(
        min(len(came), 2), min(len(turns), 2), erase=erases(MessageState.SENT), waits=waits_for_locks
    )
    fetch = statements.start(sql, params)

    def wait() -> None:
        by_message = {turn.message.pk: part for part in parts for turn in part.group}
        finished = {settlement.turn.message.pk: part for part in parts for settlement in part.finished}
        for message_id, attempt_id, at in fetch():
            if attempt_id is not None:
                finished[message_id].done[message_id] = attempt_id
            else:
                by_message[message_id].opened[message_id] = at

    return wait


@cache
def _statement(plain: int, group: int, *, erase: bool, waits: bool) -> str:
    """For so many rows of each, where two stand for any number above one."""
    patience = "" if waits else " CROSS JOIN patience"
    pieces = [] if waits else [_PATIENCE]
    answers: list[str] = []
    if plain:
        came = rows_sql(_CAME, plain)
        pieces.append(_DONE.format(came=came, patience=patience, erased=_ERASED if erase else ""))
        answers.append("SELECT message_id, id, NULL::timestamptz FROM noted")
    if group:
        turn, locked = rows_sql(_TURN, group), "" if waits else "SKIP LOCKED"
        pieces.append(_JOURNAL.format(turn=turn, patience=patience, locked=locked, listed=_LISTED))
        answers.append("SELECT message_id, NULL::bigint, handed_over_at FROM opened")
    return "WITH " + ",".join(pieces) + " UNION ALL ".join(answers)


def _came(settlement: Settlement, part: Part) -> tuple[object, ...]:
    reply = settlement.reply or Answer(0)
    return (
        settlement.turn.message.pk,
        part.ownership.token,
        settlement.ended_at,
        settlement.handed_over,
        reply.code or None,
        reply.enhanced,
        reply.text,
    )


def _turn(turn: Turn, part: Part) -> tuple[object, ...]:
    owner = part.ownership
    slots = turn.accepted() or turn.slots
    keys = [recipient.pk for recipient in turn.recipients]
    fence = owner.lane_id, owner.token, part.revision, owner.worker
    return turn.message.pk, *fence, slots, turn.started_at, min(keys, default=0), max(keys, default=0)
