"""Contract of a transport: a session, and how one is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from mailconfig.values import (
    Capabilities,
    Envelope,
    EnvelopeOutcome,
    NetworkPolicy,
    Reply,
    SMTPSettings,
    Timeouts,
)

from .network.gate import Resolver, system_resolver
from .smtp.opening import OnStage, Opening
from .smtp.session import SMTPSession


class Session(Protocol):
    """An open connection over which messages are handed over, one after another.

    Every method but ``quit`` and ``close`` may raise
    :class:`~mailconfig.exceptions.SessionLost` or :class:`~mailconfig.exceptions.ProtocolError`; the session
    is closed then. Their ``ambiguous`` is true only if the block with the final dot had begun to be written and
    no complete reply to it came. What ``on_wait`` raises passes through and closes the session as well; in
    ``hand_over`` and ``outcome`` the message is then as ambiguous as after a lost connection.

    A reply 421 is returned like any other, and the session is ``closed`` afterwards (RFC 5321 §3.8).
    Calls out of order raise ``RuntimeError``.
    """

    capabilities: Capabilities
    opened_at: float
    """``time.monotonic()`` when the session was ready."""
    handed_over: int
    """Messages whose dot was written in this session."""
    closed: bool

    @property
    def proposed(self) -> bool:
        """Return whether a proposal was made whose outcome was not fetched."""
        ...

    def propose(self, envelope: Envelope) -> None:
        """Write MAIL, RCPT and DATA: with PIPELINING without waiting, else reading each reply.

        A message above the server's SIZE is not offered; its outcome is a 552 of our own.

        Raises:
            InvalidMessage: an address that cannot be written; nothing was.
        """
        ...

    def envelope_outcome(self) -> EnvelopeOutcome:
        """The replies to the last proposal; there are as many ``recipients`` as the envelope has.

        Where MAIL was refused, or a 421 came, that reply stands for every recipient after it. ``data`` is
        ``None`` if nobody was accepted; the session is idle then, and no RSET is needed. Where the session ended
        behind a refusal, what was read is returned, with the ``farewell``, and the session is ``closed``.
        """
        ...

    def hand_over(self, chunks: Iterable[bytes], *, following: Envelope | None = None) -> None:
        """Write a message (RFC 5322 bytes with CRLF, not dot-stuffed, in any pieces) and the final dot.

        ``following`` is proposed in the same write if PIPELINING was offered and it can be; see ``proposed``.
        Only after an outcome with ``is_open``.
        """
        ...

    def outcome(self) -> Reply:
        """The reply to the dot, awaited for ``timeouts.dot`` at most."""
        ...

    def reset(self) -> None:
        """RSET: forget a half-made transaction."""
        ...

    def noop(self) -> None:
        """See whether the server is still there."""
        ...

    def verify_sender(self, sender: str, recipient: str) -> tuple[Reply, Reply | None]:
        """Ask whether the server would take mail from ``sender``, and from there for ``recipient``; none is sent.

        Many servers say what they think of a sender only when they are told a recipient. The second reply is ``None``
        if the sender was refused, or the connection ended over the recipient.
        """
        ...

    def quit(self) -> None:
        """Say goodbye within ``timeouts.quit`` and close. In the middle of a message: just close."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


def open_transport(
    settings: SMTPSettings,
    *,
    policy: NetworkPolicy,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    on_wait: Callable[[], None] | None = None,
    wait_slice: float = 20.0,
    on_stage: OnStage | None = None,
    resolver: Resolver = system_resolver,
) -> Session:
    """Open a session: name, connection, banner, EHLO, TLS, login.

    Args:
        on_wait: called about every ``wait_slice`` seconds while a reply is awaited, to renew a lease.
        on_stage: called with each stage that is done (RESOLVE, CONNECT with the banner, TLS, EHLO, LOGIN in this
            order; with TLS from the first byte the banner counts to EHLO), its seconds and a detail for staff.
        resolver: name and port to addresses.

    Raises:
        HostNotAllowed: no host name, or a literal or port that policy forbids; nothing was looked up.
        SecretUnreadable: the stored secret does not open; nothing was connected.
        ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: see the error's attributes. ``str(error)`` has
            neither the server's words nor, for ``ConnectionFailed``, the reason; ``reply`` and ``detail`` have.
    """
    opening = Opening(
        settings,
        policy=policy,
        timeouts=timeouts,
        on_wait=on_wait,
        wait_slice=wait_slice,
        on_stage=on_stage,
        resolver=resolver,
    )
    wire = opening.run()
    return SMTPSession(wire, capabilities=opening.capabilities, timeouts=timeouts)
