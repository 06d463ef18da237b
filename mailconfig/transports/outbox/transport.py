"""A far side in memory that accepts everything, as a host project's tests want it (``MAILCONFIG["OUTBOX"]``)."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic

from mailconfig.testing import OutboxMail, outbox
from mailconfig.transports.contract import (
    Deliveries,
    Journal,
    Judgement,
    OnStage,
    Outcome,
    Session,
    SessionEnd,
    Surroundings,
    Verdict,
)
from mailconfig.values import Answer, ConnectionSettings, Stage

KEPT = Judgement(Verdict.ACCEPTED, Answer(250, "kept in the outbox"))


class OutboxSession:
    """See :class:`mailconfig.transports.contract.Session`."""

    end: SessionEnd | None = None

    def __init__(self, on_stage: OnStage | None) -> None:
        self.opened_at = monotonic()
        self.handed_over = 0
        self.closed = False
        self._on_stage = on_stage

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Keep what is delivered."""
        while not self.closed and (delivery := deliveries.next()) is not None:
            envelope = delivery.envelope
            journal.start(accepted=len(envelope.recipients))
            body = b"".join(delivery.chunks())
            if not journal.allows():
                deliveries.put_back()
                return
            outbox.append(OutboxMail(envelope.sender, envelope.recipients, body))
            self.handed_over += 1
            journal.passed()
            if self._on_stage is not None:
                for stage in (Stage.SENDER, Stage.RECIPIENT, Stage.DOT):
                    self._on_stage(stage, 0.0, KEPT.answer.words)
            yield Outcome(stage=Stage.DOT, whole=KEPT, handed_over=True)

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Let any sender send."""
        return (KEPT,)

    def noop(self) -> None:
        """Be there."""

    def quit(self) -> None:
        """Close."""
        self.closed = True

    def close(self) -> None:
        """Close."""
        self.closed = True


class OutboxTransport:
    """See :class:`mailconfig.transports.contract.Transport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.EHLO, Stage.LOGIN, Stage.SENDER)

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Session:
        """Open a session; nothing is connected."""
        return OutboxSession(surroundings.on_stage)
