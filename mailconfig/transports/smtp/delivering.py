"""Delivering over SMTP: transaction after transaction, the next one begun behind the dot where the server allows it."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic

from mailconfig.exceptions import TransportError
from mailconfig.transports.contract import (
    Deliveries,
    Delivery,
    Journal,
    Judgement,
    OnStage,
    Outcome,
    SessionEnd,
)
from mailconfig.values import Envelope, Stage

from . import outcomes, verdicts
from .envelopes import EnvelopeOutcome
from .replies import Reply
from .session import SMTPSession


class DeliveringSession:
    """Session of :mod:`mailconfig.transports.contract` over the verbs of an :class:`SMTPSession`.

    The point of no return is the final dot: only writing it may make the server accept a message (RFC 5321 §4.1.1.4).
    """

    def __init__(self, smtp: SMTPSession, *, on_stage: OnStage | None = None) -> None:
        self.opened_at = smtp.opened_at
        self.end: SessionEnd | None = None
        self._smtp = smtp
        self._on_stage = on_stage
        self._stage_since = smtp.opened_at
        self._owes_reset = False

    @property
    def handed_over(self) -> int:
        """Return how many messages' dots were written."""
        return self._smtp.handed_over

    @property
    def closed(self) -> bool:
        """Return whether the connection is closed."""
        return self._smtp.closed

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Take deliveries and yield an outcome for each; see :class:`contract.Session`."""
        try:
            while self._goes_on() and (delivery := deliveries.next()) is not None:
                outcome = self._deliver(delivery, deliveries, journal)
                if outcome is not None:
                    yield outcome
        finally:
            if self._smtp.is_busy:  # with what was proposed behind the last dot, say
                self._smtp.close()

    def _goes_on(self) -> bool:
        """Return whether another message may be proposed, making the session good for it."""
        if self._owes_reset and not self.closed:
            self._owes_reset = False
            try:
                self._smtp.reset()
            except TransportError:
                self._smtp.close()
        return self.end is None and not self.closed

    def _deliver(self, delivery: Delivery, deliveries: Deliveries, journal: Journal) -> Outcome | None:
        """Return what came of a delivery; ``None``: nothing, and it was put back."""
        replies: EnvelopeOutcome | None = None
        mails, behind = self.handed_over, self._smtp.proposed
        try:
            if not behind:
                refused = outcomes.misfit(delivery.envelope, self._smtp.capabilities)
                if refused is not None:
                    return refused
                self._smtp.propose(delivery.envelope)
            replies = self._smtp.envelope_outcome()
            self._note_envelope(replies)
            if not replies.is_open:
                return self._refused(replies, deliveries, behind=behind)
            reply = self._hand_over(delivery, replies, deliveries, journal)
        except TransportError as error:
            self.end = outcomes.end_by(error, mails=mails)
            return outcomes.of_loss(error, replies)
        if reply is None:
            return None
        if reply.is_success:
            mails += 1
            self._note(Stage.DOT, reply)
        outcome = outcomes.of_transaction(replies, reply)
        self.end = outcomes.end_of(outcome, replies, mails=mails, closed=self.closed)
        return outcome

    def _hand_over(
        self, delivery: Delivery, replies: EnvelopeOutcome, deliveries: Deliveries, journal: Journal
    ) -> Reply | None:
        """Return the reply to the dot; ``None``: the journal did not allow it."""
        journal.start(accepted=sum(reply.is_success for reply in replies.recipients))
        following = self._following(deliveries)  # while the journal is committed
        chunks = delivery.chunks()
        if not journal.allows():
            self._smtp.close()  # after a 354 there is no other way back
            deliveries.put_back()
            return None
        self._smtp.hand_over(chunks, following=following)
        journal.passed()
        return self._smtp.outcome()

    def _following(self, deliveries: Deliveries) -> Envelope | None:
        """Return the envelope that is proposed behind the dot (RFC 2920)."""
        if not self._smtp.capabilities.pipelining:
            return None
        delivery = deliveries.peek()
        if delivery is None or outcomes.misfit(delivery.envelope, self._smtp.capabilities):
            return None
        return delivery.envelope

    def _refused(self, replies: EnvelopeOutcome, deliveries: Deliveries, *, behind: bool) -> Outcome | None:
        """Return the outcome of a proposal that was refused; ``None``: for where it came, or for the session's sake."""
        if behind and verdicts.refuses_proposal(replies):
            deliveries.put_back(refused_behind=True)
            self._owes_reset = True
            return None
        mails = self.handed_over
        if mails and verdicts.ends_session_at_mail(replies):
            goes_down = verdicts.goes_down(replies.sender)
            self.end = SessionEnd(mails=mails, answer=replies.sender, goes_down=goes_down)
            deliveries.put_back()
            return None
        outcome = outcomes.of_transaction(replies, None)
        self.end = outcomes.end_of(outcome, replies, mails=mails, closed=self.closed)
        self._owes_reset = True
        return outcome

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Ask by MAIL and RCPT; many servers say what they think of a sender only when they are told a recipient."""
        mail, rcpt = self._smtp.verify_sender(sender, recipient)
        of_sender = verdicts.judgement(verdicts.judge_sender(mail), mail)
        if rcpt is None:
            return (of_sender,)
        return of_sender, verdicts.judgement(verdicts.judge_recipient(rcpt), rcpt)

    def _note_envelope(self, replies: EnvelopeOutcome) -> None:
        if self._on_stage is None or not replies.sender.is_success:
            return
        self._note(Stage.SENDER, replies.sender)
        accepted = next((reply for reply in replies.recipients if reply.is_success), None)
        if accepted is not None:
            self._note(Stage.RECIPIENT, accepted)

    def _note(self, stage: Stage, reply: Reply) -> None:
        if self._on_stage is not None:
            since, self._stage_since = self._stage_since, monotonic()
            self._on_stage(stage, self._stage_since - since, reply.words)

    def noop(self) -> None:
        """NOOP."""
        self._smtp.noop()

    def quit(self) -> None:
        """QUIT where the protocol allows it now, and close."""
        self._smtp.quit()

    def close(self) -> None:
        """Drop the connection."""
        self._smtp.close()
