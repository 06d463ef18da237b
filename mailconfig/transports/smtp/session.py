"""An open SMTP session that always knows its phase (RFC 5321, with PIPELINING as in RFC 2920).

    idle ── propose ──▶ proposed ── envelope_outcome: 354 ──▶ open ── hand_over ──▶ awaiting the reply to the dot
      ▲                    │ no 354                                                     │ outcome
      └────────────────────┴────────────────────────────────────────────────────────────┘

``hand_over(…, following=…)`` writes the next proposal behind the dot, which then goes from "awaiting"
straight to "proposed": one round trip a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from mailconfig import crash
from mailconfig.exceptions import InvalidMessage, ProtocolError, SessionLost, TransportError
from mailconfig.transports import breaks
from mailconfig.values import Envelope, Stage, Timeouts

from .body import blocks
from .capabilities import Capabilities
from .envelopes import DATA, MAX_BATCH, EnvelopeOutcome, commands, cut_off, refused_by, too_large
from .replies import BadReplyError, Reply, to_reply
from .verdicts import as_reply
from .wire import Wire

_CRASH_POINTS = {b"M": "after_mail", b"R": "after_rcpt", b"D": "after_data"}
"""Crash points in the middle of a proposal, by its lines. Only where one is armed is a proposal written line by line."""


class SMTPSession:
    """SMTP's verbs over an open connection, one message after another.

    Every method but ``quit`` and ``close`` may raise ``SessionLost`` or ``ProtocolError``; the session is closed then.
    Their ``ambiguous`` is true only if the block with the final dot had begun to be written and no complete reply to it
    came. What ``on_wait`` raises passes through and closes the session as well; in ``hand_over`` and ``outcome`` the
    message is then as ambiguous as after a lost connection. A reply 421 is returned like any other, and the session is
    ``closed`` afterwards (RFC 5321 §3.8). Calls out of order raise ``RuntimeError``.
    """

    def __init__(self, wire: Wire, *, capabilities: Capabilities, timeouts: Timeouts) -> None:
        self.capabilities = capabilities
        self.opened_at = monotonic()
        self.handed_over = 0
        self.closed = False
        self._wire = wire
        self._timeouts = timeouts
        self._total = wire.deadline
        """Over everything; each phase of a transaction has a deadline of its own within it."""
        self._size = 0
        """Octets of the message whose envelope was answered last."""
        self._proposal: Envelope | None = None
        self._settled: EnvelopeOutcome | None = None
        """The outcome of the proposal where it is known already: lock step, or too large."""
        self._is_open = False
        self._awaits_dot = False

    @property
    def proposed(self) -> bool:
        """Return whether a proposal was made whose outcome was not fetched."""
        return self._proposal is not None

    @property
    def is_busy(self) -> bool:
        """Return whether it is in the middle of a transaction."""
        return bool(self._proposal or self._is_open or self._awaits_dot)

    def propose(self, envelope: Envelope) -> None:
        """Write MAIL, RCPT and DATA: with PIPELINING without waiting, else reading each reply.

        A message above the server's SIZE is not offered; its outcome is a 552 of our own.

        Raises:
            InvalidMessage: an address that cannot be written; nothing was.
        """
        self._require(idle=True)
        self._refuse_unasked(Stage.SENDER)
        self._begin_envelope(envelope)
        lines = commands(envelope, self.capabilities)  # which checks the addresses, in any case
        if self._pipelines(envelope):
            self._write_proposal((*lines, DATA))
        else:
            self._settled = too_large(envelope, self.capabilities) or self._lock_step(envelope)
        self._proposal = envelope

    def envelope_outcome(self) -> EnvelopeOutcome:
        """The replies to the last proposal.

        Where MAIL was refused, or a 421 came, that reply stands for every recipient after it. Where the session ended
        behind a refusal, what was read is returned, with the ``farewell``, and the session is ``closed``.
        """
        envelope = self._proposal
        if envelope is None or self._awaits_dot:
            raise RuntimeError("there is no proposal, or the reply to the dot before it was not read")
        settled, self._settled = self._settled, None
        outcome = settled if settled is not None else self._read_envelope(envelope)
        self._proposal = None
        self._is_open = outcome.is_open and not self.closed
        self._size = envelope.size
        return outcome

    def hand_over(self, chunks: Iterable[bytes], *, following: Envelope | None = None) -> None:
        """Write a message (RFC 5322 bytes, not dot-stuffed) and the final dot, after an outcome with ``is_open``.

        ``following`` is proposed in the same write if PIPELINING was offered and it can be; see ``proposed``.
        """
        if not self._is_open:
            raise RuntimeError("the server did not ask for a message")
        self._is_open = False
        tail = self._tail(following)
        seconds = self._timeouts.transaction + self._size / self._timeouts.bytes_per_second
        self._wire.deadline = self._total.within(seconds)
        try:
            for block, is_last in blocks(chunks):
                self._refuse_unasked(Stage.BODY)
                if is_last:
                    self._awaits_dot = True  # from here on, nobody knows until the reply has come
                    self._write_last(block, tail)
                else:
                    self._write(block, Stage.BODY, self._timeouts.block)
        except TransportError:
            raise
        except BaseException:  # of the chunks or of on_wait: half a message is never ended by a dot
            self.close()
            raise
        self.handed_over += 1
        if tail and following is not None:
            self._proposal = following

    def outcome(self) -> Reply:
        """The reply to the dot, awaited for ``timeouts.dot`` at most."""
        if not self._awaits_dot:
            raise RuntimeError("no message was handed over")
        self._wire.deadline = self._total
        reply = self._read_final(Stage.DOT, self._timeouts.dot)
        self._awaits_dot = False
        if self._proposal:
            self._begin_envelope(self._proposal)
        return reply

    def reset(self) -> None:
        """RSET; a refusal ends the session."""
        self._simple(b"RSET\r\n")

    def noop(self) -> None:
        """NOOP, to see whether an idle session is still there."""
        self._simple(b"NOOP\r\n")

    def verify_sender(self, sender: str, recipient: str) -> tuple[Reply, Reply | None]:
        """The replies to MAIL and, where that is accepted, RCPT; taken back by RSET at once, so nothing is sent."""
        self._require(idle=True)
        mail, rcpt = commands(Envelope(sender, (recipient,)), self.capabilities)
        self._write(mail, Stage.SENDER, self._timeouts.command)
        reply = self._read_final(Stage.SENDER, self._timeouts.command)
        answer: Reply | None = None
        try:
            if reply.is_success:
                self._write(rcpt, Stage.RECIPIENT, self._timeouts.command)
                answer = self._read_final(Stage.RECIPIENT, self._timeouts.command)
            if not self.closed:
                self.reset()
        except TransportError:
            self.close()
        return reply, answer

    def quit(self) -> None:
        """QUIT where the protocol allows it now, and close; never raises."""
        if self.closed:
            return
        if not self.is_busy:
            self._wire.on_wait = None
            try:
                self._wire.send(b"QUIT\r\n", self._timeouts.quit)
                self._wire.read_reply(self._timeouts.quit)
            except (OSError, BadReplyError):
                pass
        self.close()

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.closed = True
        self._proposal = self._settled = None
        self._is_open = self._awaits_dot = False
        self._wire.close()

    # The proposal

    def _begin_envelope(self, envelope: Envelope) -> None:
        """Replies that trickle are each in time, and all together never end."""
        if envelope.masks:
            self._wire.mask(envelope.masks)
        self._wire.deadline = self._total.within(self._timeouts.transaction + len(envelope.recipients))

    def _pipelines(self, envelope: Envelope) -> bool:
        return (
            self.capabilities.pipelining
            and len(envelope.recipients) <= MAX_BATCH
            and too_large(envelope, self.capabilities) is None
        )

    def _tail(self, following: Envelope | None) -> tuple[bytes, ...]:
        """The next proposal, if it can ride with the dot; an invalid one is refused when it is proposed."""
        if following is None or not self._pipelines(following):
            return ()
        try:
            return (*commands(following, self.capabilities), DATA)
        except InvalidMessage:
            return ()

    def _write_proposal(self, lines: tuple[bytes, ...]) -> None:
        if not crash.is_armed(*_CRASH_POINTS.values()):
            self._write(b"".join(lines), Stage.SENDER, self._timeouts.command)
            return
        for line in lines:
            self._write(line, Stage.SENDER, self._timeouts.command)
            crash.point(_CRASH_POINTS[line[:1]])

    def _lock_step(self, envelope: Envelope) -> EnvelopeOutcome:
        """MAIL, RCPT and DATA one by one (in batches where PIPELINING allows), reading each reply."""
        mail, *recipients = commands(envelope, self.capabilities)
        self._write_proposal((mail,))
        sender = self._read_final(Stage.SENDER, self._timeouts.command)
        if not sender.is_success:
            return refused_by(envelope, sender, farewell=sender if self.closed else None)
        replies: list[Reply] = []
        step = MAX_BATCH if self.capabilities.pipelining else 1
        try:
            for start in range(0, len(recipients), step):
                batch = tuple(recipients[start : start + step])
                self._write_proposal(batch)
                for _ in batch:
                    reply = self._read_final(Stage.RECIPIENT, self._timeouts.command)
                    if self.closed:
                        return cut_off(envelope, sender, replies, reply)
                    replies.append(reply)
            if not any(reply.is_success for reply in replies):
                return EnvelopeOutcome(sender, tuple(replies), None)
            self._write_proposal((DATA,))
            return self._with_data(sender, replies, self._read_data())
        except SessionLost as lost:
            return self._as_far_as_read(envelope, sender, replies, lost)

    def _read_envelope(self, envelope: Envelope) -> EnvelopeOutcome:
        sender = self._read_final(Stage.SENDER, self._timeouts.command)
        if self.closed:
            return refused_by(envelope, sender, farewell=sender)
        replies: list[Reply] = []
        try:
            for _ in envelope.recipients:
                reply = self._read_final(Stage.RECIPIENT, self._timeouts.command)
                if self.closed:
                    # A 421 in the middle speaks for every recipient from there on.
                    return cut_off(envelope, sender, replies, reply)
                replies.append(reply)
            data = self._read_data()
            accepted = sender.is_success and any(reply.is_success for reply in replies)
            if not accepted and data.code == 354:
                # RFC 2920 §3.1: the server waits for a message that has no recipient; it gets an empty one.
                self._write(b".\r\n", Stage.DATA, self._timeouts.command)
                self._read_final(Stage.DATA, self._timeouts.dot)
        except SessionLost as lost:
            return self._as_far_as_read(envelope, sender, replies, lost)
        if not sender.is_success:
            return refused_by(envelope, sender, farewell=self._farewell(data))
        return self._with_data(sender, replies, data, accepted=accepted)

    def _with_data(
        self, sender: Reply, replies: list[Reply], data: Reply, *, accepted: bool = True
    ) -> EnvelopeOutcome:
        return EnvelopeOutcome(sender, tuple(replies), data if accepted else None, self._farewell(data))

    def _farewell(self, last: Reply) -> Reply | None:
        return last if self.closed else None

    def _as_far_as_read(
        self, envelope: Envelope, sender: Reply, replies: list[Reply], lost: SessionLost
    ) -> EnvelopeOutcome:
        """A refusal that was read before the connection broke is a refusal all the same.

        Raises:
            SessionLost: nothing was refused.
        """
        if sender.is_success and all(reply.is_success for reply in replies) and lost.reply is None:
            raise lost
        farewell = as_reply(lost.reply) or Reply(0, str(lost))
        return cut_off(envelope, sender, replies, farewell)

    def _read_data(self) -> Reply:
        reply = self._read(Stage.DATA, self._timeouts.data)
        if reply.code != 354 and not (reply.is_transient or reply.is_permanent):
            raise self._misplaced(reply, Stage.DATA)
        self._leave_after(reply)
        return reply

    # Reading and writing

    def _refuse_unasked(self, stage: Stage) -> None:
        """Refuse what comes before we asked: it must not pass for the answer to what we write next, the dot above all.

        Raises:
            SessionLost: the server has closed, or says no to the message in the middle of its body.
            ProtocolError: it says yes to something that it cannot know yet.
        """
        self._require()
        try:
            if not self._wire.has_come():
                return
        except OSError as error:
            raise self._lost(stage, error) from None
        reply = self._read(stage, self._timeouts.command)
        if not (reply.is_transient or reply.is_permanent):
            raise self._broken("The server answered before it was asked.", stage, reply)
        self.close()
        raise breaks.ended("The server ended the transaction.", stage, reply)

    def _write_last(self, block: bytes, tail: tuple[bytes, ...]) -> None:
        if crash.is_armed("mid_body"):
            half = len(block) // 2
            self._write(block[:half], Stage.BODY, self._timeouts.block)
            crash.point("mid_body")
            block = block[half:]
        if tail and crash.is_armed(*_CRASH_POINTS.values()):
            self._write(block, Stage.DOT, self._timeouts.block)
            self._write_proposal(tail)
        else:
            self._write(b"".join((block, *tail)), Stage.DOT, self._timeouts.block)
        crash.point("after_dot")

    def _write(self, data: bytes, stage: Stage, seconds: float) -> None:
        self._require()
        try:
            self._wire.send(data, seconds)
        except OSError as error:
            raise self._lost(stage, error, reply=self._last_words()) from None
        except BaseException:  # on_wait's own error: who knows how much was written
            self.close()
            raise

    def _last_words(self) -> Reply | None:
        """The reply of a server that hung up while we were writing, if it has arrived."""
        try:
            return self._wire.read_reply(0.05)
        except (OSError, BadReplyError):
            return None

    def _read(self, stage: Stage, seconds: float) -> Reply:
        self._require()
        try:
            return self._wire.read_reply(seconds)
        except BadReplyError as error:
            reply = to_reply(error.code, error.lines, self._wire.scrubber) if error.code else None
            raise self._broken(f"The server broke the protocol: {error}.", stage, reply) from None
        except OSError as error:
            raise self._lost(stage, error) from None
        except BaseException:  # on_wait's own error: the reply will not be read any more
            self.close()
            raise

    def _read_final(self, stage: Stage, seconds: float) -> Reply:
        """A reply that is a yes or a no; 421 also ends the session (RFC 5321 §3.8)."""
        reply = self._read(stage, seconds)
        if not (reply.is_success or reply.is_transient or reply.is_permanent):
            raise self._misplaced(reply, stage)
        self._leave_after(reply)
        return reply

    def _simple(self, line: bytes) -> None:
        self._require(idle=True)
        self._write(line, Stage.SENDER, self._timeouts.command)
        reply = self._read_final(Stage.SENDER, self._timeouts.command)
        if not reply.is_success:
            self.close()
            raise breaks.ended("The server does not go on with this connection.", Stage.SENDER, reply)

    def _leave_after(self, reply: Reply) -> None:
        if reply.code == 421:
            self.close()

    def _require(self, *, idle: bool = False) -> None:
        if self.closed:
            raise breaks.ended("The session is closed.", Stage.SENDER)
        if idle and self.is_busy:
            raise RuntimeError("the session is in the middle of a message")

    def _lost(self, stage: Stage, error: OSError, *, reply: Reply | None = None) -> SessionLost:
        ambiguous = self._awaits_dot and not (reply is not None and reply.code >= 400)
        self.close()
        return breaks.lost(stage, error, reply=reply, ambiguous=ambiguous)

    def _misplaced(self, reply: Reply, stage: Stage) -> ProtocolError:
        return self._broken("The server's answer is not one that belongs here.", stage, reply)

    def _broken(self, message: str, stage: Stage, reply: Reply | None = None) -> ProtocolError:
        ambiguous = self._awaits_dot
        self.close()
        return breaks.broken(message, stage, reply=reply, ambiguous=ambiguous)
