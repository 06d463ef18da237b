"""Sending by Gmail: one upload for each mail, whose first byte is the point of no return."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic

from mailconfig.exceptions import LoginRefused, ProtocolError, SessionLost, TransportError
from mailconfig.transports.breaks import broken
from mailconfig.transports.contract import (
    Blame,
    Deliveries,
    Delivery,
    Journal,
    Judgement,
    Matter,
    Outcome,
    SessionEnd,
    Verdict,
)
from mailconfig.transports.recipients import besides
from mailconfig.values import Answer, Envelope, ErrorCode, Stage

from . import hints
from .answers import Reply, is_in_doubt, judgement_of
from .service import Service

MOST_OCTETS = 35 * 1024 * 1024
"""The longest mail that an upload may hold, by Google's documents."""


class NotAllowed(Exception):
    """The journal did not take it: nothing was sent."""


class GmailSession:
    """See :class:`mailconfig.transports.contract.Session`."""

    def __init__(self, service: Service) -> None:
        self.opened_at = monotonic()
        self.handed_over = 0
        self.end: SessionEnd | None = None
        self._service = service

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        return self._service.closed

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Send one mail after the other."""
        while not self.closed and (delivery := deliveries.next()) is not None:
            data = _written(delivery)
            if isinstance(data, Outcome):
                yield data
                continue
            try:
                outcome = self._hand_over(delivery, data, journal)
            except NotAllowed:
                deliveries.put_back()
                return
            except BaseException:
                self.close()
                raise
            yield outcome

    def _hand_over(self, delivery: Delivery, data: bytes, journal: Journal) -> Outcome:
        mails, envelope = self.handed_over, delivery.envelope
        timeouts = self._service.surroundings.timeouts
        journal.start(accepted=len(envelope.recipients))

        def ask() -> None:
            if not journal.allows():
                raise NotAllowed
            self.handed_over += 1
            journal.passed()

        self._service.scrubber.mask(envelope.masks)
        seconds = timeouts.dot + len(data) / timeouts.bytes_per_second
        try:
            reply = self._service.upload(data, seconds=seconds, before_sending=ask)
        except LoginRefused as error:
            # It was good when the session began, and nothing was done: the next session gets another token, if it can.
            self.handed_over = mails
            self.end = SessionEnd(mails=mails, answer=error.reply)
            words = error.reply or Answer(401, str(error))
            refusal = Judgement(Verdict.ACCOUNT_REFUSED, words, matter=Matter.LOGIN)
            return Outcome(stage=Stage.LOGIN, whole=refusal)
        except TransportError as error:
            return self._lost(error, mails)
        return self._answered(reply, mails)

    def _answered(self, reply: Reply, mails: int) -> Outcome:
        if is_in_doubt(reply):
            self.close()
            return self._lost(
                _timed_out(reply)
                if reply.status == 504
                else broken(
                    hints.GAVE_UP if reply.status >= 500 else hints.NO_GMAIL,
                    Stage.DOT,
                    reply=reply.answer,
                    ambiguous=True,
                ),
                mails,
            )
        judged = judgement_of(reply)
        if not reply.is_success:
            self.handed_over = mails
        if judged.verdict is Verdict.PROTOCOL or reply.data is None:
            self.close()
            self.end = SessionEnd(mails=mails, answer=reply.answer)
        if reply.is_success:
            judged = Judgement(Verdict.ACCEPTED, Answer(reply.status, str((reply.data or {})["id"])[:100]))
            self._note(judged.answer.words)
        return Outcome(
            stage=Stage.DOT,
            whole=judged,
            handed_over=reply.is_success,
            error_code="too_large" if reply.status == 413 else "",
        )

    def _lost(self, error: TransportError, mails: int) -> Outcome:
        if not error.ambiguous:
            self.handed_over = mails
        blame = Blame.NOBODY
        if error.ambiguous or isinstance(error, SessionLost):
            blame = Blame.MESSAGE
        elif isinstance(error, ProtocolError):
            blame = Blame.DOUBTFUL
        self.end = SessionEnd(mails=mails, answer=error.reply, error=error, blame=blame)
        whole = Judgement(Verdict.RETRY, error.reply or Answer(0, str(error)), temporary=True)
        return Outcome(stage=error.stage, whole=whole, handed_over=error.ambiguous, cut_off=True, error=error)

    def _note(self, words: str) -> None:
        on_stage = self._service.surroundings.on_stage
        if on_stage is not None:
            for stage in (Stage.SENDER, Stage.RECIPIENT, Stage.DOT):
                on_stage(stage, 0.0, words)

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Return nothing: Gmail says what it thinks of a sender when it is to send."""
        return ()

    def noop(self) -> None:
        """Ask whose mailbox it is once more.

        Raises:
            SessionLost, ProtocolError: the session is over.
        """
        try:
            self._service.ask("profile", Stage.LOGIN)
        except LoginRefused as error:
            raise broken("The server ended the session.", Stage.LOGIN, reply=error.reply) from None

    def quit(self) -> None:
        """Close: there is nobody to say goodbye to."""
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._service.close()


def _written(delivery: Delivery) -> bytes | Outcome:
    """Return the mail as it is uploaded, or the outcome of one that Gmail cannot be told."""
    envelope = delivery.envelope
    octets = b"".join(delivery.chunks())
    try:
        data = with_recipients(envelope, octets)
    except ValueError:
        return _fails("A recipient's address has a character that cannot be sent.")
    if data is None:
        words = (
            "The header names somebody who is not to get this mail, and Gmail sends to all whom it names:"
            " it was not sent."
        )
        return _fails(words, code="recipients_differ")
    if len(data) > MOST_OCTETS:
        return _fails("Gmail takes no mail of this size.", code="too_large", stage=Stage.DOT)
    return data


def with_recipients(envelope: Envelope, octets: bytes) -> bytes | None:
    """Return the mail for just these recipients: Gmail takes ``Bcc`` out, in which are those whom it does not name.

    Returns:
        The mail; ``None``: see :func:`mailconfig.transports.recipients.besides`.

    Raises:
        ValueError: an address that no header can hold.
    """
    hidden = besides(envelope, octets)
    if not hidden:
        return None if hidden is None else octets
    if any(not address.isprintable() or set(address) & set(" ,;:<>()") for address in hidden):
        raise ValueError("an address that no header can hold")
    return b"Bcc: " + ",\r\n ".join(hidden).encode() + b"\r\n" + octets


def _fails(words: str, *, code: str = "", stage: Stage = Stage.RECIPIENT) -> Outcome:
    return Outcome(stage=stage, whole=Judgement(Verdict.FAIL, Answer(0, words)), error_code=code)


def _timed_out(reply: Reply) -> SessionLost:
    return SessionLost(
        "The server took too long.",
        stage=Stage.DOT,
        code=ErrorCode.TIMEOUT,
        reply=reply.answer,
        ambiguous=True,
    )
