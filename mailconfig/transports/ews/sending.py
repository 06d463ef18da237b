"""Sending by Exchange: one CreateItem for each mail, whose body is the point of no return."""

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
from mailconfig.values import Answer, Envelope, Stage

from .answers import Response, is_in_doubt, judgement_of
from .requests import create_message, get_folder, known_folder
from .service import Service, note, refusal_at

TOO_FEW = "recipients_differ"
"""Our word for a mail whose header names somebody who is not to get it."""


class NotAllowed(Exception):
    """The journal did not take it: nothing was sent."""


class EWSSession:
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

    def log_in(self) -> None:
        """Ask for the inbox: whoever may is logged in, and has a mailbox.

        Raises:
            ConnectionFailed, TLSFailed, LoginRefused, SessionLost, ProtocolError: no session came about; it is closed.
        """
        log_in(self._service)
        self.opened_at = monotonic()

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Send one mail after the other."""
        while not self.closed and (delivery := deliveries.next()) is not None:
            octets = b"".join(delivery.chunks())
            others = besides(delivery.envelope, octets)
            if others is None:
                yield _misfit()
                continue
            operation = _operation(octets, others, saves_copy=self._service.settings.saves_copy)
            if isinstance(operation, Outcome):
                yield operation
                continue
            journal.start(accepted=len(delivery.envelope.recipients))
            try:
                outcome = self._hand_over(delivery, operation, journal)
            except NotAllowed:
                deliveries.put_back()
                return
            yield outcome

    def _hand_over(self, delivery: Delivery, operation: str, journal: Journal) -> Outcome:
        mails = self.handed_over

        def ask() -> None:
            if not journal.allows():
                raise NotAllowed
            self.handed_over += 1
            journal.passed()

        self._service.scrubber.mask(delivery.envelope.masks)
        try:
            found = self._service.ask(
                operation, Stage.DOT, seconds=self._seconds_for(delivery.envelope), before_sending=ask
            )
        except LoginRefused as error:
            # It was good when the session began: the next session sees whether it is still.
            self.handed_over = mails
            self.end = SessionEnd(mails=mails, answer=error.reply)
            words = error.reply or Answer(401, str(error))
            return Outcome(
                stage=Stage.LOGIN, whole=Judgement(Verdict.ACCOUNT_REFUSED, words, matter=Matter.LOGIN)
            )
        except TransportError as error:
            return self._lost(error, mails)
        return self._answered(found[0], mails)

    def _answered(self, response: Response, mails: int) -> Outcome:
        if is_in_doubt(response):
            error = broken(
                "The server gave up in the middle of it.", Stage.DOT, reply=response.answer, ambiguous=True
            )
            self.close()
            return self._lost(error, mails)
        judged = judgement_of(response)
        if judged.verdict is Verdict.PROTOCOL and not response.code:
            self.close()
            self.end = SessionEnd(mails=mails, answer=response.answer)
        if self._service.surroundings.on_stage is not None and response.is_success:
            for stage in (Stage.SENDER, Stage.RECIPIENT, Stage.DOT):
                self._service.surroundings.on_stage(stage, 0.0, response.answer.words)
        return Outcome(
            stage=Stage.DOT,
            whole=judged,
            handed_over=response.is_success,
            error_code="too_large" if response.code == "ErrorMessageSizeExceeded" else "",
        )

    def _lost(self, error: TransportError, mails: int) -> Outcome:
        blame = Blame.NOBODY
        if isinstance(error, SessionLost):
            blame = Blame.MESSAGE
        elif isinstance(error, ProtocolError):
            blame = Blame.DOUBTFUL
        self.end = SessionEnd(mails=mails, answer=error.reply, error=error, blame=blame)
        whole = Judgement(Verdict.RETRY, error.reply or Answer(0, str(error)), temporary=True)
        return Outcome(stage=error.stage, whole=whole, handed_over=error.ambiguous, cut_off=True, error=error)

    def _seconds_for(self, envelope: Envelope) -> float:
        timeouts = self._service.surroundings.timeouts
        return timeouts.dot + envelope.size / timeouts.bytes_per_second

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Return nothing: Exchange says what it thinks of a sender when it is to send."""
        return ()

    def noop(self) -> None:
        """Ask for the inbox once more."""
        found = self._service.ask(get_folder(known_folder("inbox")), Stage.LOGIN)
        if not found[0].is_success:
            self.close()
            raise broken("The server ended the session.", Stage.LOGIN, reply=found[0].answer)

    def quit(self) -> None:
        """Close: there is nobody to say goodbye to."""
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._service.close()


def log_in(service: Service) -> None:
    """Ask for the inbox, and tell of the stage.

    Raises:
        ConnectionFailed, TLSFailed, LoginRefused, SessionLost, ProtocolError: it is closed then.
    """
    started = monotonic()
    try:
        answer = service.ask(get_folder(known_folder("inbox")), Stage.LOGIN)[0]
        refusal = None if answer.is_success else refusal_at(answer, Stage.LOGIN)
        if refusal is None:
            note(service.surroundings, Stage.LOGIN, started, answer.answer.words)
    except BaseException:  # no connection stays open, whatever on_wait or on_stage raises
        service.close()
        raise
    if refusal is not None:
        service.close()
        raise refusal


def _operation(octets: bytes, others: tuple[str, ...], *, saves_copy: bool) -> str | Outcome:
    try:
        return create_message(octets, besides=others, saves_copy=saves_copy)
    except ValueError:
        words = "A recipient's address has a character that cannot be sent."
        return Outcome(stage=Stage.RECIPIENT, whole=Judgement(Verdict.FAIL, Answer(0, words)))


def _misfit() -> Outcome:
    words = (
        "The header names somebody who is not to get this mail, and Exchange sends to all whom it names:"
        " it was not sent."
    )
    return Outcome(stage=Stage.RECIPIENT, whole=Judgement(Verdict.FAIL, Answer(0, words)), error_code=TOO_FEW)
