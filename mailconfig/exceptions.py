"""The error tree.

Exception
├─ ImproperlyConfigured (Django's; a mistake of the deployment, not of a mail)
└─ MailconfigError
   ├─ SecretUnreadable           the stored token does not open; nothing is sent with it
   │  └─ DestinationChanged      … because it was entered for another server
   ├─ ResolverAway               nobody can say for now what a token stands for
   ├─ TokenInvalid               what a token stands for cannot be used, now or ever; ``code`` says why
   ├─ TransportError             the far side or the way to it; says at which stage and what became of it
   │  ├─ HostNotAllowed          no host name, or one that policy forbids: nothing was connected
   │  │  └─ UrlNotAllowed         … or no URL that may be used
   │  ├─ ConnectionFailed        no session (DNS, refused, timeout, banner): the message is untouched
   │  │  ├─ NameUnknown          … because there is no such name; looks like any other
   │  │  ├─ AddressBlocked       … because policy forbids the name's address; looks like any other
   │  │  ├─ TokenUnavailable     … because no token for the login came; later one may
   │  │  └─ PortClosed           … because nobody listens there; looks like any other
   │  ├─ TLSFailed               no verified TLS: the login was never shown
   │  ├─ LoginRefused            the server refused the credentials
   │  │  └─ TokenRefused         … or there is no token for it: ``remedy`` says who has to act
   │  ├─ FolderRefused          the server does not open a folder, or does not let us read in it
   │  ├─ ProtocolError           the server broke the protocol or a cap
   │  │  ├─ AnswerEncoded         … because an answer by HTTP is compressed, although none was to be
   │  │  └─ AnswerTooLarge        … because an answer by HTTP is longer than it may be
   │  └─ SessionLost             the connection ended; ``ambiguous`` tells whether the dot had begun
   └─ DeliveryError              what we refuse to do
      ├─ TransportMissing        nothing here sends in the way that the account names
      ├─ InvalidMessage          cannot be queued as it is; a ValueError, and Django's BadHeaderError for a header
      ├─ NoAccount               no account for this mail
      ├─ AccountInUse            cannot be deleted: mail of it is not sent yet; ``waiting`` says how many
      ├─ QueueBusy               another queue, whose mail was to be taken over, is sending just now
      ├─ SignInRefused           a sign-in at a service came to nothing; ``fault`` says why
      ├─ EventsRefused           a mail service's report does not count; ``fault`` says why
      ├─ AccountChanged          somebody else changed it meanwhile: nothing was stored
      ├─ NotProved               the connection did not work, so nothing was stored; ``check`` says why
      ├─ InvalidTransition       the message is not in a state that allows it
      ├─ LeaseLost               another worker owns the lane
      ├─ WrongInstallation       this database belongs to another installation
      ├─ OnlyByWorkers           no connection is made while somebody waits: a worker has to be asked
      └─ Throttled               too many checks or test mails; ``retry_after`` seconds
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .values import Answer, ErrorCode, EventsFault, Remedy, SignInFault, Stage


class MailconfigError(Exception):
    """Root of everything this package raises on purpose."""


class SecretUnreadable(MailconfigError):
    """The stored secret cannot be opened: a key is missing or wrong, or the token is damaged.

    Attributes:
        remedy: what helps where it belongs to a login by OAuth 2; ``None``: it is the account's own, and is entered again.
    """

    remedy: Remedy | None = None


class DestinationChanged(SecretUnreadable):
    """The secret was entered for another protocol, host, port, security, authentication or username."""


class ResolverAway(MailconfigError):
    """Nobody can say for now what a token stands for: the mail waits. Its words are never shown, as those of no resolver are."""


class TokenInvalid(MailconfigError):
    """A token stands for something that cannot be used, now or ever: the mail fails.

    Attributes:
        code: our own stable word for it: ``token_unknown``, ``token_invalid``.
    """

    def __init__(self, message: str, *, code: str = "token_invalid") -> None:
        super().__init__(message)
        self.code = code


class TransportError(MailconfigError):
    """Something between us and the server's last reply.

    Attributes:
        stage: where it happened.
        code: our own stable word for it.
        field: the account's field that is probably guilty, or ``""``.
        reply: the server's reply, if there was one.
        hint: what probably helps, or ``""``.
        detail: what exactly it was, where ``str(error)`` keeps that back from those who are not staff.
        temporary: whether trying again later may help without anybody changing anything.
        ambiguous: whether the server may have accepted the message all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        stage: Stage,
        code: ErrorCode,
        field: str = "",
        reply: Answer | None = None,
        hint: str = "",
        detail: str = "",
        temporary: bool = True,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.code = code
        self.field = field
        self.reply = reply
        self.hint = hint
        self.detail = detail
        self.temporary = temporary
        self.ambiguous = ambiguous


class HostNotAllowed(TransportError):
    """No host name, or a destination that policy forbids; nothing was connected."""


class UrlNotAllowed(HostNotAllowed):
    """No URL that may be used: by its text, or by what policy says of its host and port; nothing was connected."""


class ConnectionFailed(TransportError):
    """No session came about: name, connect, banner or EHLO."""


class NameUnknown(ConnectionFailed):
    """There is no such name. To whoever is not staff it looks like its base."""


class AddressBlocked(ConnectionFailed):
    """The name has an address that policy forbids. To whoever is not staff it looks like its base."""


class PortClosed(ConnectionFailed):
    """The machine is there, and nobody listens on that port. To whoever is not staff it looks like its base."""


class TokenUnavailable(ConnectionFailed):
    """No access token came, for a reason that passes. The mail server was not asked.

    Attributes:
        retry_after: seconds for which the service wants to be left alone; ``None``: it does not say.
        is_of_client: it said so to the app, whichever account asks.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, is_of_client: bool = False, **rest: Any
    ) -> None:
        super().__init__(message, **rest)
        self.retry_after = retry_after
        self.is_of_client = is_of_client


class TLSFailed(TransportError):
    """TLS could not be set up and verified; no credential was sent."""


class LoginRefused(TransportError):
    """The server refused the credentials, or would not let us try.

    Attributes:
        tries: AUTH commands that it refused in this session.
    """

    def __init__(self, message: str, *, tries: int = 1, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.tries = tries


class TokenRefused(LoginRefused):
    """There is no access token for the account, or none that its server takes, before somebody acts.

    Attributes:
        remedy: who has to.
        error: the service's word for it (RFC 6749 §5.2), or ours.
    """

    def __init__(self, message: str, *, remedy: Remedy, error: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.remedy = remedy
        self.error = error


class FolderRefused(TransportError):
    """The server does not open a folder, or does not let us read in it."""


class ProtocolError(TransportError):
    """The server broke the protocol, or a cap on what it may send."""


class TokenAnswerBroken(ProtocolError):
    """The service that gives out access tokens answers what is no answer (RFC 6749 §5). The mail server was not asked."""


class AnswerEncoded(ProtocolError):
    """An answer by HTTP is compressed, although that was not asked for; its body was not read."""


class AnswerTooLarge(ProtocolError):
    """An answer by HTTP is longer than it may be, or says that it will be."""


class SessionLost(TransportError):
    """An open session ended: closed, reset or timed out."""


class DeliveryError(MailconfigError):
    """A refusal to do something, and why."""


class SignInRefused(DeliveryError):
    """A sign-in at a service came to nothing; nothing was stored.

    Attributes:
        fault: why.
    """

    def __init__(self, fault: SignInFault) -> None:
        super().__init__(f"the sign-in came to nothing: {fault}")
        self.fault = fault


class EventsRefused(DeliveryError):
    """A mail service's report does not count; nothing was stored.

    Attributes:
        fault: why.
    """

    def __init__(self, fault: EventsFault) -> None:
        super().__init__(f"the report does not count: {fault}")
        self.fault = fault


class TransportMissing(DeliveryError):
    """Nothing here sends in the way that an account names.

    Attributes:
        send_method: the name.
    """

    def __init__(self, send_method: str) -> None:
        super().__init__(f"There is no transport for the send method {send_method!r}.")
        self.send_method = send_method


class InvalidMessage(DeliveryError, ValueError):
    """The mail cannot be queued as it is. Django raises ``ValueError`` for such mail, which callers may catch."""


class KeyReused(InvalidMessage):
    """Another mail was queued under this idempotency key."""


class InvalidAttachment(InvalidMessage):
    """A file that is to be attached cannot be: its URL is none, or leads where no file may be fetched from.

    Attributes:
        position: the place of its URL among the others, from 0; ``None``: there are too many of them.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class NoAccount(DeliveryError):
    """No account is there to send this mail."""


class AccountInUse(DeliveryError):
    """The account cannot be deleted: mail of it is not sent yet.

    Attributes:
        waiting: how many mails that are.
    """

    def __init__(self, message: str, *, waiting: int) -> None:
        super().__init__(message)
        self.waiting = waiting


class QueueBusy(DeliveryError):
    """Another package is sending from its queue just now; nothing was taken from it."""


class AccountChanged(DeliveryError):
    """Somebody else changed the account since it was read; nothing was stored."""


class NotProved(DeliveryError):
    """The connection did not work, so nothing was stored.

    Attributes:
        check: the :class:`mailconfig.models.ConnectionCheck` that says what is wrong.
    """

    def __init__(self, message: str, *, check: Any) -> None:
        super().__init__(message)
        self.check = check


class InvalidTransition(DeliveryError):
    """The message is not in a state that allows this."""


class LeaseLost(DeliveryError):
    """This worker no longer owns the lane."""


class WrongInstallation(DeliveryError):
    """The database belongs to another installation; nothing is sent from here."""


class OnlyByWorkers(DeliveryError):
    """This deployment has workers make its checks; nothing was connected."""


class Throttled(DeliveryError):
    """Too many checks or test mails of this kind.

    Attributes:
        retry_after: seconds until one is allowed again.
    """

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
