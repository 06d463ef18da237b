"""A message's turn at the server, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailconfig.conf import HOLD, Settings
from mailconfig.delivery.queue import retry
from mailconfig.delivery.queue.due import DueMessage, DueRecipient
from mailconfig.delivery.queue.retry import Verdict
from mailconfig.exceptions import TransportError
from mailconfig.models import AttemptOutcome, MessageState, WaitReason
from mailconfig.values import Capabilities, Envelope, EnvelopeOutcome, Reply, Stage

ACCOUNT_REFUSED = "account_refused"
SERVER_LIMIT = "server_limit"
"""Error codes of messages that wait for their account: see the verdicts of these names."""


@dataclass(slots=True)
class Turn:
    """One attempt in the making."""

    message: DueMessage
    recipients: list[DueRecipient]
    """Those proposed this time."""
    envelope: Envelope
    slots: int
    """Slots of the limiter held for it."""
    started_at: datetime
    attempt_id: int | None = None
    """Set once the journal allowed the dot."""
    handed_over_at: datetime | None = None
    proposed: bool = False
    outcome: EnvelopeOutcome | None = None

    def accepted(self) -> int:
        """How many recipients the server accepted before the body."""
        if self.outcome is None or not self.outcome.is_open:
            return 0
        return sum(reply.is_success for reply in self.outcome.recipients)

    def misfit(self, capabilities: Capabilities) -> tuple[Reply, str] | None:
        """Why a server that greeted us like this cannot take it, and our code for that; ``None``: it can."""
        limit, message = capabilities.size_limit, self.message
        if limit and message.size > limit:
            words = f"The message has {message.size} octets, the server takes {limit}."
            return Reply(552, words, "5.3.4"), "too_large"
        if message.eight_bit and not capabilities.eight_bit_mime:
            return Reply(554, "The server does not take 8-bit text (8BITMIME).", "5.6.3"), "eight_bit"
        if not self.recipients:
            return Reply(554, "The message has no recipient left.", "5.1.3"), "no_recipients"
        return None


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What becomes of the message, its recipients and the attempt."""

    turn: Turn
    outcome: AttemptOutcome
    ended_at: datetime
    stage: Stage
    reply: Reply | None = None
    handed_over: int = 0
    """Recipients that count in the windows."""
    counts: bool = True
    """Whether the attempt is one of the retries the message has."""
    sent: list[DueRecipient] = field(default_factory=list)
    failed: list[tuple[DueRecipient, Reply]] = field(default_factory=list)
    deferred: list[tuple[DueRecipient, Reply]] = field(default_factory=list)
    """Tried again from ``retry_at`` on."""
    retry_at: datetime | None = None
    keeps_place: bool = False
    """Some recipients go at once, in the next transaction."""
    holds: bool = False
    wait_reason: WaitReason | str = ""
    error_code: str = ""
    verdict: Verdict = Verdict.ACCEPTED
    """What it means for the account."""
    account_reply: Reply | None = None
    """What the server said of the account, if not by ``reply``."""

    @property
    def stands_aside(self) -> bool:
        """Whether the message keeps its place, and others go first: then it shows whose fault it is."""
        return self.verdict is Verdict.ACCOUNT_REFUSED and bool(self.deferred) and not self.counts

    @property
    def is_plain(self) -> bool:
        """Everybody got it at once: what nearly every settlement is, and what has a fast way."""
        return self.outcome == AttemptOutcome.SENT and not self.turn.message.others and self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether nobody due was left out."""
        return len(self.sent) == len(self.turn.message.recipients)


@dataclass(frozen=True, slots=True)
class Judge:
    """Turns replies into settlements, by the deployment's and the account's rules."""

    settings: Settings
    max_retries: int
    redirected: bool = False
    """All recipients go to one address: its reply is everybody's."""

    def settle(self, turn: Turn, *, reply: Reply | None, ended_at: datetime) -> Settlement:
        """What comes of a turn whose session lived.

        Args:
            turn: with the outcome of its envelope.
            reply: the reply to the dot; ``None`` if there was no dot.
            ended_at: the database's time, at the latest.
        """
        envelope = turn.outcome
        if envelope is None:
            msg = "a turn is settled after its envelope was answered"
            raise ValueError(msg)
        sender = retry.judge_sender(envelope.sender)
        if sender is not Verdict.ACCEPTED:
            return self._all_alike(turn, sender, envelope.sender, Stage.SENDER, ended_at)
        return self._by_recipient(turn, envelope, reply, ended_at)

    def _by_recipient(
        self, turn: Turn, envelope: EnvelopeOutcome, reply: Reply | None, ended_at: datetime
    ) -> Settlement:
        final, stage = (reply, Stage.DOT) if reply is not None else (envelope.data, Stage.DATA)
        settlement = Settlement(
            turn=turn, outcome=AttemptOutcome.SENT, ended_at=ended_at, stage=stage, reply=final
        )
        answers = envelope.recipients * len(turn.recipients) if self.redirected else envelope.recipients
        answered: dict[Verdict, list[tuple[DueRecipient, Reply]]] = defaultdict(list)
        for recipient, answer in zip(turn.recipients, answers, strict=True):
            answered[retry.judge_recipient(answer)].append((recipient, answer))
        accepted = [recipient for recipient, _ in answered.pop(Verdict.ACCEPTED, [])]
        later = answered.pop(Verdict.NEXT_TRANSACTION, [])
        blamed = answered.pop(Verdict.ACCOUNT_REFUSED, [])
        limited = answered.pop(Verdict.SERVER_LIMIT, [])
        settlement.failed = answered.pop(Verdict.FAIL, [])
        settlement.deferred = [pair for pairs in answered.values() for pair in pairs]
        if accepted and final is not None:
            # Who takes mail from this account for others means these recipients.
            settlement.failed += blamed
            self._judge_final(settlement, accepted, final, handed_over=reply is not None)
        elif not accepted:
            settlement.stage = Stage.RECIPIENT
            settlement.reply = envelope.recipients[-1]
            settlement.deferred += later
            self._wait_for_account(settlement, Verdict.ACCOUNT_REFUSED, blamed)
        self._wait_for_account(settlement, Verdict.SERVER_LIMIT, limited)
        left_out = len(turn.message.recipients) > len(turn.recipients)
        settlement.keeps_place = left_out or bool(later and accepted)
        return self._conclude(settlement, first_at_least=retry.GREYLIST_SECONDS)

    def _wait_for_account(
        self, settlement: Settlement, verdict: Verdict, refused: list[tuple[DueRecipient, Reply]]
    ) -> None:
        """Put off recipients for something that is the account's affair, and no reason to count a retry."""
        if not refused:
            return
        settlement.counts = bool(settlement.deferred) or self._counts(verdict, settlement.turn.message)
        settlement.deferred += refused
        settlement.verdict, settlement.account_reply = verdict, refused[0][1]
        if settlement.stage is Stage.RECIPIENT:
            settlement.reply = settlement.account_reply

    @staticmethod
    def _counts(verdict: Verdict, message: DueMessage) -> bool:
        """Whether an attempt with this verdict is one of the message's retries."""
        if verdict is Verdict.ACCOUNT_REFUSED:  # the second time it may be the message after all
            return message.error_code == ACCOUNT_REFUSED
        return verdict is Verdict.RETRY

    def _judge_final(
        self, settlement: Settlement, accepted: list[DueRecipient], reply: Reply, *, handed_over: bool
    ) -> None:
        settlement.verdict = (retry.judge_message if handed_over else retry.judge_data)(reply)
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

    def _conclude(self, settlement: Settlement, *, first_at_least: float = 0.0) -> Settlement:
        message = settlement.turn.message
        if settlement.deferred and self._is_spent(settlement):
            settlement.failed.extend(settlement.deferred)
            settlement.deferred = []
        if settlement.deferred and settlement.counts:
            seconds = retry.retry_seconds(message.attempts + 1, self.settings, first_at_least=first_at_least)
            settlement.retry_at = settlement.ended_at + timedelta(seconds=seconds)
            settlement.wait_reason = WaitReason.RETRY
        if settlement.sent:
            rest = settlement.failed or settlement.deferred
            settlement.outcome = AttemptOutcome.PARTIAL if rest else AttemptOutcome.SENT
        else:
            settlement.outcome = AttemptOutcome.DEFERRED if settlement.deferred else AttemptOutcome.REFUSED
        if settlement.failed or settlement.deferred:
            by_stage = _ERROR_CODES.get(settlement.stage, "message_refused")
            settlement.error_code = _ACCOUNT_CODES.get(settlement.verdict, by_stage)
        return settlement

    def _is_spent(self, settlement: Settlement) -> bool:
        message = settlement.turn.message
        age = (settlement.ended_at - message.created_at).total_seconds()
        retries = message.attempts + int(settlement.counts)
        return retries > self.max_retries or age > self.settings.max_age_seconds

    def refuse(
        self, turn: Turn, *, reply: Reply, stage: Stage, error_code: str, ended_at: datetime
    ) -> Settlement:
        """A message that cannot go through this server, as we know before asking."""
        settlement = self._all_alike(turn, Verdict.FAIL, reply, stage, ended_at)
        settlement.error_code = error_code
        return settlement

    def lose(self, turn: Turn, *, error: TransportError | None, ended_at: datetime) -> Settlement:
        """What comes of a turn whose session ended: untouched before the dot, ambiguous after it began.

        Only writing the final dot may make the server accept the message (RFC 5321 §4.1.1.4).
        """
        ambiguous = error is not None and error.ambiguous and turn.attempt_id is not None
        settlement = Settlement(
            turn=turn,
            outcome=AttemptOutcome.UNKNOWN if ambiguous else AttemptOutcome.LOST,
            ended_at=ended_at,
            stage=error.stage if error else Stage.DATA,
            reply=error.reply if error else None,
            counts=ambiguous,
        )
        if not ambiguous:
            settlement.keeps_place = True
            return settlement
        settlement.handed_over = max(turn.accepted(), 1)
        settlement.wait_reason = WaitReason.UNKNOWN_OUTCOME
        settlement.error_code = str(error.code) if error else ""
        settlement.holds = self.settings.ambiguity == HOLD or self._is_spent(settlement)
        if settlement.holds:
            settlement.wait_reason = WaitReason.MAYBE_SENT
        since = turn.handed_over_at or ended_at
        certain_at = since + timedelta(seconds=self.settings.ambiguous_after_seconds)
        settlement.retry_at = max(certain_at, ended_at)
        return settlement


_ACCOUNT_CODES = {Verdict.ACCOUNT_REFUSED: ACCOUNT_REFUSED, Verdict.SERVER_LIMIT: SERVER_LIMIT}
_ERROR_CODES = {Stage.SENDER: "sender_refused", Stage.RECIPIENT: "recipient_refused"}


def state_after(*, waiting: bool, any_sent: bool, any_failed: bool) -> MessageState:
    """The message's state by aggregation over its recipients."""
    if waiting:
        return MessageState.QUEUED
    if any_failed:
        return MessageState.PARTIAL if any_sent else MessageState.FAILED
    return MessageState.SENT
