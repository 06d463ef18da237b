"""Steps of opening a session that are the same whatever is spoken over it: name, connection, TLS, and what may not be."""

from __future__ import annotations

import socket
import ssl
from time import monotonic
from typing import ClassVar

from mailconfig.exceptions import ConnectionFailed, LoginRefused, TLSFailed, TransportError
from mailconfig.values import Answer, Authentication, ConnectionSettings, ErrorCode, Security, Stage

from .contract import Surroundings
from .credentials import check_credentials
from .network import gate, hints, tls
from .network.deadline import Deadline
from .network.stream import Stream
from .scrubber import Scrubber


class OpeningSteps:
    """Base of one attempt to open a session, whose stages are reported in order, each once."""

    tls_ports: ClassVar[frozenset[int]]
    """Ports on which the protocol expects TLS from the first byte (RFC 8314)."""
    starttls_port_hint: ClassVar[str]
    """What helps where TLS from the first byte met a server that talks in the clear."""

    def __init__(self, settings: ConnectionSettings, surroundings: Surroundings) -> None:
        self.settings = settings
        self.policy = surroundings.policy
        self.timeouts = surroundings.timeouts
        self.deadline = Deadline(self.timeouts.total)
        self.scrubber = Scrubber()
        self._surroundings = surroundings
        self._host = ""
        self._encrypted = False

    def _prepare(self) -> None:
        """Refuse what needs no connection to be refused, and learn the secrets that answers are cleaned of.

        Raises:
            HostNotAllowed, LoginRefused, SecretUnreadable: nothing was looked up.
        """
        settings = self.settings
        self._host = gate.vet_host(settings.host, settings.port, self.policy)
        check_credentials(settings)
        if settings.security is Security.NONE:
            self._require_encryption_for_login()
        if settings.authentication is not Authentication.NONE and settings.secret is not None:
            self.scrubber = Scrubber.for_login(settings.username, settings.secret.reveal())

    def _open_socket(self) -> socket.socket:
        """Resolve and connect; the connection counts from ``_connect_started``, and its stage is the caller's to report.

        Raises:
            ConnectionFailed: see :mod:`.network.gate`.
        """
        started = monotonic()
        port = self.settings.port
        addresses = gate.resolve(
            self.settings.host,
            port,
            self.policy,
            resolver=self._surroundings.resolver,
            deadline=self.deadline,
        )
        started = self._done(Stage.RESOLVE, started, ", ".join(str(address) for address in addresses))
        self._connect_started = started
        return gate.connect(
            addresses,
            self._host,
            port,
            self.policy,
            seconds=self.timeouts.connect,
            deadline=self.deadline,
        )

    def _secure(self, stream: Stream) -> None:
        """Go on in verified TLS.

        Raises:
            TLSFailed: the stream is the caller's to close.
        """
        sock = gate.secure(
            stream.sock,
            self._host,
            self.policy,
            seconds=self.timeouts.banner,
            deadline=self.deadline,
            plain_hint=self.starttls_port_hint,
        )
        stream.replace(sock)
        self._encrypted = True

    def _require_encryption_for_login(self) -> None:
        if self.settings.authentication is Authentication.NONE or self.policy.allow_plain_login:
            return
        raise LoginRefused(
            "The connection is not encrypted: the password was not sent.",
            stage=Stage.LOGIN,
            code=ErrorCode.AUTH_FAILED,
            field="security",
            hint="Choose STARTTLS or TLS.",
            temporary=False,
        )

    def _done(self, stage: Stage, started: float, detail: str) -> float:
        now = monotonic()
        if self._surroundings.on_stage is not None:
            self._surroundings.on_stage(stage, now - started, detail)
        return monotonic()

    def _lost(self, stage: Stage, error: OSError) -> TransportError:
        if isinstance(error, TimeoutError):
            code, message = ErrorCode.TIMEOUT, "The server took too long to answer."
        elif isinstance(error, ssl.SSLError):
            code, message = ErrorCode.TLS_FAILED, "The encrypted connection broke."
        else:
            code, message = ErrorCode.CONNECT_FAILED, "The server ended the connection."
        field, hint = "host", ""
        if stage is Stage.BANNER:
            if self.settings.security is not Security.TLS:  # else something does talk TLS there
                field = "security" if hints.expects_tls(self.settings, self.tls_ports) else "port"
            hint = hints.for_silence(self.settings, self.tls_ports)
            if code is ErrorCode.TIMEOUT:
                message = "Nothing answers as a mail server here."
        return ConnectionFailed(
            message,
            stage=stage,
            code=code,
            field=field,
            hint=hint,
            detail=error.strerror or str(error) or type(error).__name__,
        )


def peer(stream: Stream) -> str:
    """The address of the other side; empty if it has gone already: what is done next will say so."""
    try:
        return str(stream.sock.getpeername()[0])
    except OSError:
        return ""


def protection(stream: Stream) -> str:
    """The protocol and cipher of the encryption, if there is one."""
    return tls.describe(stream.sock) if isinstance(stream.sock, ssl.SSLSocket) else ""


def tls_failed(
    message: str, *, hint: str = "", reply: Answer | None = None, temporary: bool = False
) -> TLSFailed:
    """Return the error for encryption that did not come about."""
    return TLSFailed(
        message,
        stage=Stage.TLS,
        code=ErrorCode.TLS_FAILED,
        field="security",
        hint=hint,
        reply=reply,
        temporary=temporary,
    )
