"""The web service of one mailbox: who asks, over which connection, and what it means when no answer of Exchange's comes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic

from mailconfig.exceptions import HostNotAllowed, LoginRefused, ProtocolError, TLSFailed, TransportError
from mailconfig.transports.breaks import broken, ended
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.credentials import check_credentials, refused
from mailconfig.transports.http import HttpAnswer, HttpRequest, open_request
from mailconfig.transports.http.kept import KeptConnection
from mailconfig.transports.network import hints as common
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.scrubber import Scrubber
from mailconfig.transports.xml import BadXML, Reading
from mailconfig.values import Answer, Authentication, ConnectionSettings, ErrorCode, Security, Stage

from . import hints
from .answers import Response, judgement_of, read_answer, responses_of
from .requests import envelope

MOST_BYTES = 16 * 1024 * 1024
"""Of one answer: what is asked for together is far less."""
USUAL_PATH = "/EWS/Exchange.asmx"
NO_EXCHANGE = "No Exchange answers here, or a broken one."


class Service:
    """Asks one thing after another. Not for two threads at a time."""

    def __init__(self, settings: ConnectionSettings, surroundings: Surroundings) -> None:
        """Refuse what needs no connection to be refused; connect to nobody yet.

        Raises:
            HostNotAllowed, LoginRefused, TLSFailed, SecretUnreadable: nothing is connected.
        """
        if not settings.host:
            raise HostNotAllowed(
                "The address of Exchange's web service is missing.",
                stage=Stage.RESOLVE,
                code=ErrorCode.HOST_NOT_ALLOWED,
                field="host",
                hint=hints.ADDRESS,
                temporary=False,
            )
        self.settings = settings
        self.surroundings = _surroundings(settings, surroundings)
        check_credentials(settings)
        if settings.authentication is Authentication.NONE:
            raise refused("A user name is needed to log in.", field="username")
        self.scrubber = Scrubber()
        if settings.secret is not None:
            self.scrubber = Scrubber.for_login(settings.username, settings.secret.reveal())
        self.closed = False
        self._deadline = Deadline(surroundings.timeouts.total)
        self._connection = KeptConnection(self.surroundings, most_bytes=MOST_BYTES)

    def ask(
        self,
        operation: str,
        stage: Stage,
        *,
        seconds: float | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> tuple[Response, ...]:
        """Ask for something and return what came, which may be a refusal.

        Args:
            operation: of :mod:`.requests`.
            stage: that an error names.
            seconds: for all of it; ``None``: as long as a command may take.
            before_sending: called right before the first byte goes out.

        Raises:
            LoginRefused: nobody is let in so.
            ConnectionFailed, TLSFailed, SessionLost, ProtocolError: the session is over; ``ambiguous``: it may be done.
        """
        if self.closed:
            raise ended("The session is over.", stage)
        deadline = self._deadline.within(self.surroundings.timeouts.command if seconds is None else seconds)
        try:
            answer = self._connection.send(
                self._request(operation), deadline=deadline, before_sending=before_sending
            )
            found = read_answer(answer, self.scrubber)
        except BadXML:
            self.close()
            raise _no_exchange(stage, ambiguous=before_sending is not None) from None
        except TransportError as error:
            self.close()
            raise _at(error, stage, is_hand_over=before_sending is not None) from None
        except BaseException:
            # Nothing was sent, or nobody knows: what the far side says next may belong to it.
            self._connection.close()
            raise
        self._require_login(answer, found, stage)
        return found

    def ask_for_part(self, operation: str, stage: Stage, *, cut: str, most: int) -> tuple[Response, ...]:
        """Ask for something of which one element is read as far as that is wanted, over a connection of its own.

        Args:
            operation: of :mod:`.requests`.
            stage: that an error names.
            cut: name of the element.
            most: characters of it.

        Raises:
            As :meth:`ask`.
        """
        if self.closed:
            raise ended("The session is over.", stage)
        deadline = self._deadline.within(self.surroundings.timeouts.transaction)
        reading = Reading(cut=cut, most=most)
        limit = 2 * MOST_BYTES + 64 * most
        try:
            with open_request(
                self._request(operation), self._quiet(), most_bytes=limit, deadline=deadline
            ) as answer:
                for chunk in _until_enough(answer.chunks(), reading):
                    reading.feed(chunk)
                status = answer.status
            root = reading.root if reading.is_enough else reading.close()
        except BadXML:
            self.close()
            raise _no_exchange(stage) from None
        except TransportError as error:
            self.close()
            raise _at(error, stage) from None
        found = responses_of(root, self.scrubber, status=status)
        if not found and reading.is_enough:
            # The message was cut before it ended, so that only its beginning is there.
            found = (Response(code="NoError", element=root),)
        if not found:
            self.close()
            raise _no_exchange(stage)
        return found

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.closed = True
        self._connection.close()

    def _request(self, operation: str) -> HttpRequest:
        settings = self.settings
        secret = settings.secret.reveal() if settings.secret is not None else ""
        if settings.authentication is Authentication.OAUTH2:
            login = f"Bearer {secret}"
        else:
            login = f"Basic {base64.b64encode(f'{settings.username}:{secret}'.encode()).decode()}"
        headers = [
            ("Authorization", login),
            ("Content-Type", "text/xml; charset=utf-8"),
            ("Accept", "text/xml"),
        ]
        acts_as = settings.username if settings.acts_as_user else ""
        if "@" in settings.username and settings.username.isascii() and settings.username.isprintable():
            headers.append(("X-AnchorMailbox", settings.username))
        return HttpRequest(
            method="POST",
            url=url_of(settings),
            headers=tuple(headers),
            body=envelope(operation, version=settings.version, acts_as=acts_as),
        )

    def _quiet(self) -> Surroundings:
        return replace(self.surroundings, on_stage=None)

    def _require_login(self, answer: HttpAnswer, found: tuple[Response, ...], stage: Stage) -> None:
        """Refuse to go on where nobody is let in."""
        if answer.status not in {401, 403, 456} or any(response.code for response in found):
            return
        self.close()
        if answer.status == 403:
            raise refused(
                "The server does not let this mailbox into its web service.",
                field="ews_endpoint",
                hint=hints.ACCESS,
                reply=Answer(answer.status, "Forbidden"),
            )
        # Challenges stand in one field or in several, each a scheme and its parameters (RFC 9110 §11.6.1).
        pieces = ",".join(answer.headers.get_all("www-authenticate")).split(",")
        offered = {parts[0].lower() for piece in pieces if (parts := piece.split()) and "=" not in parts[0]}
        wanted = "bearer" if self.settings.authentication is Authentication.OAUTH2 else "basic"
        words = self.scrubber.clean(", ".join(answer.headers.get_all("www-authenticate")))
        if offered and wanted not in offered:
            raise refused(
                "The server offers no way to log in that is known here.",
                field="authentication",
                hint=hints.NTLM if offered & {"ntlm", "negotiate"} else common.MICROSOFT_BASIC,
                reply=Answer(answer.status, words),
            )
        raise refused(
            "The server refused the login.",
            field="secret",
            hint="" if wanted == "bearer" else common.WRONG_PASSWORD,
            reply=Answer(answer.status, words or "Unauthorized"),
        )


def _at(error: TransportError, stage: Stage, *, is_hand_over: bool = False) -> TransportError:
    """Return the error of a request at the stage that it is part of, and about a field that accounts have."""
    error.ambiguous = error.ambiguous and is_hand_over
    if error.stage is Stage.REQUEST:
        error.stage = stage
    if error.field == "url":
        error.field = "host"
    return error


def url_of(settings: ConnectionSettings) -> str:
    """Return where the service is asked: always by https unless the account's own address says otherwise."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.security is Security.NONE and settings.path else "https"
    return f"{scheme}://{host}:{settings.port}{settings.path or USUAL_PATH}"


def refusal_at(response: Response, stage: Stage) -> TransportError:
    """Return the error for a question about the mailbox that was answered with a no."""
    judged = judgement_of(response)
    if response.code in {"ErrorServerBusy", ""} or judged.temporary:
        return broken(
            "The server has no time for this mailbox now." if judged.temporary else NO_EXCHANGE,
            stage,
            reply=response.answer,
            temporary=judged.temporary,
        )
    return LoginRefused(
        "The server does not let this user name into the mailbox.",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="username",
        reply=response.answer,
        hint=judged.hint,
        temporary=False,
    )


def _no_exchange(stage: Stage, *, ambiguous: bool = False) -> ProtocolError:
    error = broken(NO_EXCHANGE, stage, ambiguous=ambiguous, temporary=True)
    error.hint = hints.ADDRESS
    return error


def _until_enough(chunks: Iterator[bytes], reading: Reading) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        if reading.is_enough:
            return


def _surroundings(settings: ConnectionSettings, surroundings: Surroundings) -> Surroundings:
    """Return the surroundings for the account: without a look at the certificate only where that is allowed."""
    if settings.verifies:
        return surroundings
    if not surroundings.policy.allow_unverified_tls:
        raise TLSFailed(
            "A certificate that is not verified is not allowed here: the password was not sent.",
            stage=Stage.TLS,
            code=ErrorCode.TLS_FAILED,
            field="security",
            hint=hints.VERIFY,
            temporary=False,
        )
    return replace(surroundings, policy=replace(surroundings.policy, verify_tls=False))


def note(surroundings: Surroundings, stage: Stage, started: float, detail: str = "") -> None:
    """Tell of a stage that is done."""
    if surroundings.on_stage is not None:
        surroundings.on_stage(stage, monotonic() - started, detail)
