"""Hints for the refusals of Exchange that people meet most."""

from __future__ import annotations

from collections.abc import Mapping

from mailconfig.transports.network import hints as common

NTLM = (
    "Switch on Basic authentication for the web service (EWS), which is safe over TLS, or use OAuth 2.0."
    " NTLM and Kerberos are not spoken here."
)
ADDRESS = "Check the address of the web service: it usually ends in /EWS/Exchange.asmx, and is not the page where people log in."
ACCESS = (
    "Whoever runs Exchange has to allow this mailbox its web service (EWS), and applications that use it."
)
IMPERSONATION = "The organisation has to let the app registration into this mailbox: full_access_as_app, and no policy against it."
MAILBOX = "This user name has no mailbox there: it is often the address of the mailbox."
FULL = "The mailbox is full, so no copy of what is sent can be kept in it."
VERSION = "Choose another version of Exchange, or none: the server does not speak this one."
SENDER = (
    "The mailbox may send from its own addresses only, and from those that it was given the right to send as."
)
PASSWORD = "The password has expired: choose a new one at Exchange, and enter it here."  # noqa: S105
VERIFY = (
    "ALLOW_UNVERIFIED_TLS in the deployment's settings allows it. Better: let the deployment trust the"
    " authority of the server's certificate, by CA_FILE."
)
FOLDER = "Make a folder of this name below the inbox, or beside it."

_BY_CODE: Mapping[str, str] = {
    "ErrorAccessDenied": ACCESS,
    "ErrorUserNotAllowedByPolicy": ACCESS,
    "ErrorAccountDisabled": ACCESS,
    "ErrorImpersonateUserDenied": IMPERSONATION,
    "ErrorImpersonationDenied": IMPERSONATION,
    "ErrorImpersonationFailed": IMPERSONATION,
    "ErrorNonExistentMailbox": MAILBOX,
    "ErrorMissingEmailAddress": MAILBOX,
    "ErrorQuotaExceeded": FULL,
    "ErrorInvalidServerVersion": VERSION,
    "ErrorIncorrectSchemaVersion": VERSION,
    "ErrorInvalidSchemaVersionForMailboxVersion": VERSION,
    "ErrorSendAsDenied": SENDER,
    "ErrorPasswordExpired": PASSWORD,
    "ErrorPasswordChangeRequired": PASSWORD,
    "ErrorServerBusy": common.TOO_MANY,
}


def for_code(code: str) -> str:
    """Return what probably helps; ``""``: nobody knows."""
    return _BY_CODE.get(code, "")
