"""Hints for the refusals of IMAP servers that people meet most."""

from __future__ import annotations

from mailconfig.transports.network import hints as common

from .replies import Reply

STARTTLS_PORT = "This looks like a STARTTLS port. Choose STARTTLS, or port 993 with TLS."
_TOKEN = "The access token was refused: it may have expired, or lacks the right to read mail."  # noqa: S105
_SWITCHED_OFF = (
    "IMAP is switched off for this mailbox: it can be switched on where the mail service is set up."
)
_FOLDER_NAME = (
    "Check the name of the folder: servers tell upper from lower case, and some begin names with INBOX."
)


def for_login(reply: Reply, *, with_token: bool) -> str:
    """Return what probably helps after a refused login."""
    text = reply.text.lower()
    if "application-specific" in text or "app password" in text:
        return common.APP_CREDENTIAL
    if "not enabled for imap" in text or "imap is disabled" in text or "imap access is disabled" in text:
        return _SWITCHED_OFF
    if "basic authentication is disabled" in text:
        return common.MICROSOFT_BASIC
    if wants_encryption(reply):
        return common.ENCRYPT_FIRST
    if reply.is_for_now:
        return common.TOO_MANY
    return _TOKEN if with_token else common.WRONG_PASSWORD


def wants_encryption(reply: Reply) -> bool:
    """Return whether the server lets nobody log in over a connection that is not encrypted (RFC 5530 §3)."""
    return reply.response_code == "PRIVACYREQUIRED"


def for_folder(reply: Reply) -> str:
    """Return what probably helps after a folder was not opened."""
    return "" if reply.is_for_now else _FOLDER_NAME
