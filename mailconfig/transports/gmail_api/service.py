"""Gmail's interface for one mailbox: who asks, over which connection, and what it means when no answer of Gmail's comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from urllib.parse import urlencode

from mailconfig.exceptions import AnswerTooLarge, LoginRefused, TokenRefused, TransportError
from mailconfig.transports.breaks import broken, ended
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.credentials import check_credentials, refused
from mailconfig.transports.http import HttpRequest, OpenAnswer, open_request
from mailconfig.transports.http.kept import KeptConnection
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.oauth2 import CHECK_REGISTRATION, CONNECT_AGAIN
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Remedy, Stage

from . import hints
from .answers import SWITCHED_OFF, TOO_FEW_RIGHTS, Reply, hint_for, read_reply

NAME = "gmail_api"
USUAL_URL = "https://gmail.googleapis.com/"
MOST_BYTES = 2 * 1024 * 1024
"""Of one answer that is read whole."""
_OF_GOOGLE = frozenset({"gmail.com", "googlemail.com"})

Query = Mapping[str, str | int | list[str]]


class Service:
    """Asks one thing after another. Not for two threads at a time."""

    def __init__(self, settings: ConnectionSettings, surroundings: Surroundings) -> None:
        """Refuse what needs no connection to be refused; connect to nobody yet.

        Raises:
            LoginRefused, SecretUnreadable: nothing is connected.
        """
        if settings.authentication is not Authentication.OAUTH2:
            raise refused(hints.NEEDS_TOKEN, field="authentication", hint=hints.CHOOSE_OAUTH2)
        check_credentials(settings)
        token = settings.secret.reveal() if settings.secret is not None else ""
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise refused(hints.BAD_TOKEN, field="secret")
        self.settings = settings
        self.surroundings = replace(surroundings, policy=surroundings.web_policy or surroundings.policy)
        self.scrubber = Scrubber.for_login(settings.username, token)
        self.closed = False
        self.history_id = ""
        """Gmail's number for how the mailbox was when the session began."""
        self._url = surroundings.service_urls.get(NAME) or USUAL_URL
        self._deadline = Deadline(surroundings.timeouts.total)
        self._connection = KeptConnection(self.surroundings, most_bytes=MOST_BYTES)

    def log_in(self, *, reads: bool) -> None:
        """Ask whose mailbox it is, and tell of the stage.

        Args:
            reads: whether the session needs the right to read. One that only sends may be told nothing, and is let in.

        Raises:
            ConnectionFailed, TLSFailed, LoginRefused, SessionLost, ProtocolError: it is closed then.
        """
        started = monotonic()
        try:
            reply = self.ask("profile", Stage.LOGIN)
            may_not_ask = not reads and reply.status == 403 and bool(reply.reasons & TOO_FEW_RIGHTS)
            if not may_not_ask:
                self._take_profile(reply)
            if not self._url.startswith("https:"):
                self._note(Stage.TLS, started, "none")
            self._note(
                Stage.LOGIN, started, "not told whose mailbox it is" if may_not_ask else self._address(reply)
            )
        except BaseException:  # no connection stays open, whatever on_wait or on_stage raises
            self.close()
            raise

    def _take_profile(self, reply: Reply) -> None:
        self.require_success(reply, Stage.LOGIN)
        found = (reply.data or {}).get("historyId")
        self.history_id = found if isinstance(found, str) else ""
        if not self._address(reply) or not is_number(self.history_id):
            raise broken(hints.NO_GMAIL, Stage.LOGIN, reply=reply.answer)
        if _mailbox(self._address(reply)) != _mailbox(self.settings.username):
            raise refused(
                hints.ANOTHER_MAILBOX, field="username", hint=hints.SAME_ADDRESS, detail=self._address(reply)
            )

    def _address(self, reply: Reply) -> str:
        found = (reply.data or {}).get("emailAddress")
        return self.scrubber.clean(found) if isinstance(found, str) else ""

    def ask(
        self,
        path: str,
        stage: Stage,
        *,
        query: Query | None = None,
    ) -> Reply:
        """Ask for something and return what came, which may be a refusal.

        Args:
            path: below the mailbox.
            stage: that an error names.
            query: parameters.

        Raises:
            LoginRefused: the token is not taken.
            ConnectionFailed, TLSFailed, SessionLost, ProtocolError: the session is over.
            AnswerTooLarge: the answer is longer than :data:`MOST_BYTES`; the session goes on.
        """
        return self._send(
            self._request(f"gmail/v1/users/me/{path}", query), stage, self.surroundings.timeouts.command
        )

    def upload(self, data: bytes, *, seconds: float, before_sending: Callable[[], None]) -> Reply:
        """Hand a mail over, and return what came.

        Args:
            data: all of it.
            seconds: for all of it.
            before_sending: called right before the first byte goes out; what it raises passes through.

        Raises:
            As :meth:`ask`; ``ambiguous``: it may be out.
        """
        query = {"uploadType": "media", "fields": "id,threadId"}
        request = self._request("upload/gmail/v1/users/me/messages/send", query)
        request = replace(
            request,
            method="POST",
            headers=(*request.headers, ("Content-Type", "message/rfc822")),
            body=data,
        )
        return self._send(request, Stage.DOT, seconds, before_sending=before_sending)

    @contextmanager
    def open(self, path: str, stage: Stage, *, query: Query, most_bytes: int) -> Iterator[OpenAnswer]:
        """Ask for something that is read as far as it is wanted, over a connection of its own.

        Raises:
            As :meth:`ask`.
        """
        request = self._request(f"gmail/v1/users/me/{path}", query)
        deadline = self._deadline.within(self.surroundings.timeouts.transaction)
        quiet = replace(self.surroundings, on_stage=None)
        try:
            with open_request(request, quiet, most_bytes=most_bytes, deadline=deadline) as answer:
                yield answer
        except TransportError as error:
            self.close()
            raise _at(error, stage) from None

    def _send(
        self,
        request: HttpRequest,
        stage: Stage,
        seconds: float,
        *,
        before_sending: Callable[[], None] | None = None,
    ) -> Reply:
        if self.closed:
            raise ended("The session is over.", stage)
        deadline = self._deadline.within(seconds)
        try:
            answer = self._connection.send(request, deadline=deadline, before_sending=before_sending)
        except TransportError as error:
            if before_sending is not None or not isinstance(error, AnswerTooLarge):
                self.close()
            raise _at(error, stage) from None
        except BaseException:
            # Nothing was sent, or nobody knows: what comes next over this connection may belong to it.
            self._connection.close()
            raise
        reply = read_reply(answer, self.scrubber)
        if reply.status == 401:
            self.close()
            raise refused(hints.TOKEN_REFUSED, field="secret", reply=reply.answer)
        return reply

    def _request(self, path: str, query: Query | None) -> HttpRequest:
        secret = self.settings.secret
        token = secret.reveal() if secret is not None else ""
        url = f"{self._url}{path}"
        return HttpRequest(
            url=f"{url}?{urlencode(query, doseq=True)}" if query else url,
            headers=(("Authorization", f"Bearer {token}"), ("Accept", "application/json")),
        )

    def require_success(self, reply: Reply, stage: Stage) -> None:
        """Refuse to go on where a question about the mailbox was answered with a no.

        Raises:
            LoginRefused: whoever asks may not.
            SessionLost: not now.
            ProtocolError: the answer makes no sense.
        """
        if reply.is_success:
            return
        self.close()
        if reply.is_of_rate:
            raise ended(hints.BUSY, stage, reply.answer)
        if reply.status >= 500:
            raise ended(hints.NO_TIME, stage, reply.answer)
        if reply.status == 403:
            raise _refusal(reply)
        if "failedPrecondition" in reply.reasons:
            raise refused(hints.NO_MAILBOX, field="username", reply=reply.answer)
        raise broken(hints.NO_GMAIL, stage, reply=reply.answer)

    def _note(self, stage: Stage, started: float, detail: str) -> None:
        if self.surroundings.on_stage is not None:
            self.surroundings.on_stage(stage, monotonic() - started, detail)

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.closed = True
        self._connection.close()


def is_number(text: str) -> bool:
    """Return whether a text is one of Gmail's numbers, which have 64 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def _refusal(reply: Reply) -> LoginRefused:
    """Return the error for a mailbox that whoever asks may not see, by who has to act."""
    if reply.reasons & TOO_FEW_RIGHTS:
        return _token_refused(hints.TOO_FEW_RIGHTS, Remedy.CONNECT, CONNECT_AGAIN, reply)
    if reply.reasons & SWITCHED_OFF:
        return _token_refused(hints.SWITCHED_OFF, Remedy.REGISTRATION, hints.SWITCH_ON, reply)
    hint = hint_for(reply) or CHECK_REGISTRATION
    return _token_refused(hints.NOT_ALLOWED, Remedy.REGISTRATION, hint, reply)


def _token_refused(message: str, remedy: Remedy, hint: str, reply: Reply) -> TokenRefused:
    return TokenRefused(
        message,
        remedy=remedy,
        error="refused_by_server",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        reply=reply.answer,
        hint=hint,
        temporary=False,
    )


def _at(error: TransportError, stage: Stage) -> TransportError:
    """Return the error of a request at the stage that it is part of, and about a field that accounts have."""
    error.ambiguous = error.ambiguous and stage is Stage.DOT
    if error.stage is Stage.REQUEST:
        error.stage = stage
    if error.field == "url":
        error.field = "host"
    return error


def _mailbox(address: str) -> str:
    """Return an address in one spelling: Gmail's own ones have dots and a suffix as anybody likes."""
    name, _, domain = address.strip().casefold().rpartition("@")
    if domain in _OF_GOOGLE:
        return f"{name.partition('+')[0].replace('.', '')}@gmail.com"
    return f"{name}@{domain}"
