"""Fall-backs of a mailbox: what follows for its connections from what was said of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mailconfig.presets import PRESETS, Preset
from mailconfig.values import Authentication, Security

from .choices import EmailProvider, MailboxSendMethod, SyncMethod

if TYPE_CHECKING:
    from .mailbox import Mailbox

PRESET_OF: Mapping[str, str] = {
    EmailProvider.EXCHANGE_ONLINE: "exchange_online",
    EmailProvider.GMAIL: "gmail",
    EmailProvider.GMAIL_API: "gmail",
    EmailProvider.GOOGLE_OAUTH2: "gmail",
    EmailProvider.INTERMEDIA: "intermedia",
    EmailProvider.OFFICE365_OAUTH2: "exchange_online",
    EmailProvider.MICROSOFT_HMA_OAUTH2: "exchange_online",
    EmailProvider.OFFICE_365: "exchange_online",
    EmailProvider.RACKSPACE: "rackspace",
}
"""The mail service whose servers are known, by what clients call it."""
PASSWORD_COPIES = {"imap_secret": "imap_host", "ews_secret": "ews_endpoint"}
"""Columns that hold the mailbox's password once more, by what needs it there."""
TLS_PORT = 465
IMAP_TLS_PORT = 993
IMAP_PORT = 143


def security_of(*, ssl: bool, port: int, tls_port: int = TLS_PORT) -> Security:
    """Return what encryption means here: with TLS from the start at its own port, else by STARTTLS, required or not."""
    if not ssl:
        return Security.OPPORTUNISTIC
    return Security.TLS if port == tls_port else Security.STARTTLS


def uses_ssl(security: str) -> bool:
    """Return whether a connection is never made without encryption."""
    return security in {Security.TLS, Security.STARTTLS}


def follow_account(mailbox: Mailbox) -> set[str]:
    """Say of the mailbox what somebody changed of the account's connection alone: service, user name, password.

    Returns:
        The columns that may have been changed.
    """
    if PRESET_OF.get(mailbox.email_provider, "") != mailbox.preset:
        mailbox.email_provider = mailbox.preset if mailbox.preset in EmailProvider.values else ""
    expected = _login(mailbox)
    if mailbox.username and mailbox.username != expected:
        column = "smtp_login_name" if mailbox.smtp_login_name else "login_name"
        setattr(mailbox, column, mailbox.username)
    if mailbox.secret is None:
        mailbox.has_own_smtp_secret = False
    for column, needed_for in PASSWORD_COPIES.items():
        if not getattr(mailbox, needed_for):
            setattr(mailbox, column, None)
        elif not mailbox.has_own_smtp_secret and not mailbox.gave_up_own_smtp_secret:
            _share_password(mailbox, column)
    return {"email_provider", "login_name", "smtp_login_name", "has_own_smtp_secret", *PASSWORD_COPIES}


def _share_password(mailbox: Mailbox, column: str) -> None:
    """Let the account's password, which is the mailbox's, serve here as well: entered or taken away."""
    if mailbox.secret is None or (mailbox.enters("secret") and not mailbox.enters(column)):
        setattr(mailbox, column, mailbox.secret)


class Connections:
    """Fills in what nobody said of a mailbox's connections: made before attributes are set, asked after that.

    What is as it follows from the rest counts as not said, so that it follows when the rest changes.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        adding = mailbox._state.adding
        self._mailbox = mailbox
        self._port = mailbox.port
        self._login = None if adding else _login(mailbox)
        self._secret = None if adding else mailbox.secret
        self._unsaid = {
            column
            for column, value in _followed(mailbox).items()
            if adding or value == getattr(mailbox, column)
        }

    def fill(self, *, said: Collection[str], cleared: Collection[str] = (), ssl: bool | None = None) -> None:
        """Set all columns that follow from others.

        Args:
            said: columns that somebody set just now, and that stay as they are.
            cleared: columns of which somebody wants nothing said any more.
            ssl: whether mail goes out encrypted, if somebody said so just now; at which port decides how.
        """
        mailbox = self._mailbox
        if "email_provider" in {*said, *cleared}:
            mailbox.preset = PRESET_OF.get(mailbox.email_provider, "")
        follows = self._unsaid.union(cleared).difference(said)
        # One after the other: each may follow from those before it.
        for column in ("host", "port", "imap_host", "imap_ssl", "imap_port", "send_method", "sync_method"):
            if column in follows:
                setattr(mailbox, column, _followed(mailbox)[column])
        self._fill_security(ssl, follows="security" in follows)
        if _login(mailbox) != self._login:
            mailbox.username = _login(mailbox)

    def _fill_security(self, ssl: bool | None, *, follows: bool) -> None:
        mailbox = self._mailbox
        if ssl is None and follows:
            mailbox.security = _followed(mailbox)["security"]
        elif ssl is not None or mailbox.port != self._port:
            wanted = uses_ssl(mailbox.security) if ssl is None else ssl
            mailbox.security = security_of(ssl=wanted, port=mailbox.port)

    def fill_authentication(self) -> None:
        """Log in where a password was entered, and not where it was taken away.

        Who logs in with tokens or not at all, as set in the admin, goes on so as long as nothing is said of passwords;
        with tokens also where another is entered.
        """
        mailbox = self._mailbox
        if mailbox.secret == self._secret and self._login is not None:
            return
        mailbox.username = mailbox.username or _login(mailbox)
        if mailbox.authentication != Authentication.OAUTH2 or mailbox.secret is None:
            logs_in = mailbox.secret is not None
            mailbox.authentication = Authentication.PASSWORD if logs_in else Authentication.NONE


def _login(mailbox: Mailbox) -> str:
    """Return the user name for sending that follows from what was said."""
    return mailbox.smtp_login_name or mailbox.login


def says(mailbox: Mailbox, column: str) -> bool:
    """Return whether one of the columns that follow from others is not as it follows: somebody set it."""
    return bool(_followed(mailbox)[column] != getattr(mailbox, column))


def _followed(mailbox: Mailbox) -> dict[str, Any]:
    """Return what each column would be if only the others were said."""
    known = PRESETS.get(mailbox.preset) or Preset(label="", security=Security.OPPORTUNISTIC)
    imap_ssl = True if known.imap_host and mailbox.imap_host == known.imap_host else None
    return {
        "host": known.host,
        "port": known.port,
        "security": security_of(ssl=uses_ssl(known.security), port=mailbox.port),
        "imap_host": known.imap_host,
        "imap_ssl": imap_ssl,
        "imap_port": _imap_port(mailbox),
        "send_method": _send_method(mailbox, known),
        "sync_method": _sync_method(mailbox),
    }


def _imap_port(mailbox: Mailbox) -> int | None:
    if not mailbox.imap_host:
        return None
    return IMAP_TLS_PORT if mailbox.imap_ssl else IMAP_PORT


def _send_method(mailbox: Mailbox, known: Preset) -> str:
    """A server that was named counts first, then the web service, then the server that the mail service has."""
    if mailbox.host and (mailbox.host != known.host or not mailbox.ews_endpoint):
        return MailboxSendMethod.SMTP
    return MailboxSendMethod.EWS if mailbox.ews_endpoint else MailboxSendMethod.NONE


def _sync_method(mailbox: Mailbox) -> str:
    if mailbox.imap_host:
        return SyncMethod.IMAP
    return SyncMethod.EWS if mailbox.ews_endpoint else ""
