"""The session that connects to nobody: drained mail lands in ``mailconfig.testing.outbox``."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mailconfig.testing import OutboxMail, outbox
from mailconfig.values import Capabilities, Envelope, EnvelopeOutcome, Reply


class OutboxSession:
    """Accepts everything, as a host project's tests want it (``MAILCONFIG["OUTBOX"]``)."""

    capabilities = Capabilities(pipelining=True, eight_bit_mime=True)
    handed_over = 0
    closed = False
    proposed = False

    def __init__(self) -> None:
        self.opened_at = time.monotonic()
        self._envelope = Envelope(sender="", recipients=())

    def propose(self, envelope: Envelope) -> None:
        """Take the envelope."""
        self._envelope = envelope
        self.proposed = True

    def envelope_outcome(self) -> EnvelopeOutcome:
        """Everybody is welcome."""
        self.proposed = False
        return EnvelopeOutcome(Reply(250), tuple(Reply(250) for _ in self._envelope.recipients), Reply(354))

    def hand_over(self, chunks: Iterable[bytes], *, following: Envelope | None = None) -> None:
        """Keep the mail."""
        outbox.append(OutboxMail(self._envelope.sender, self._envelope.recipients, b"".join(chunks)))
        self.handed_over += 1
        if following:
            self.propose(following)

    def outcome(self) -> Reply:
        """Accepted."""
        return Reply(250, "kept in the outbox")

    def verify_sender(self, sender: str, recipient: str) -> tuple[Reply, Reply | None]:
        """Any sender may send."""
        return Reply(250), Reply(250)

    def reset(self) -> None:
        """Nothing to forget."""

    def noop(self) -> None:
        """Always there."""

    def quit(self) -> None:
        """Close."""
        self.closed = True

    def close(self) -> None:
        """Close."""
        self.closed = True
