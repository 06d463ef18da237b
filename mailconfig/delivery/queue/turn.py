"""A message's turn at the server, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from mailconfig.delivery.queue.due import DueMessage, DueRecipient
from mailconfig.models import AttemptOutcome, MessageState, WaitReason
from mailconfig.transports.contract import Judgement, Verdict
from mailconfig.values import Answer, Envelope, Stage

ACCOUNT_REFUSED = "account_refused"
SERVER_LIMIT = "server_limit"
PROTOCOL_ERROR = "protocol_error"
SESSION_REFUSED = "session_refused"
"""Error codes of messages that wait for their account: see the verdicts of these names."""


NOTHING_SAID = Judgement(Verdict.ACCEPTED, Answer(0))


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
    handed_over_at: datetime | None = None
    """When the journal allowed the dot."""
    attempt_id: int | None = None
    """The attempt that was written with its outcome."""
    ready_for: int = 0
    """Recipients whom the far side is ready to take it for; 0: it was not asked yet."""

    @property
    def is_journaled(self) -> bool:
        """Return whether the journal allowed the dot."""
        return self.handed_over_at is not None

    def accepted(self) -> int:
        """Number of recipients that the server accepted before the body."""
        return self.ready_for

    def chunks(self) -> Iterator[bytes]:
        """The RFC 5322 bytes, in pieces; see :meth:`DueMessage.chunks`."""
        return self.message.chunks()

    @property
    def is_part(self) -> bool:
        """Return whether it is about some of the message's recipients only."""
        return self.message.others or len(self.recipients) < len(self.message.recipients)

    def tries(self, recipients: Iterable[DueRecipient]) -> int:
        """The retries these recipients have used up: of a message that went out in parts, each its own."""
        if self.is_part:
            return max((recipient.attempts for recipient in recipients), default=0)
        return self.message.attempts


@dataclass(slots=True, kw_only=True)
class Settlement:
    """Changes to the message, its recipients and the attempt."""

    turn: Turn
    outcome: AttemptOutcome
    ended_at: datetime
    stage: Stage
    reply: Answer | None = None
    handed_over: int = 0
    """Recipients that count in the windows."""
    counts: bool = True
    """Whether the attempt is one of the retries that the message, or those of its recipients, have."""
    sent: list[DueRecipient] = field(default_factory=list)
    failed: list[tuple[DueRecipient, Answer]] = field(default_factory=list)
    deferred: list[tuple[DueRecipient, Answer]] = field(default_factory=list)
    """Tried again from ``retry_at`` on."""
    retry_at: datetime | None = None
    keeps_place: bool = False
    """Some recipients go at once, in the next transaction."""
    holds: bool = False
    goes_home: bool = False
    """The server does not let us send what was queued for another account: it goes back there."""
    wait_reason: WaitReason | str = ""
    error_code: str = ""
    judgement: Judgement = NOTHING_SAID
    """What it means for the account."""
    is_unexplained: bool = False
    """Whether no answer to the recipients, for good as they are, says that it is about one of them."""

    @property
    def verdict(self) -> Verdict:
        """Return what it means for the account, in a word."""
        return self.judgement.verdict

    @property
    def stands_aside(self) -> bool:
        """Return whether the message keeps its place, and others go first: then it shows whose fault it is."""
        return self.verdict is Verdict.ACCOUNT_REFUSED and bool(self.deferred) and not self.counts

    @property
    def counts_for_message(self) -> bool:
        """Return whether it is one more attempt of the message: one round of deferred parts is one attempt."""
        if not self.deferred:
            return self.counts
        deferred = [recipient for recipient, _ in self.deferred]
        return self.counts and self.turn.tries(deferred) + 1 > self.turn.message.attempts

    @property
    def error_reply(self) -> Answer | None:
        """The reply that says why not everybody has it."""
        if self.sent:
            return next((reply for _, reply in (*self.failed, *self.deferred)), None)
        return self.reply

    @property
    def is_plain(self) -> bool:
        """Everybody got it at once: what nearly every settlement is, and what has a fast way."""
        return self.outcome == AttemptOutcome.SENT and not self.turn.message.others and self.is_whole

    @property
    def is_whole(self) -> bool:
        """Return whether nobody due was left out."""
        return len(self.sent) == len(self.turn.message.recipients)


def state_after(*, waiting: bool, any_sent: bool, any_failed: bool) -> MessageState:
    """The message's state by aggregation over its recipients."""
    if waiting:
        return MessageState.QUEUED
    if any_failed:
        return MessageState.PARTIAL if any_sent else MessageState.FAILED
    return MessageState.SENT
