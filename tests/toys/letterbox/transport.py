"""Sending by a letterbox: connection and token at the opening, then a request for each mail."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from typing import Any

from mailconfig.exceptions import LoginRefused, SessionLost
from mailconfig.transports.contract import (
    Blame,
    Deliveries,
    Delivery,
    Journal,
    Judgement,
    Matter,
    Outcome,
    Session,
    SessionEnd,
    Surroundings,
    Verdict,
)
from mailconfig.transports.network import gate
from mailconfig.values import Answer, ConnectionSettings, ErrorCode, Stage


class LetterboxTransport:
    """See :class:`mailconfig.transports.contract.Transport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.LOGIN, Stage.SENDER)

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Session:
        """Connect through the gate, and show the token."""
        on_stage, policy = surroundings.on_stage, surroundings.policy
        started = monotonic()
        host = gate.vet_host(settings.host, settings.port, policy)
        addresses = gate.resolve(host, settings.port, policy, resolver=surroundings.resolver)
        if on_stage is not None:
            on_stage(Stage.RESOLVE, monotonic() - started, "")
        seconds = surroundings.timeouts.connect
        sock = gate.connect(addresses, host, settings.port, policy, seconds=seconds)
        if on_stage is not None:
            on_stage(Stage.CONNECT, monotonic() - started, "")
        sock.settimeout(surroundings.timeouts.command)
        connection = HTTPConnection(host, settings.port)
        connection.sock = sock
        connection.auto_open = 0  # once it is closed, only the gate opens another
        session = LetterboxSession(connection, settings, surroundings)
        session.log_in()
        return session


class LetterboxSession:
    """See :class:`mailconfig.transports.contract.Session`. The point of no return is the request's body."""

    def __init__(
        self, connection: HTTPConnection, settings: ConnectionSettings, surroundings: Surroundings
    ) -> None:
        self.opened_at = monotonic()
        self.handed_over = 0
        self.closed = False
        self.end: SessionEnd | None = None
        self._connection = connection
        token = settings.secret.reveal() if settings.secret else ""
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._on_stage = surroundings.on_stage

    def log_in(self) -> None:
        """Ask whether the token is right."""
        status, content, _ = self._ask("GET", "/", Stage.LOGIN)
        if status != 200:
            self.close()
            raise LoginRefused(
                "The token was refused.",
                stage=Stage.LOGIN,
                code=ErrorCode.AUTH_FAILED,
                field="secret",
                reply=Answer(status, str(content.get("error", ""))),
                temporary=False,
            )
        self._note(Stage.LOGIN)

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Post one letter after another."""
        while not self.closed and (delivery := deliveries.next()) is not None:
            journal.start(accepted=len(delivery.envelope.recipients))
            letter = _letter(delivery)
            if not journal.allows():
                deliveries.put_back()
                return
            yield self._post(delivery, letter, journal)

    def _post(self, delivery: Delivery, letter: str, journal: Journal) -> Outcome:
        mails = self.handed_over
        self.handed_over += 1
        journal.passed()
        try:
            status, content, retry_after = self._ask("POST", "/letters", Stage.DOT, letter)
        except SessionLost as error:
            self.end = SessionEnd(mails=mails, error=error, blame=Blame.MESSAGE)
            words = Judgement(Verdict.RETRY, Answer(0, str(error)))
            return Outcome(stage=Stage.DOT, whole=words, handed_over=True, error=error)
        if status == 429:
            words = Judgement(
                Verdict.SERVER_LIMIT,
                Answer(status, str(content.get("error", ""))),
                temporary=True,
                rest_seconds=retry_after,
            )
            return Outcome(stage=Stage.DOT, whole=words)
        recipients = tuple(
            _unknown() if address in content["refused"] else Judgement(Verdict.ACCEPTED, Answer(status))
            for address in delivery.envelope.recipients
        )
        self._note(Stage.SENDER, Stage.RECIPIENT, Stage.DOT)
        anybody = any(each.verdict is Verdict.ACCEPTED for each in recipients)
        return Outcome(
            stage=Stage.DOT if anybody else Stage.RECIPIENT,
            whole=Judgement(Verdict.ACCEPTED, Answer(status, "taken")),
            recipients=recipients,
            handed_over=anybody,
        )

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Ask whether one may send from there."""
        status, content, _ = self._ask("GET", f"/senders/{sender}", Stage.SENDER)
        answer = Answer(status, str(content.get("error", "")))
        if status == 200:
            return (Judgement(Verdict.ACCEPTED, answer),)
        return (Judgement(Verdict.SENDER_REFUSED, answer, matter=Matter.SENDER),)

    def _ask(
        self, verb: str, path: str, stage: Stage, body: str | None = None
    ) -> tuple[int, dict[str, Any], float | None]:
        try:
            self._connection.request(verb, path, body, self._headers)
            response: HTTPResponse = self._connection.getresponse()
            content = json.loads(response.read() or b"{}")
        except (OSError, HTTPException) as error:
            self.close()
            raise SessionLost(
                "The connection was lost.",
                stage=stage,
                code=ErrorCode.CONNECT_FAILED,
                detail=str(error),
                ambiguous=body is not None,
            ) from None
        seconds = response.headers["Retry-After"]
        return response.status, content, float(seconds) if seconds else None

    def _note(self, *stages: Stage) -> None:
        for stage in stages if self._on_stage is not None else ():
            self._on_stage(stage, 0.0, "200")  # type: ignore[misc]  # asked right above

    def noop(self) -> None:
        """Ask for nothing."""
        self._ask("GET", "/", Stage.SENDER)

    def quit(self) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close."""
        self.closed = True
        self._connection.close()


def _letter(delivery: Delivery) -> str:
    body = base64.b64encode(b"".join(delivery.chunks())).decode()
    envelope = delivery.envelope
    return json.dumps({"sender": envelope.sender, "recipients": envelope.recipients, "body": body})


def _unknown() -> Judgement:
    return Judgement(Verdict.FAIL, Answer(404, "nobody of that name"), matter=Matter.RECIPIENT)
