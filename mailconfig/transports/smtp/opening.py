"""From a name to a session that is logged in, stage by stage (RFC 5321 §4.3.1, RFC 3207, RFC 4954)."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import uname
from time import monotonic

from mailconfig.exceptions import ConnectionFailed, LoginRefused
from mailconfig.transports.breaks import broken
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network import hints
from mailconfig.transports.opening import OpeningSteps, peer, protection, tls_failed
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Security, Stage

from . import sasl
from .capabilities import Capabilities, parse_capabilities
from .replies import BadReplyError, Reply, to_reply
from .wire import Wire

_EHLO_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Za-z:.]{2,60}\]")


class Opening(OpeningSteps):
    """One attempt to open a session. :meth:`run` goes through the stages; the wire is then the session's."""

    tls_ports = frozenset({465, 2465})
    starttls_port_hint = hints.STARTTLS_PORT

    def __init__(self, settings: ConnectionSettings, surroundings: Surroundings) -> None:
        super().__init__(settings, surroundings)
        self.capabilities = Capabilities()
        self._greeting = ""

    def run(self) -> Wire:
        """Resolve, connect, greet, secure and log in. Stages are reported in this order, each once.

        Raises:
            HostNotAllowed, ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: with ``stage``,
                ``code``, ``field``, ``reply``, ``hint``, ``detail`` and ``temporary``; the connection is closed.
            SecretUnreadable: before anything was connected.
        """
        self._prepare()
        wire = self._connect()
        try:
            self._greet(wire)
            self._log_in(wire)
        except BaseException:  # no socket stays open, whatever on_wait or on_stage raises
            wire.close()
            raise
        return wire

    def _connect(self) -> Wire:
        wire = Wire(
            self._open_socket(),
            deadline=self.deadline,
            max_reply_bytes=self.policy.max_reply_bytes,
            on_wait=self._surroundings.on_wait,
            wait_slice=self._surroundings.wait_slice,
        )
        wire.scrubber = self.scrubber
        return wire

    def _greet(self, wire: Wire) -> None:
        """Banner, EHLO and TLS, in the order that the security asks for."""
        security = self.settings.security
        started = self._connect_started
        if security is Security.TLS:
            started = self._done(Stage.CONNECT, started, peer(wire))
            self._secure(wire)
            started = self._done(Stage.TLS, started, protection(wire))
            self._banner(wire)
            self._ehlo(wire)
            self._done(Stage.EHLO, started, self._greeting)
            return
        self._banner(wire)
        started = self._done(Stage.CONNECT, started, self._greeting)
        self._ehlo(wire)
        spent = monotonic() - started
        if security is Security.STARTTLS or (
            security is Security.OPPORTUNISTIC and self.capabilities.starttls
        ):
            started = monotonic()
            self._starttls(wire)
            started = self._done(Stage.TLS, started, protection(wire))
            self._ehlo(wire)
            spent += monotonic() - started
        self._done(Stage.EHLO, monotonic() - spent, self._greeting)

    def _banner(self, wire: Wire) -> None:
        reply = self._read(wire, Stage.BANNER, self.timeouts.banner)
        self._greeting = f"{reply.code} {reply.text}"
        if reply.code == 220:
            return
        self._refuse(reply, Stage.BANNER, "The server does not accept connections")

    def _ehlo(self, wire: Wire) -> None:
        name = self._own_name(wire)
        self.capabilities = Capabilities()
        self._send(wire, b"EHLO " + name + b"\r\n", Stage.EHLO)
        code, lines = self._read_lines(wire, Stage.EHLO, self.timeouts.command)
        if code == 250:
            self.capabilities = parse_capabilities(lines)
            self._greeting = self.scrubber.clean(b" | ".join(lines).decode("utf-8", "replace"))
            return
        reply = to_reply(code, lines, self.scrubber)
        if reply.is_permanent:  # RFC 5321 §3.2: an old server knows HELO only
            self._send(wire, b"HELO " + name + b"\r\n", Stage.EHLO)
            reply = self._read(wire, Stage.EHLO, self.timeouts.command)
            if reply.code == 250:
                self._greeting = f"{reply.code} {reply.text}"
                return
        self._refuse(reply, Stage.EHLO, "The server refused our greeting")

    def _starttls(self, wire: Wire) -> None:
        if not self.capabilities.starttls:
            hint = "Choose another port or TLS. Nothing was sent without encryption."
            raise tls_failed("The server offers no STARTTLS.", hint=hint)
        self._send(wire, b"STARTTLS\r\n", Stage.TLS)
        reply = self._read(wire, Stage.TLS, self.timeouts.command)
        if reply.is_transient or reply.is_permanent:
            raise tls_failed("The server refused STARTTLS.", reply=reply, temporary=reply.is_transient)
        if reply.code != 220:
            raise broken("The server's answer to STARTTLS is none.", Stage.TLS, reply=reply)
        if wire.has_unread:  # RFC 3207 §4.2: somebody put words into the server's mouth
            raise broken(
                "Something was sent between STARTTLS and the encryption: the connection is tampered with.",
                Stage.TLS,
                temporary=False,
            )
        self._secure(wire)

    def _log_in(self, wire: Wire) -> None:
        settings = self.settings
        if settings.authentication is Authentication.NONE:
            return
        started = monotonic()
        if not self._encrypted:
            self._require_encryption_for_login()

        def exchange(line: Callable[[], bytes]) -> Reply:
            self._send(wire, line(), Stage.LOGIN)
            return self._read(wire, Stage.LOGIN, self.timeouts.command)

        try:
            reply = sasl.log_in(settings, self.capabilities, exchange)
        except LoginRefused as error:
            # Names of mechanisms are the server's words, too.
            error.detail = self.scrubber.clean(error.detail)
            raise
        self._done(Stage.LOGIN, started, f"{reply.code} {reply.text}")

    def _own_name(self, wire: Wire) -> bytes:
        """A name with a dot, else our address as a literal (RFC 5321 §4.1.4)."""
        for name in (self.settings.ehlo_name, uname().nodename):
            if _EHLO_NAME.fullmatch(name) and ("." in name or name == self.settings.ehlo_name):
                return name.encode()
        address = str(wire.sock.getsockname()[0])
        return (f"[IPv6:{address}]" if ":" in address else f"[{address}]").encode()

    def _send(self, wire: Wire, data: bytes, stage: Stage) -> None:
        try:
            wire.send(data, self.timeouts.command)
        except OSError as error:
            data = b""  # may be a credential: see Wire.send
            raise self._lost(stage, error) from None

    def _read(self, wire: Wire, stage: Stage, seconds: float) -> Reply:
        code, lines = self._read_lines(wire, stage, seconds)
        return to_reply(code, lines, self.scrubber)

    def _read_lines(self, wire: Wire, stage: Stage, seconds: float) -> tuple[int, list[bytes]]:
        try:
            return wire.read(seconds)
        except BadReplyError as error:
            # 220-…, then 521: in whatever way it began, it ends in a refusal, with words.
            if error.code >= 400:
                return error.code, list(error.lines)
            raise broken(f"This is no mail server, or a broken one: {error}.", stage) from None
        except OSError as error:
            raise self._lost(stage, error) from None

    def _refuse(self, reply: Reply, stage: Stage, message: str) -> None:
        if not (reply.is_transient or reply.is_permanent):
            raise broken("The server's answer is not one that belongs here.", stage, reply=reply)
        raise ConnectionFailed(
            f"{message}{' now' if reply.is_transient else ''}.",
            stage=stage,
            code=ErrorCode.CONNECT_FAILED,
            field="host",
            reply=reply,
            temporary=reply.is_transient,
        )
