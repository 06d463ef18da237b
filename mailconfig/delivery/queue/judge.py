"""Judging a turn: from what came of it at the far side to a settlement."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailconfig.conf import HOLD, Settings
from mailconfig.delivery.queue import retry
from mailconfig.delivery.queue.due import DueMessage, DueRecipient
from mailconfig.delivery.queue.turn import (
    ACCOUNT_REFUSED,
    PROTOCOL_ERROR,
    SERVER_LIMIT,
    SESSION_REFUSED,
    Settlement,
    Turn,
)
from mailconfig.exceptions import TransportError
from mailconfig.models import AttemptOutcome, WaitReason
from mailconfig.transports.contract import Blame, Judgement, Matter, Outcome, Verdict
from mailconfig.values import Answer, Stage

Answered = list[tuple[DueRecipient, Judgement]]
"""Recipients, each with what was made of its answer."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Turns outcomes into settlements, by the deployment's and the account's rules."""

    settings: Settings
    max_retries: int
    redirected: bool = False
    """All recipients go to one address: its answer is everybody's."""

    def settle(self, turn: Turn, outcome: Outcome, *, ended_at: datetime) -> Settlement:
        """Settle a turn that was answered.

        Args:
            turn: what was under way.
            outcome: what came of it; its session did not break over it.
            ended_at: the database's time, at the latest.
        """
        if not outcome.recipients and outcome.whole.verdict is not Verdict.ACCEPTED:
            return self._all_alike(turn, outcome, ended_at)
        settlement = self._by_recipient(turn, outcome, ended_at)
        return self._conclude(settlement, first_at_least=retry.GREYLIST_SECONDS)

    def _by_recipient(self, turn: Turn, outcome: Outcome, ended_at: datetime) -> Settlement:
        settlement = Settlement(
            turn=turn,
            outcome=AttemptOutcome.SENT,
            ended_at=ended_at,
            stage=outcome.stage,
            reply=outcome.whole.answer,
        )
        answered = self._answered(turn, outcome)
        accepted = [recipient for recipient, _ in answered.pop(Verdict.ACCEPTED, [])]
        later = answered.pop(Verdict.NEXT_TRANSACTION, [])
        blamed = answered.pop(Verdict.ACCOUNT_REFUSED, [])
        others = [
            (verdict, answered.pop(verdict, []))
            for verdict in (Verdict.SERVER_LIMIT, Verdict.NEXT_SESSION, Verdict.PROTOCOL)
        ]
        settlement.failed = _answers(answered.pop(Verdict.FAIL, []))
        settlement.deferred = [pair for pairs in answered.values() for pair in _answers(pairs)]
        if accepted:
            # Who takes mail from this account for others means these recipients.
            settlement.failed += _answers(blamed)
            self._judge_whole(settlement, accepted, outcome)
        else:
            settlement.stage = Stage.RECIPIENT
            settlement.deferred += _answers(later)
            settlement.is_unexplained = all(map(_is_unexplained, outcome.recipients))
            self._wait_for_account(settlement, blamed)
        for _, refused in others:
            self._wait_for_account(settlement, refused)
        left_out = len(turn.message.recipients) > len(turn.recipients)
        settlement.keeps_place = (left_out or bool(later and accepted)) and not outcome.cut_off
        if settlement.keeps_place and not settlement.deferred:
            settlement.counts = False  # the others go at once: nobody was put off
        return settlement

    def _answered(self, turn: Turn, outcome: Outcome) -> dict[Verdict, Answered]:
        """The recipients by what was said of each; of whom nothing was said by himself, nothing was refused."""
        everybody = outcome.recipients or (Judgement(Verdict.ACCEPTED, outcome.whole.answer),)
        if self.redirected or not outcome.recipients:
            everybody *= len(turn.recipients)
        answered: dict[Verdict, Answered] = defaultdict(list)
        for recipient, judgement in zip(turn.recipients, everybody, strict=True):
            answered[judgement.verdict].append((recipient, judgement))
        return answered

    def _wait_for_account(self, settlement: Settlement, refused: Answered) -> None:
        """Put off recipients for something that is the account's affair, and no reason to count a retry."""
        if not refused:
            return
        if settlement.verdict not in {Verdict.ACCEPTED, Verdict.RETRY, Verdict.FAIL}:
            settlement.deferred += _answers(refused)  # there is a word about the account already
            return
        judgement = refused[0][1]
        settlement.counts = bool(settlement.deferred) or self._counts(
            judgement.verdict, settlement.turn.message
        )
        settlement.deferred += _answers(refused)
        settlement.judgement = judgement
        if settlement.stage is Stage.RECIPIENT:
            settlement.reply = judgement.answer

    @staticmethod
    def _counts(verdict: Verdict, message: DueMessage) -> bool:
        """Return whether an attempt with this verdict is one of the message's retries."""
        if verdict in _SECOND_CHANCE:  # the second time it may be the message after all
            return message.error_code == _ACCOUNT_CODES[verdict]
        return verdict is Verdict.RETRY

    def _judge_whole(self, settlement: Settlement, accepted: list[DueRecipient], outcome: Outcome) -> None:
        """Judge what was left of the delivery once its recipients had answered."""
        whole = settlement.judgement = outcome.whole
        if outcome.handed_over:
            settlement.handed_over = settlement.turn.slots if self.redirected else len(accepted)
        if whole.verdict is Verdict.ACCEPTED:
            settlement.sent = accepted
        elif whole.verdict is Verdict.FAIL:
            settlement.failed.extend((recipient, whole.answer) for recipient in accepted)
        else:
            settlement.deferred.extend((recipient, whole.answer) for recipient in accepted)
            settlement.counts = self._counts(whole.verdict, settlement.turn.message)

    def _all_alike(self, turn: Turn, outcome: Outcome, ended_at: datetime) -> Settlement:
        whole = outcome.whole
        settlement = Settlement(
            turn=turn,
            outcome=AttemptOutcome.REFUSED,
            ended_at=ended_at,
            stage=outcome.stage,
            reply=whole.answer,
            judgement=whole,
            handed_over=turn.slots if outcome.handed_over else 0,
        )
        is_refused = whole.verdict is Verdict.SENDER_REFUSED and turn.message.home_id is None
        if whole.verdict is Verdict.FAIL or is_refused:
            settlement.failed = [(recipient, whole.answer) for recipient in turn.message.recipients]
        else:
            settlement.deferred = [(recipient, whole.answer) for recipient in turn.recipients]
            settlement.counts = self._counts(whole.verdict, turn.message)
        self._conclude(settlement)
        settlement.error_code = outcome.error_code or settlement.error_code
        return settlement

    def _conclude(
        self, settlement: Settlement, *, first_at_least: float = 0.0, gives_way: bool = False
    ) -> Settlement:
        turn, verdict = settlement.turn, settlement.verdict
        if turn.message.home_id is not None and verdict in _OF_ACCOUNT and not settlement.sent:
            # What another account's mail is refused for is neither its fault nor ours.
            settlement.goes_home, settlement.counts = True, False
        self._give_up_spent(settlement)
        # The second time that only this message meets it, others go first.
        gives_way |= verdict is Verdict.PROTOCOL and turn.message.error_code == PROTOCOL_ERROR
        if settlement.deferred and (settlement.counts or gives_way):
            tries = turn.tries(recipient for recipient, _ in settlement.deferred)
            seconds = retry.retry_seconds(tries + 1, self.settings, first_at_least=first_at_least)
            if verdict is Verdict.RETRY:
                seconds = max(seconds, settlement.judgement.rest_seconds or 0.0)
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

    def lose(
        self,
        turn: Turn,
        outcome: Outcome | None = None,
        *,
        ended_at: datetime,
        blame: Blame = Blame.NOBODY,
    ) -> Settlement:
        """Settle a turn whose session broke: untouched before the point of no return, ambiguous after it.

        Args:
            turn: what was under way.
            outcome: how the session broke; ``None``: the turn was not begun, or we ended it.
            ended_at: the database's time, at the latest.
            blame: whose fault a session was that ended before the point of no return.
        """
        error = outcome.error if outcome else None
        if outcome is not None and error is not None:
            if error.ambiguous and turn.is_journaled:
                return self._doubt(turn, error, ended_at)
            if blame is not Blame.NOBODY or self._is_too_old(turn, ended_at):
                return self._set_back(turn, outcome, error, ended_at, counts=blame is Blame.MESSAGE)
        return Settlement(
            turn=turn,
            outcome=AttemptOutcome.LOST,
            ended_at=ended_at,
            stage=error.stage if error else Stage.DATA,
            reply=error.reply if error else None,
            counts=False,
            keeps_place=True,
        )

    def _set_back(
        self, turn: Turn, outcome: Outcome, error: TransportError, ended_at: datetime, *, counts: bool
    ) -> Settlement:
        """Put off what ended its session, for the words that the server had for it; others go first."""
        if outcome.recipients:
            settlement = self._by_recipient(turn, outcome, ended_at)
        else:
            words = outcome.whole.answer
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
_OF_ACCOUNT = frozenset({Verdict.ACCOUNT_REFUSED, Verdict.SENDER_REFUSED})
_SECOND_CHANCE = frozenset({Verdict.ACCOUNT_REFUSED, Verdict.NEXT_SESSION})
_ERROR_CODES = {Stage.SENDER: "sender_refused", Stage.RECIPIENT: "recipient_refused"}


def _answers(answered: Answered) -> list[tuple[DueRecipient, Answer]]:
    return [(recipient, judgement.answer) for recipient, judgement in answered]


def _is_unexplained(judgement: Judgement) -> bool:
    """Return whether an answer says nothing of its recipient, and that for good."""
    return not judgement.temporary and judgement.matter is not Matter.RECIPIENT
