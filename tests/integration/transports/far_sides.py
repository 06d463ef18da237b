"""The far side of each transport, as the suite over all of them needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from mailconfig.testing import outbox
from mailconfig.transports.contract import Delivery, Surroundings, Transport
from mailconfig.transports.registry import register, transport_for
from mailconfig.values import Authentication, ConnectionSettings, Envelope, NetworkPolicy, Secret, Security
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.ews import FakeEWS, Fault
from tests.servers.faults import Close, Reply
from tests.servers.gmail import ADDRESS, TOKEN, FakeGmail, error
from tests.servers.gmail import Fault as GmailFault
from tests.servers.services import KEY, Said, ServiceServer
from tests.toys import letterbox
from tests.toys.letterbox.server import LetterboxServer

USER = "me"
PASSWORD = "not-a-real-password"
READ_IN_TWO_WAYS = (
    "To: you@example.net, <broken@@example\r\n",
    "To: you@example.net\r\nTo: you@example.net\r\n",
    "To: you@example.net\r\nBcc: you@example.net\r\n",
    "To: you@example.net\r\nno field\r\nCc: else@example.net\r\n",
    "To: you@example.net\r\nCc : else@example.net\r\n",
    "To: you@example.net\r\nX: y\rCc: else@example.net\r\n",
    "To: you@example.net\r\nCc: else@example.net,\r\n\tyou (and (others\r\n",
    "To: you@example.net\r\nCc: some: else@example.net;\r\n",
    "To: you@example.net, =?utf-8?q?else=40example=2Enet?=\r\n",
    "To: you@example.net\r\nCc: \u212ayou@example.net\r\n",
    "To: you@example.net\r\nResent-To: else@example.net\r\n",
    "Resent-Cc: you@example.net\r\nSubject: sent on, to nobody else\r\n",
    "To: you@example.net\r\nResent-To: you@example.net\r\nResent-To: else@example.net\r\n",
)
"""Headers that may name somebody besides you, whatever a parser takes them for."""
Received = tuple[str, tuple[str, ...], bytes]
"""Sender, recipients and body of a mail."""


class FarSide(Protocol):
    """What takes mail at the other end."""

    name: ClassVar[str]
    """The send method; for the outbox, that of an account which it takes the place of."""
    can: ClassVar[frozenset[str]]
    """The faults that it can be made to show: names of the methods below."""
    port: int

    @property
    def received(self) -> list[Received]: ...

    def refuse_recipient(self, address: str) -> None: ...

    def refuse_sender(self, address: str) -> None: ...

    def limit(self) -> None:
        """Say that the account has sent enough for now."""

    def vanish_with_next(self) -> None:
        """End the connection once the next mail is there, without an answer."""


class SMTPFarSide:
    """A mail server."""

    name: ClassVar[str] = "smtp"
    can: ClassVar[frozenset[str]] = frozenset(
        {"refuse_recipient", "refuse_sender", "limit", "vanish_with_next"}
    )

    def __init__(self, server: ChaosServer) -> None:
        self.server = server
        self.port = server.port

    @property
    def received(self) -> list[Received]:
        return [(mail.mail_from, mail.recipients, mail.data) for mail in self.server.messages]

    def refuse_recipient(self, address: str) -> None:
        self.server.on("rcpt", Reply.of("550 5.1.1 no such user"), when=lambda line: address in line)

    def refuse_sender(self, address: str) -> None:
        self.server.on("mail", Reply.of("553 5.7.1 not owned by you"), when=lambda line: address in line)

    def limit(self) -> None:
        self.server.on("dot", Reply.of("451 4.7.0 sending rate limit exceeded, try again in 120 seconds"))

    def vanish_with_next(self) -> None:
        self.server.on("dot", Close(), accept=True, at=1)


class LetterboxFarSide:
    """The toy."""

    name: ClassVar[str] = "letterbox"
    can: ClassVar[frozenset[str]] = SMTPFarSide.can

    def __init__(self, server: LetterboxServer) -> None:
        self.server = server
        self.port = server.port

    @property
    def received(self) -> list[Received]:
        return [(letter.sender, letter.recipients, letter.body) for letter in self.server.letters]

    def refuse_recipient(self, address: str) -> None:
        self.server.unknown.add(address)

    def refuse_sender(self, address: str) -> None:
        self.server.strangers.add(address)

    def limit(self) -> None:
        self.server.busy_for = 120

    def vanish_with_next(self) -> None:
        self.server.hangs_up = True


class ExchangeFarSide:
    """Exchange, which says nothing of single recipients, nor of senders before it is to send."""

    name: ClassVar[str] = "ews"
    can: ClassVar[frozenset[str]] = frozenset({"limit", "vanish_with_next"})

    def __init__(self, server: FakeEWS) -> None:
        self.server = server
        self.port = server.port

    @property
    def received(self) -> list[Received]:
        return [("me@example.com", mail.recipients, mail.data) for mail in self.server.sent]

    def refuse_recipient(self, address: str) -> None: ...

    def refuse_sender(self, address: str) -> None: ...

    def limit(self) -> None:
        self.server.faults["CreateItem"] = Fault("ErrorServerBusy", back_off=120_000)

    def vanish_with_next(self) -> None:
        self.server.faults["CreateItem"] = Fault(hangs_up=True, does_it=True)
        self.server.once.add("CreateItem")


class OutboxFarSide:
    """A list in memory."""

    name: ClassVar[str] = "smtp"
    can: ClassVar[frozenset[str]] = frozenset()
    port = 2525

    @property
    def received(self) -> list[Received]:
        return [(mail.sender, mail.recipients, mail.body) for mail in outbox]

    def refuse_recipient(self, address: str) -> None: ...

    def refuse_sender(self, address: str) -> None: ...

    def limit(self) -> None: ...

    def vanish_with_next(self) -> None: ...


class SendGridFarSide:
    """A mail service, of whose mails the subject and the text are seen."""

    name: ClassVar[str] = "sendgrid"
    can: ClassVar[frozenset[str]] = frozenset({"limit", "vanish_with_next"})

    def __init__(self, server: ServiceServer) -> None:
        self.server = server
        self.port = server.port

    @property
    def received(self) -> list[Received]:
        return [
            (
                mail.said["from"]["email"],
                mail.recipients,
                f"Subject: {mail.said['subject']}\n\n{mail.said['content'][0]['value']}".replace(
                    "\n", "\r\n"
                ).encode(),
            )
            for mail in self.server.mails
        ]

    def refuse_recipient(self, address: str) -> None: ...

    def refuse_sender(self, address: str) -> None: ...

    def limit(self) -> None:
        words = {"errors": [{"message": "too many requests", "field": None}]}
        self.server.faults += [Said(429, words, (("Retry-After", "120"),))] * 9

    def vanish_with_next(self) -> None:
        self.server.faults.append("hang up")


class GmailFarSide:
    """Gmail, which says nothing of single recipients, nor of senders before it is to send."""

    name: ClassVar[str] = "gmail_api"
    can: ClassVar[frozenset[str]] = frozenset({"limit", "vanish_with_next"})

    def __init__(self, server: FakeGmail) -> None:
        self.server = server
        self.port = server.port

    @property
    def received(self) -> list[Received]:
        return [("me@example.com", mail.recipients, mail.data) for mail in self.server.sent]

    def refuse_recipient(self, address: str) -> None: ...

    def refuse_sender(self, address: str) -> None: ...

    def limit(self) -> None:
        fault = error(429, "rateLimitExceeded", "User-rate limit exceeded.", domain="usageLimits")
        fault.headers = {"Retry-After": "120"}
        self.server.faults["messages.send"] = fault

    def vanish_with_next(self) -> None:
        self.server.faults["messages.send"] = GmailFault(hangs_up=True, does_it=True, left=1)


FAR_SIDES = ("smtp", "outbox", "letterbox", "ews", "sendgrid", "gmail_api")
LOGS_IN = frozenset({"letterbox", "ews"})
SERVICES = frozenset({"sendgrid", "gmail_api"})
"""Far sides that a deployment names, not the account."""


@contextmanager
def far_side(name: str, certificates: Certificates) -> Iterator[FarSide]:
    """One of :data:`FAR_SIDES`, ready to take mail."""
    if name == "smtp":
        with ChaosServer() as server:
            yield SMTPFarSide(server)
    elif name == "letterbox":
        register("letterbox", letterbox.TRANSPORT)
        with LetterboxServer(token=PASSWORD) as box:
            yield LetterboxFarSide(box)
    elif name == "ews":
        with FakeEWS(tls=certificates.good, credentials={USER: PASSWORD}) as exchange:
            yield ExchangeFarSide(exchange)
    elif name == "sendgrid":
        with ServiceServer() as service:
            yield SendGridFarSide(service)
    elif name == "gmail_api":
        with FakeGmail() as gmail:
            yield GmailFarSide(gmail)
    else:
        yield OutboxFarSide()


def transport_to(name: str) -> Transport:
    """The transport that leads to it."""
    return transport_for(name)


def settings_to(far: FarSide) -> ConnectionSettings:
    """What an account that sends there says; the letterbox wants its token, Exchange a login, a service its key."""
    ways = {"letterbox": Authentication.OAUTH2, "ews": Authentication.PASSWORD}
    if far.name == "gmail_api":
        return ConnectionSettings(
            host="gmail.googleapis.com",
            port=443,
            security=Security.TLS,
            authentication=Authentication.OAUTH2,
            username=ADDRESS,
            secret=Secret(TOKEN),
        )
    if far.name in SERVICES:
        return ConnectionSettings(
            host="",
            port=443,
            security=Security.TLS,
            authentication=Authentication.PASSWORD,
            secret=Secret(KEY),
        )
    return ConnectionSettings(
        host="127.0.0.1",
        port=far.port,
        security=Security.NONE,
        authentication=ways.get(far.name, Authentication.NONE),
        username=USER if far.name in LOGS_IN else "",
        secret=Secret(PASSWORD) if far.name in LOGS_IN else None,
    )


def surroundings_to(far: FarSide, policy: NetworkPolicy) -> Surroundings:
    """The deployment, which says where services live."""
    if far.name not in SERVICES:
        return Surroundings(policy=policy)
    web = replace(policy, allow_plain_http=True)
    return Surroundings(policy=policy, web_policy=web, service_urls=urls_of(far))


def urls_of(far: FarSide) -> dict[str, str]:
    """Where a service lives."""
    path = "" if far.name == "gmail_api" else f"{far.name}/"
    return {far.name: f"http://127.0.0.1:{far.port}/{path}"}


@dataclass
class Mail:
    """A delivery of the suite's own."""

    envelope: Envelope
    body: bytes
    error: Exception | None = None

    def chunks(self) -> Iterator[bytes]:
        """The body, or the error it is made to raise."""
        if self.error is not None:
            raise self.error
        yield self.body


def mail(number: int, *more: str, error: Exception | None = None) -> Mail:
    """A mail from me to somebody, and to ``more``."""
    body = f"Subject: Mail {number}\r\n\r\nText {number}\r\n".encode()
    envelope = Envelope("me@example.com", (f"to{number}@example.net", *more), len(body))
    return Mail(envelope, body, error)


class Tray:
    """Deliveries and journal of the suite's own; notes what it is asked, with how much had arrived by then."""

    def __init__(self, far: FarSide, mails: Sequence[Mail], *, refuses: Mail | None = None) -> None:
        self.far, self.refuses = far, refuses
        self.waiting = list(mails)
        self.put_back_mails: list[Mail] = []
        self.allowed_when: list[int] = []
        self.started_for: list[int] = []
        self.passed_count = 0
        self._in_hand: Mail | None = None

    def next(self) -> Delivery | None:
        self._in_hand = self.waiting.pop(0) if self.waiting else None
        return self._in_hand

    def peek(self) -> Delivery | None:
        return self.waiting[0] if self.waiting else None

    def put_back(self, *, refused_behind: bool = False) -> None:
        assert self._in_hand is not None
        self.put_back_mails.append(self._in_hand)
        self._in_hand = None

    def start(self, *, accepted: int) -> None:
        self.started_for.append(accepted)

    def allows(self) -> bool:
        self.allowed_when.append(len(self.far.received))
        return self._in_hand is not self.refuses

    def passed(self) -> None:
        self.passed_count += 1
