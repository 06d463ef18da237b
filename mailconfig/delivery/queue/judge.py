"""Judging a turn: from replies, or a session that ended, to a settlement."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailconfig.conf import HOLD, Settings
from mailconfig.delivery.queue import retry
from mailconfig.delivery.queue.due import DueMessage, DueRecipient
from mailconfig.delivery.queue.turn import (
    ACCOUNT_REFUSED,
    PROTOCOL_ERROR,
    SERVER_LIMIT,
    SESSION_REFUSED,
    Blame,
    Settlement,
    Turn,
)
from mailconfig.exceptions import SessionLost, TransportError
from mailconfig.models import AttemptOutcome, WaitReason
from mailconfig.transports.contract import Verdict
from mailconfig.transports.smtp import verdicts
from mailconfig.values import EnvelopeOutcome, Reply, Stage

TRANSACTION = frozenset({Stage.SENDER, Stage.RECIPIENT, Stage.DATA, Stage.BODY, Stage.DOT})
"""Where a session that breaks may be a message's fault."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Turns replies into settlements, by the deployment's and the account's rules."""

    settings: Settings
    max_retries: int
    redirected: bool = False
    """All recipients go to one address: its reply is everybody's."""

    def settle(self, turn: Turn, *, reply: Reply | None, ended_at: datetime) -> Settlement:
        """Settle a turn whose session lived.

        Args:
            turn: with the outcome of its envelope.
            reply: the reply to the dot; ``None`` if there was no dot.
            ended_at: the database's time, at the latest.
        """
        envelope = turn.outcome
        if envelope is None:
            msg = "a turn is settled after its envelope was answered"
            raise ValueError(msg)
        sender = verdicts.judge_sender(envelope.sender)
        if sender is not Verdict.ACCEPTED:
            return self._all_alike(turn, sender, envelope.sender, Stage.SENDER, ended_at)
        settlement = self._by_recipient(turn, envelope, reply, ended_at)
        return self._conclude(settlement, first_at_least=retry.GREYLIST_SECONDS)

    def _by_recipient(
        self, turn: Turn, envelope: EnvelopeOutcome, reply: Reply | None, ended_at: datetime
    ) -> Settlement:
        lost = reply is None and envelope.farewell is not None
        final = reply or envelope.farewell or envelope.data
        stage = Stage.DOT if reply is not None else Stage.DATA
        settlement = Settlement(
            turn=turn, outcome=AttemptOutcome.SENT, ended_at=ended_at, stage=stage, reply=final
        )
        answers = envelope.recipients * len(turn.recipients) if self.redirected else envelope.recipients
        answered: dict[Verdict, list[tuple[DueRecipient, Reply]]] = defaultdict(list)
        for recipient, answer in zip(turn.recipients, answers, strict=True):
            verdict = verdicts.judge_recipient(answer) if answer.code else Verdict.RETRY
            answered[verdict].append((recipient, answer))
        accepted = [recipient for recipient, _ in answered.pop(Verdict.ACCEPTED, [])]
        later = answered.pop(Verdict.NEXT_TRANSACTION, [])
        blamed = answered.pop(Verdict.ACCOUNT_REFUSED, [])
        others = [
            (verdict, answered.pop(verdict, []))
            for verdict in (Verdict.SERVER_LIMIT, Verdict.NEXT_SESSION, Verdict.PROTOCOL)
        ]
        settlement.failed = answered.pop(Verdict.FAIL, [])
        settlement.deferred = [pair for pairs in answered.values() for pair in pairs]
        if accepted and final is not None:
            # Who takes mail from this account for others means these recipients.
            settlement.failed += blamed
            self._judge_final(settlement, accepted, final, handed_over=reply is not None, lost=lost)
        elif not accepted:
            settlement.stage = Stage.RECIPIENT
            settlement.reply = envelope.recipients[-1]
            settlement.deferred += later
            self._wait_for_account(settlement, Verdict.ACCOUNT_REFUSED, blamed)
        for verdict, refused in others:
            self._wait_for_account(settlement, verdict, refused)
        left_out = len(turn.message.recipients) > len(turn.recipients)
        settlement.keeps_place = (left_out or bool(later and accepted)) and not lost
        if settlement.keeps_place and not settlement.deferred:
            settlement.counts = False  # the others go at once: nobody was put off
        return settlement

    def _wait_for_account(
        self, settlement: Settlement, verdict: Verdict, refused: list[tuple[DueRecipient, Reply]]
    ) -> None:
        """Put off recipients for something that is the account's affair, and no reason to count a retry."""
        if not refused:
            return
        if settlement.verdict not in {Verdict.ACCEPTED, Verdict.RETRY, Verdict.FAIL}:
            settlement.deferred += refused  # there is a word about the account already
            return
        settlement.counts = bool(settlement.deferred) or self._counts(verdict, settlement.turn.message)
        settlement.deferred += refused
        settlement.verdict, settlement.account_reply = verdict, refused[0][1]
        if settlement.stage is Stage.RECIPIENT:
            settlement.reply = settlement.account_reply

    @staticmethod
    def _counts(verdict: Verdict, message: DueMessage) -> bool:
        """Return whether an attempt with this verdict is one of the message's retries."""
        if verdict in _SECOND_CHANCE:  # the second time it may be the message after all
            return message.error_code == _ACCOUNT_CODES[verdict]
        return verdict is Verdict.RETRY

    def _judge_final(
        self,
        settlement: Settlement,
        accepted: list[DueRecipient],
        reply: Reply,
        *,
        handed_over: bool,
        lost: bool,
    ) -> None:
        settlement.verdict = (verdicts.judge_message if handed_over else verdicts.judge_data)(reply)
        if lost and settlement.verdict in {Verdict.FAIL, Verdict.PROTOCOL}:
            settlement.verdict = Verdict.RETRY  # a broken connection counts as 451 (RFC 5321 §3.8)
        if handed_over:
            settlement.handed_over = settlement.turn.slots if self.redirected else len(accepted)
        if settlement.verdict is Verdict.ACCEPTED:
            settlement.sent = accepted
        elif settlement.verdict is Verdict.FAIL:
            settlement.failed.extend((recipient, reply) for recipient in accepted)
        else:
            settlement.deferred.extend((recipient, reply) for recipient in accepted)
            settlement.counts = self._counts(settlement.verdict, settlement.turn.message)

    def _all_alike(
        self, turn: Turn, verdict: Verdict, reply: Reply, stage: Stage, ended_at: datetime
    ) -> Settlement:
        settlement = Settlement(
            turn=turn,
            outcome=AttemptOutcome.REFUSED,
            ended_at=ended_at,
            stage=stage,
            reply=reply,
            verdict=verdict,
        )
        rows = [(recipient, reply) for recipient in turn.recipients]
        if verdict in {Verdict.FAIL, Verdict.SENDER_REFUSED}:
            settlement.failed = [(recipient, reply) for recipient in turn.message.recipients]
        else:
            settlement.deferred = rows
            settlement.counts = self._counts(verdict, turn.message)
        return self._conclude(settlement)

    def _conclude(
        self, settlement: Settlement, *, first_at_least: float = 0.0, gives_way: bool = False
    ) -> Settlement:
        turn, verdict = settlement.turn, settlement.verdict
        self._give_up_spent(settlement)
        # The second time that only this message meets it, others go first.
        gives_way |= verdict is Verdict.PROTOCOL and turn.message.error_code == PROTOCOL_ERROR
        if settlement.deferred and (settlement.counts or gives_way):
            tries = turn.tries(recipient for recipient, _ in settlement.deferred)
            seconds = retry.retry_seconds(tries + 1, self.settings, first_at_least=first_at_least)
            settlement.retry_at = settlement.ended_at + timedelta(seconds=seconds)
            settlement.wait_reason = WaitReason.RETRY
        if settlement.sent:
            rest = settlement.failed or settlement.deferred
            settlement.outcome = AttemptOutcome.PARTIAL if rest else AttemptOutcome.SENT
        else:
            settlement.outcome = AttemptOutcome.DEFERRED if settlement.deferred else AttemptOutcome.REFUSED
        if settlement.failed or settlement.deferred:
            stage = Stage.RECIPIENT if settlement.sent else settlement.stage
            by_stage = _ERROR_CODES.get(stage, "message_refused")
            settlement.error_code = _ACCOUNT_CODES.get(verdict, by_stage)
        return settlement

    def _give_up_spent(self, settlement: Settlement) -> None:
        """Let those fail who have had all their retries, and all of a message that is too old."""
        turn, deferred = settlement.turn, settlement.deferred
        settlement.deferred = []
        too_old = self._is_too_old(turn, settlement.ended_at)
        for recipient, reply in deferred:
            tries = turn.tries([recipient]) + int(settlement.counts)
            is_spent = too_old or tries > self.max_retries
            (settlement.failed if is_spent else settlement.deferred).append((recipient, reply))

    def _is_too_old(self, turn: Turn, now: datetime) -> bool:
        return (now - turn.message.created_at).total_seconds() > self.settings.max_age_seconds

    def refuse(
        self, turn: Turn, *, reply: Reply, stage: Stage, error_code: str, ended_at: datetime
    ) -> Settlement:
        """A message that cannot go through this server, as we know before asking."""
        settlement = self._all_alike(turn, Verdict.FAIL, reply, stage, ended_at)
        settlement.error_code = error_code
        return settlement

    def lose(
        self, turn: Turn, *, error: TransportError | None, ended_at: datetime, blame: Blame = Blame.NOBODY
    ) -> Settlement:
        """Settle a turn whose session ended: untouched before the dot, ambiguous after it began.

        Only writing the final dot may make the server accept the message (RFC 5321 §4.1.1.4).

        Args:
            turn: what was under way.
            error: how the session ended; ``None``: the turn was not begun, or we ended it.
            ended_at: the database's time, at the latest.
            blame: whose fault a session was that ended before the dot.
        """
        if error is not None and error.ambiguous and turn.attempt_id is not None:
            return self._doubt(turn, error, ended_at)
        if error is not None and (blame is not Blame.NOBODY or self._is_too_old(turn, ended_at)):
            return self._set_back(turn, error, ended_at, counts=blame is Blame.MESSAGE)
        return Settlement(
            turn=turn,
            outcome=AttemptOutcome.LOST,
            ended_at=ended_at,
            stage=error.stage if error else Stage.DATA,
            reply=error.reply if error else None,
            counts=False,
            keeps_place=True,
        )

    def _set_back(self, turn: Turn, error: TransportError, ended_at: datetime, *, counts: bool) -> Settlement:
        """Put off what ended its session, for the words that the server had for it; others go first."""
        words = error.reply or Reply(0, str(error))
        if turn.outcome is not None and turn.outcome.is_open:
            settlement = self._by_recipient(turn, replace(turn.outcome, farewell=words), None, ended_at)
        else:
            settlement = Settlement(
                turn=turn, outcome=AttemptOutcome.LOST, ended_at=ended_at, stage=error.stage, reply=words
            )
            settlement.deferred = [(recipient, words) for recipient in turn.recipients]
        settlement.stage, settlement.counts = error.stage, counts
        self._conclude(settlement, gives_way=True)
        if error.reply is None:
            settlement.error_code = str(error.code)
        return settlement

    def _doubt(self, turn: Turn, error: TransportError, ended_at: datetime) -> Settlement:
        settlement = Settlement(
            turn=turn,
            outcome=AttemptOutcome.UNKNOWN,
            ended_at=ended_at,
            stage=error.stage,
            reply=error.reply,
            handed_over=max(turn.accepted(), 1),
            wait_reason=WaitReason.UNKNOWN_OUTCOME,
            error_code=str(error.code),
        )
        is_spent = turn.message.attempts + 1 > self.max_retries or self._is_too_old(turn, ended_at)
        settlement.holds = self.settings.ambiguity == HOLD or is_spent
        if settlement.holds:
            settlement.wait_reason = WaitReason.MAYBE_SENT
        since = turn.handed_over_at or ended_at
        certain_at = since + timedelta(seconds=self.settings.ambiguous_after_seconds)
        settlement.retry_at = max(certain_at, ended_at)
        return settlement


_ACCOUNT_CODES = {
    Verdict.ACCOUNT_REFUSED: ACCOUNT_REFUSED,
    Verdict.SERVER_LIMIT: SERVER_LIMIT,
    Verdict.PROTOCOL: PROTOCOL_ERROR,
    Verdict.NEXT_SESSION: SESSION_REFUSED,
}
_SECOND_CHANCE = frozenset({Verdict.ACCOUNT_REFUSED, Verdict.NEXT_SESSION})
_ERROR_CODES = {Stage.SENDER: "sender_refused", Stage.RECIPIENT: "recipient_refused"}


def blame_for(error: TransportError, *, progressed: bool, mails: int) -> Blame:
    """Tell whose fault it is that a session ended within a transaction.

    Servers end sessions as they like, the next one shows; but a message must not meet that again and again at the
    head of its line.
    """
    if error.reply is not None and isinstance(error, SessionLost):
        told_between_mails = error.stage is Stage.SENDER and error.reply.code == 421 and mails > 0
        return Blame.NOBODY if told_between_mails else Blame.MESSAGE
    if progressed:
        return Blame.NOBODY
    return Blame.MESSAGE if isinstance(error, SessionLost) else Blame.DOUBTFUL
