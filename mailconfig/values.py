"""Plain values that the layers hand to each other; nothing here knows Django, DRF or Celery."""

from __future__ import annotations

import enum
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import NoReturn

MOST_SESSIONS = 50
"""Sessions over which one account may send at the same time, at most."""


class Security(enum.StrEnum):
    """Kinds of protection of a connection."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS when offered (and then verified); never a login without it unless allowed."""
    STARTTLS = "starttls"
    """STARTTLS, required (RFC 3207)."""
    TLS = "tls"
    """TLS from the first byte (RFC 8314 §3)."""


class Authentication(enum.StrEnum):
    """Ways to log in."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 - the name of a method, not a password
    OAUTH2 = "oauth2"


class Stage(enum.StrEnum):
    """The steps of an SMTP transaction and of a look into a mailbox, in their order, and a request by HTTP; what a failure
    or a check names."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    BANNER = "banner"
    TLS = "tls"
    EHLO = "ehlo"
    LOGIN = "login"
    FOLDER = "folder"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    REQUEST = "request"
    """A request by HTTP and its answer, over a connection that is there."""


class ErrorCode(enum.StrEnum):
    """The small stable vocabulary that every surface shows."""

    HOST_NOT_ALLOWED = "host_not_allowed"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    AUTH_FAILED = "auth_failed"
    SENDER_REFUSED = "sender_refused"
    RECIPIENT_REFUSED = "recipient_refused"
    FOLDER_REFUSED = "folder_refused"
    PROTOCOL_ERROR = "protocol_error"
    TIMEOUT = "timeout"


class Remedy(enum.StrEnum):
    """Cures for a login by OAuth 2.0 that does not work."""

    CONNECT = "connect"
    """Somebody signs in and agrees once more."""
    REGISTRATION = "registration"
    """The app registration is mended, here or at the service."""


class SignInFault(enum.StrEnum):
    """Reasons why a sign-in at a service came to nothing."""

    NOT_NEEDED = "not_needed"
    """The account logs in by other means."""
    UNKNOWN = "unknown"
    """Nobody began it in this browser, it took too long, or it was ended before."""
    ANOTHER_PERSON = "another_person"
    """Somebody else began it."""
    ANOTHER_SERVICE = "another_service"
    """The answer came from another service than the one that was asked."""
    DENIED = "denied"
    """Whoever signed in did not agree."""
    REFUSED = "refused"
    """The service did not like the question: the app registration is to be looked at."""


class MailEvent(enum.StrEnum):
    """Kinds of events that mail services report of a message at one recipient."""

    PROCESSED = "processed"
    """The service has taken it, and will try to deliver it."""
    DEFERRED = "deferred"
    """The recipient's server put it off; the service goes on trying."""
    DELIVERED = "delivered"
    """The recipient's server took it."""
    BOUNCED = "bounced"
    """The recipient's server refused it, perhaps long after it had taken it."""
    DROPPED = "dropped"
    """The service did not even try."""
    OPENED = "opened"
    """A picture in it was loaded, by a person or a program."""
    CLICKED = "clicked"
    """A link in it was followed, by a person or a program."""
    COMPLAINED = "complained"
    """The recipient called it spam."""
    OPTED_OUT = "opted_out"
    """The recipient asked the service for no more."""


CARRIED_ID = "mailconfig_id"
"""The name under which a mail service carries along which message it was: its Message-ID, or its uuid."""


class EventsFault(enum.StrEnum):
    """Reasons for which a mail service's report is refused as a whole."""

    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    OLD = "old"
    """Signed too long ago, or in the future: somebody else may have kept it."""
    KEY_UNREADABLE = "key_unreadable"
    """The stored key does not open."""
    MALFORMED = "malformed"
    NOT_INSTALLED = "not_installed"
    """What reads this service's reports is not installed."""


class Secret:
    """A password or token that does not show itself.

    ``repr`` and ``str`` are ``***``; it is no ``str``, cannot be pickled or put into JSON, and gives its
    text only to :meth:`reveal`, which transports alone call.
    """

    __slots__ = ("_open",)

    def __init__(self, value: str | Callable[[], str]) -> None:
        self._open: Callable[[], str] = value if callable(value) else (lambda: value)

    def reveal(self) -> str:
        """The secret itself.

        Raises:
            SecretUnreadable: the stored token does not open with the keys there are, or the secret
                was entered for another destination.
        """
        return self._open()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        msg = "a Secret cannot be serialised"
        raise TypeError(msg)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPolicy:
    """Where connections may go. The defaults are those of a server on the public internet."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are allowed although they are not public."""
    allowed_hosts: frozenset[str] = frozenset()
    """Host names whose addresses need not be public, as :func:`mailconfig.hostnames.check_listed_host` has them."""
    allowed_ports: frozenset[int] | None = frozenset({25, 465, 587, 2465, 2525, 2587})
    """``None`` allows any port from 1 to 65535."""
    allow_plain_login: bool = False
    """May a login cross an unencrypted connection?"""
    allow_plain_http: bool = False
    """May a URL begin with ``http://``?"""
    allow_unverified_tls: bool = False
    """May an account ask for connections whose certificates nobody looks at?"""
    verify_tls: bool = True
    """Whether certificates are verified: a transport that an account asked so lays this down for its own connections."""
    ca_file: str | None = None
    """PEM file of further certificate authorities; ``None`` trusts the system's."""
    resolve_timeout: float = 2.0
    """Seconds one look-up may take."""
    max_addresses: int = 2
    """How many addresses of a name are tried."""
    max_reply_bytes: int = 64 * 1024
    """The most one reply of a server may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait at each phase. ``dot`` is RFC 5321 §4.5.3.2.6: never shorter in production."""

    connect: float = 10.0
    banner: float = 30.0
    command: float = 60.0
    data: float = 120.0
    block: float = 60.0
    dot: float = 600.0
    quit: float = 2.0
    transaction: float = 300.0
    """For MAIL, every RCPT and DATA together, and again for the body, however it trickles; a second more for each
    recipient, and what the body takes at ``bytes_per_second``."""
    bytes_per_second: float = 8192.0
    """The slowest that a body may go."""
    total: float | None = None
    """One deadline over everything, for connections made during a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """All that is needed to open a session with whatever sends for an account.

    Every transport connects to ``host`` and ``port``, and what it logs in with is ``secret``. How it protects the
    connection and shows the secret is its own affair: ``security``, ``authentication`` and ``username`` are choices
    of the account, which a transport that has no such choice leaves aside. ``ehlo_name`` is for SMTP alone.
    """

    host: str
    port: int
    security: Security
    authentication: Authentication = Authentication.NONE
    username: str = ""
    secret: Secret | None = None
    ehlo_name: str = ""
    """What we call ourselves in EHLO; empty: the machine's own name."""
    path: str = ""
    """Of a web service, with what may follow it; empty: the usual one."""
    version: str = ""
    """That a web service is to speak, in its own words; empty: the usual one."""
    verifies: bool = True
    """Whether the account wants certificates verified."""
    acts_as_user: bool = False
    """Nobody signed in: the secret is an organisation's, and a web service has to be told for which user it is shown."""
    return_path: str = ""
    """Bounce address that the account has of its own, for services that are told one beside the mail; empty: none."""
    saves_copy: bool = True
    """Whether a web service is to keep a copy of what is sent in the mailbox, where it can."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Words of the far side, of whatever protocol, cleaned: printable text, cut to a sane length."""

    code: int
    """As its protocol counts (SMTP, HTTP). 0: it does not (IMAP), or there was no answer, and the text is ours."""
    text: str = ""
    enhanced: str = ""
    """RFC 3463 status such as ``5.7.1``; empty where none was given."""

    @property
    def words(self) -> str:
        """All of it, for a person."""
        code = str(self.code) if self.code > 0 else ""
        return " ".join(part for part in (code, self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Envelope of a mail: what MAIL and RCPT say (RFC 5321 §3.3)."""

    sender: str
    """Reverse-path without brackets; empty is the null sender."""
    recipients: tuple[str, ...] = field(repr=False)
    size: int = 0
    """Octets of the message, for SIZE (RFC 1870)."""
    eight_bit: bool = False
    """The message has octets above 127 and needs 8BITMIME (RFC 6152)."""
    masks: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Values of this mail that nobody may keep, each with what is to stand in its place in the far side's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One stage of a check."""

    stage: Stage
    outcome: str
    """``ok``, ``failed`` or ``skipped``."""
    milliseconds: int = 0
    detail: str = ""
    """The server's own words or ours, cleaned: for staff only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Outcome of a check of a connection (or of a test mail)."""

    ok: bool
    stages: tuple[StageResult, ...] = field(default=())
    code: ErrorCode | None = None
    stage: Stage | None = None
    guilty_field: str = ""
    """The account's field to look at: host, port, security, username, secret, from_email, …"""
    message: str = ""
    """Code of a sentence for a person, without the server's words."""
    hint: str = ""
    """The same, of what probably helps where the cause is a common one."""
    server_text: str = ""
    """The server's own words, cleaned and cut; staff only."""
