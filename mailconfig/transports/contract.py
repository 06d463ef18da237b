"""The contract between delivery and whatever sends, in terms of no protocol.

Delivery opens a :class:`Session` by a :class:`Transport` and iterates over ``session.send(deliveries, journal)``. The
session takes the next of the :class:`Deliveries` when it can, asks the :class:`Journal` before its own point of no
return, and yields one :class:`Outcome` for each. It has one delivery in hand at a time: from ``deliveries.next()`` until
its outcome is yielded, or until ``deliveries.put_back()``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailconfig.exceptions import TransportError
from mailconfig.transports.network.gate import Resolver, system_resolver
from mailconfig.values import Answer, ConnectionSettings, Envelope, NetworkPolicy, Stage, Timeouts


class Verdict(enum.Enum):
    """Verdicts that differ in what follows from them: for a recipient, the message, the account or the session."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    """Not now; the same delivery may be accepted later."""
    FAIL = enum.auto()
    """The message or its recipient, as far as the answer tells, however often it is tried."""
    NEXT_TRANSACTION = enum.auto()
    """Too many recipients in this one: these go in the next."""
    SERVER_LIMIT = enum.auto()
    """The server's own limit is reached: the account rests, the message is not to blame."""
    SENDER_REFUSED = enum.auto()
    """The sender of this message, and probably the account's fault: three in a row pause it."""
    ACCOUNT_REFUSED = enum.auto()
    """Surely the account's fault: three in a row pause it, and the message keeps its place."""
    NEXT_SESSION = enum.auto()
    """The server takes no more in this session: the message goes in the next one."""
    PROTOCOL = enum.auto()
    """No answer that makes sense here, or one that refuses the command itself: never the message's fault."""


class Matter(enum.Enum):
    """The part of a delivery, or of its account, that a refusal is surely about."""

    RECIPIENT = enum.auto()
    SENDER = enum.auto()
    """The address it comes from."""
    LOGIN = enum.auto()
    """It does not log in, and has to."""
    RELAY = enum.auto()
    """It may not send to others: without a login, or at all."""
    ENCRYPTION = enum.auto()
    """The connection is not encrypted."""
    CLIENT = enum.auto()
    """Where the connection comes from, or the name we introduce ourselves with."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Meaning of an answer."""

    verdict: Verdict
    answer: Answer
    matter: Matter | None = None
    """``None``: the answer does not say, or nothing was refused."""
    temporary: bool = False
    """Whether a refusal may pass without anybody changing anything."""
    hint: str = ""
    """What probably helps the person who looks after the account; one of our own sentences."""
    rest_seconds: float | None = None
    """For how long the far side wants to be left alone, where it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of one delivery. A recipient has the mail if its own verdict and that of the whole are ``ACCEPTED``."""

    stage: Stage
    """Where it was decided."""
    whole: Judgement
    """The delivery as a whole, or what was left of it: all for whom ``recipients`` says ``ACCEPTED``."""
    recipients: tuple[Judgement, ...] = ()
    """One for each recipient of the envelope, in its order; empty where they were not asked for one by one."""
    handed_over: bool = False
    """Whether the answer came after the point of no return."""
    cut_off: bool = False
    """Whether the session ended before the delivery was through."""
    error: TransportError | None = None
    """The end of a session that broke without an answer to this delivery; ``ambiguous``: it may have been accepted."""
    error_code: str = ""
    """Our own word for a refusal of ours, of what the far side has said that it does not take."""


class Blame(enum.Enum):
    """The blame for a session that ended in the middle of a delivery."""

    NOBODY = enum.auto()
    """The message keeps its place: it is the first one in the next session."""
    DOUBTFUL = enum.auto()
    """Others go first the next time, but it is none of the message's retries."""
    MESSAGE = enum.auto()
    """Others go first the next time, and it is one of the message's retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """End of a session that the far side brought about."""

    mails: int
    """Mails that were handed over in it before."""
    answer: Answer | None = None
    """Its last words."""
    goes_down: bool = False
    """The far side as a whole goes away: it is to be left alone at once."""
    error: TransportError | None = None
    """How it broke; ``None``: it was ended in good order."""
    blame: Blame = Blame.NOBODY
    is_certain: bool = False
    """Whether the far side's words say so; else nobody is to blame if mails went through since a session ended last."""


class Delivery(Protocol):
    """One message for some recipients."""

    @property
    def envelope(self) -> Envelope:
        """Return sender, recipients, size in octets and whether there are octets above 127."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Return the RFC 5322 bytes, in any pieces, once."""
        ...


class Deliveries(Protocol):
    """Deliveries that one session may take. What these methods raise passes through the session."""

    def next(self) -> Delivery | None:
        """Take the next one: the one that :meth:`peek` showed, if it did; ``None``: no more in this session, for now."""
        ...

    def peek(self) -> Delivery | None:
        """Return the one that may be begun before the outcome of the one in hand is known; ``None``: none may."""
        ...

    def put_back(self, *, refused_behind: bool = False) -> None:
        """Give the one in hand back, of which nothing came: :meth:`next` may return it again.

        Args:
            refused_behind: the far side does not take anything before it has answered; :meth:`peek` remembers it.
        """
        ...


class Journal(Protocol):
    """Asked before the point of no return of the delivery in hand. What it raises passes through the session."""

    def start(self, *, accepted: int) -> None:
        """Begin to write down that it is about to be handed over to ``accepted`` recipients; see :meth:`allows`."""
        ...

    def allows(self) -> bool:
        """Return whether that is committed, waiting for it. If not, nothing may be handed over: put it back."""
        ...

    def passed(self) -> None:
        """Note that it is out, and only the answer is missing."""
        ...


class Session(Protocol):
    """An open session with the far side. Never used by two threads at a time."""

    opened_at: float
    """``time.monotonic()`` when it was ready."""

    @property
    def handed_over(self) -> int:
        """Return how many messages were handed over in it."""
        ...

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        ...

    @property
    def end(self) -> SessionEnd | None:
        """Return how the far side ended it; it takes nothing more then."""
        ...

    def send(self, deliveries: Deliveries, journal: Journal) -> Generator[Outcome, None, None]:
        """Take deliveries and yield an outcome for each, until there are no more or the session ends.

        Whoever stops early closes the generator; a delivery that was begun already then costs the connection. An
        error of the session itself is an outcome; all others pass through, and the connection is closed then if
        something was under way.
        """
        ...

    def verify(self, sender: str, recipient: str) -> tuple[Judgement, ...]:
        """Ask whether mail from ``sender`` would be taken, and from there for ``recipient``; none is sent.

        Returns:
            The judgement on the sender and, where that is accepted and the far side told, that on the recipient. Empty:
            nothing can be asked without sending.

        Raises:
            SessionLost, ProtocolError: it ended over the question.
            InvalidMessage: an address that cannot be written.
        """
        ...

    def noop(self) -> None:
        """See whether the far side is still there.

        Raises:
            SessionLost, ProtocolError: it is not.
        """
        ...

    def quit(self) -> None:
        """Say goodbye, where that is possible now, and close; never raises."""
        ...

    def close(self) -> None:
        """Drop the connection; never raises."""
        ...


OnStage = Callable[[Stage, float, str], None]
"""Called with each stage that is done, its seconds and what staff may want to read about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Whatever a session needs to know of the deployment and of who opens it."""

    policy: NetworkPolicy
    timeouts: Timeouts = Timeouts()  # noqa: RUF009 - frozen
    on_wait: Callable[[], None] | None = None
    """Called about every ``wait_slice`` seconds while the far side is waited for, to renew a lease. What it raises
    closes the session and passes through."""
    wait_slice: float = 20.0
    on_stage: OnStage | None = None
    resolver: Resolver = system_resolver
    """Name and port to addresses."""
    web_policy: NetworkPolicy | None = None
    """Policy for addresses that the deployment or this package names, not the account: those of mail services. ``None``:
    ``policy``."""
    service_urls: Mapping[str, str] = field(default_factory=dict)
    """Addresses of mail services in place of their own, by send method."""


class Transport(Protocol):
    """One way to send."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of a check of the connection, in their order."""
        ...

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Session:
        """Open a session that is ready to send.

        Raises:
            HostNotAllowed: no host name, or a literal or port that policy forbids; nothing was looked up.
            SecretUnreadable: the stored secret does not open; nothing was connected.
            ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: see the error's attributes. ``str(error)`` has
                neither the far side's words nor, for ``ConnectionFailed``, the reason; ``reply`` and ``detail`` have.
        """
        ...
