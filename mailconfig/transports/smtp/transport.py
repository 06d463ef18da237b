"""The transport that speaks SMTP with a mail server."""

from __future__ import annotations

from mailconfig.transports.contract import Session, Surroundings
from mailconfig.values import ConnectionSettings, Stage

from .delivering import DeliveringSession
from .opening import Opening
from .session import SMTPSession


def open_smtp(settings: ConnectionSettings, surroundings: Surroundings) -> SMTPSession:
    """Open a session and offer SMTP's own verbs: name, connection, banner, EHLO, TLS, login.

    Stages are told in the order RESOLVE, CONNECT with the banner, TLS, EHLO, LOGIN; with TLS from the first byte the
    banner counts to EHLO.

    Raises:
        TransportError, SecretUnreadable: see :meth:`contract.Transport.open`.
    """
    opening = Opening(settings, surroundings)
    wire = opening.run()
    return SMTPSession(wire, capabilities=opening.capabilities, timeouts=surroundings.timeouts)


class SMTPTransport:
    """See :class:`mailconfig.transports.contract.Transport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.EHLO, Stage.LOGIN, Stage.SENDER)

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Session:
        """Open a session that is logged in."""
        return DeliveringSession(open_smtp(settings, surroundings), on_stage=surroundings.on_stage)
