"""From a name to a session that is logged in, stage by stage (RFC 3501 §3, RFC 8314)."""

from __future__ import annotations

from time import monotonic

from mailconfig.exceptions import ConnectionFailed, LoginRefused
from mailconfig.transports.breaks import broken
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.credentials import refused, token_error
from mailconfig.transports.opening import OpeningSteps, peer, protection, tls_failed
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Security, Stage

from . import hints, sasl
from .dialogue import ByeError, Data, Dialogue, OnData, Piece
from .limits import Limits
from .replies import Reply
from .tokens import as_words
from .wire import BadAnswerError, Wire
from .writing import Command

_WANTED = ("UTF8=ACCEPT", "CONDSTORE", "QRESYNC")
"""Extensions that a server has to be told of before it uses them (RFC 5161)."""


class Opening(OpeningSteps):
    """One attempt to open a session. :meth:`run` goes through the stages; the dialogue is then the session's."""

    tls_ports = frozenset({993})
    starttls_port_hint = hints.STARTTLS_PORT

    def __init__(self, settings: ConnectionSettings, surroundings: Surroundings) -> None:
        super().__init__(settings, surroundings)
        self.enabled: frozenset[str] = frozenset()
        """Extensions that both sides agreed on."""

    def run(self) -> Dialogue:
        """Resolve, connect, secure, greet and log in. Stages are reported in this order, each once.

        With STARTTLS the greeting counts to the connection, as nothing else tells that somebody is there.

        Raises:
            HostNotAllowed, ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: with ``stage``,
                ``code``, ``field``, ``reply``, ``hint``, ``detail`` and ``temporary``; the connection is closed.
            SecretUnreadable: before anything was connected.
        """
        self._prepare()
        wire = Wire(
            self._open_socket(),
            deadline=self.deadline,
            on_wait=self._surroundings.on_wait,
            wait_slice=self._surroundings.wait_slice,
        )
        try:
            wire.limits = Limits.before_login(self.policy.max_reply_bytes)
            wire.scrubber = self.scrubber
            dialogue = Dialogue(wire)
            self._log_in(dialogue, self._greet(dialogue))
        except BaseException:  # no socket stays open, whatever on_wait or on_stage raises
            wire.close()
            raise
        return dialogue

    def _greet(self, dialogue: Dialogue) -> Reply:
        """Greeting, capabilities and TLS, in the order that the security asks for; returns the greeting."""
        security, wire = self.settings.security, dialogue.wire
        started = self._connect_started
        if security is Security.TLS:
            started = self._done(Stage.CONNECT, started, peer(wire))
            self._secure(wire)
            started = self._done(Stage.TLS, started, protection(wire))
            greeting = self._read_greeting(dialogue)
            self._ask_capabilities(dialogue)
            self._done(Stage.BANNER, started, greeting.text)
            return greeting
        greeting = self._read_greeting(dialogue)
        started = self._done(Stage.CONNECT, started, greeting.text)
        offered = self._ask_capabilities(dialogue)
        spent = monotonic() - started
        if security is Security.STARTTLS or (
            security is Security.OPPORTUNISTIC and "STARTTLS" in offered and greeting.status != "PREAUTH"
        ):
            started = monotonic()
            self._starttls(dialogue, greeting, offered)
            started = self._done(Stage.TLS, started, protection(wire))
            self._ask_capabilities(dialogue)
            spent += monotonic() - started
        self._done(Stage.BANNER, monotonic() - spent, greeting.text)
        return greeting

    def _read_greeting(self, dialogue: Dialogue) -> Reply:
        try:
            return dialogue.greeting(self.timeouts.banner)
        except ByeError as bye:
            raise ConnectionFailed(
                "The server does not accept connections now.",
                stage=Stage.BANNER,
                code=ErrorCode.CONNECT_FAILED,
                field="host",
                reply=bye.reply,
            ) from None
        except BadAnswerError as error:
            raise broken(f"This is no mail server, or a broken one: {error}.", Stage.BANNER) from None
        except OSError as error:
            raise self._lost(Stage.BANNER, error) from None

    def _ask_capabilities(self, dialogue: Dialogue) -> frozenset[str]:
        """Return what the server can do, which it may have said by itself."""
        if dialogue.capabilities is None:
            reply = self._run(dialogue, Stage.BANNER, lambda: b"CAPABILITY\r\n")
            if not reply.is_ok:
                raise broken("The server's answer is not one that belongs here.", Stage.BANNER, reply=reply)
        offered = dialogue.capabilities or frozenset()
        if offered.isdisjoint({"IMAP4REV1", "IMAP4REV2"}):
            raise broken("The server speaks no IMAP that is understood here.", Stage.BANNER, temporary=False)
        return offered

    def _starttls(self, dialogue: Dialogue, greeting: Reply, offered: frozenset[str]) -> None:
        # Who is logged in already can start no encryption (RFC 3501 §6.2.1), and nobody knows as whom.
        if "STARTTLS" not in offered or greeting.status == "PREAUTH":
            hint = "Choose another port or TLS. Nothing was sent without encryption."
            reply = greeting if greeting.status == "PREAUTH" else None
            raise tls_failed("The server offers no STARTTLS.", hint=hint, reply=reply)
        verdict = self._run(dialogue, Stage.TLS, lambda: b"STARTTLS\r\n")
        if not verdict.is_ok:
            raise tls_failed("The server refused STARTTLS.", reply=verdict, temporary=verdict.is_for_now)
        if dialogue.wire.has_unread:  # somebody put words into the server's mouth (RFC 3501 §6.2.1)
            raise broken(
                "Something was sent between STARTTLS and the encryption: the connection is tampered with.",
                Stage.TLS,
                temporary=False,
            )
        self._secure(dialogue.wire)
        dialogue.capabilities = None

    def _log_in(self, dialogue: Dialogue, greeting: Reply) -> None:
        settings = self.settings
        started = monotonic()
        if settings.authentication is not Authentication.NONE:
            if not self._encrypted:
                self._require_encryption_for_login()
            reply = greeting if greeting.status == "PREAUTH" else self._authenticate(dialogue)
            self._ask_capabilities(dialogue)
            self._enable(dialogue)
            self._done(Stage.LOGIN, started, reply.text)
        elif greeting.status != "PREAUTH":
            raise refused("A user name is needed to log in.", field="username")
        else:
            self._enable(dialogue)

    def _authenticate(self, dialogue: Dialogue) -> Reply:
        offered = dialogue.capabilities or frozenset()
        dialogue.capabilities = None  # it may offer more to whom it knows

        def exchange(*pieces: Piece) -> Reply:
            return self._run(dialogue, Stage.LOGIN, *pieces)

        try:
            return sasl.log_in(self.settings, offered, exchange, encrypted=self._encrypted)
        except LoginRefused as error:
            # Names of mechanisms are the server's words, too.
            said = token_error(dialogue.challenge.decode("ascii", "replace").strip())
            error.detail = self.scrubber.clean(error.detail or said)
            raise

    def _enable(self, dialogue: Dialogue) -> None:
        """Agree on extensions; a server that does not want to is served without."""
        offered = dialogue.capabilities or frozenset()
        wanted = [name for name in _WANTED if name in offered]
        if "ENABLE" not in offered or not wanted:
            return
        found: set[str] = set()

        def take(data: Data | Reply) -> None:
            if isinstance(data, Data) and data.name == "ENABLED":
                found.update(word.upper() for word in as_words(data.values()))

        command = Command(f"ENABLE {' '.join(wanted)}").pieces()[0]
        self._run(dialogue, Stage.LOGIN, lambda: command, on_data=take)
        self.enabled = frozenset(found.intersection(wanted))

    def _run(self, dialogue: Dialogue, stage: Stage, *pieces: Piece, on_data: OnData | None = None) -> Reply:
        try:
            return dialogue.run(*pieces, seconds=self.timeouts.command, on_data=on_data)
        except ByeError as bye:
            raise ConnectionFailed(
                "The server ended the connection.",
                stage=stage,
                code=ErrorCode.CONNECT_FAILED,
                field="host",
                reply=bye.reply,
            ) from None
        except BadAnswerError as error:
            raise broken(f"This is no mail server, or a broken one: {error}.", stage) from None
        except OSError as error:
            raise self._lost(stage, error) from None
