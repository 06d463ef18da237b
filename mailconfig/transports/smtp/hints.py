"""Hints for the refusals of mail servers that people meet most."""

from __future__ import annotations

import re

from mailconfig.transports.network import hints as common

from .replies import Reply

_MICROSOFT_OFF = (
    "SMTP sign-in with a password is switched off for this mailbox or its organisation (Microsoft 365): an"
    " administrator has to allow authenticated SMTP, or OAuth 2.0 has to be used."
)
_TOKEN = "The access token was refused: it may have expired, or lacks the right to send mail."  # noqa: S105
_ENCRYPT_MAIL = "The server wants encryption before it accepts mail: choose STARTTLS or TLS."
_SENDER = (
    "The account may not send from this address: use its own address, or have the server allow this one."
)
_LOGIN_FIRST = "The server wants a login before it accepts mail."
_ENCRYPTION = re.compile(
    r"\bstarttls\b|\b(?:encryption|encrypted|tls)\b(?: \w+){0,3} (?:required|needed|first)\b"
    r"|\brequires? (?:tls|encryption)\b",
    re.IGNORECASE,
)


def for_login(reply: Reply, *, with_token: bool) -> str:
    """Return what probably helps after a refused login."""
    text = reply.text.lower()
    if _wants_app_password(reply):
        return common.APP_CREDENTIAL
    if _is_switched_off(reply):
        return common.MICROSOFT_BASIC if "basic authentication is disabled" in text else _MICROSOFT_OFF
    if reply.is_transient:
        return common.TOO_MANY
    if wants_encryption(reply):
        return common.ENCRYPT_FIRST
    return _TOKEN if with_token else common.WRONG_PASSWORD


def is_of_account(reply: Reply) -> bool:
    """Return whether a refused login is for a reason that no other mechanism would mend."""
    return _wants_app_password(reply) or _is_switched_off(reply) or wants_encryption(reply)


def _wants_app_password(reply: Reply) -> bool:
    text = reply.text.lower()
    return "application-specific" in text or "app password" in text or reply.enhanced == "5.7.9"


def _is_switched_off(reply: Reply) -> bool:
    return "smtpclientauthentication is disabled" in reply.text.lower() or reply.enhanced == "5.7.139"


def wants_encryption(reply: Reply) -> bool:
    """Return whether the server refuses to go on over a connection that is not encrypted (RFC 3207 §4, RFC 4954 §6)."""
    if not reply.is_permanent:
        return False
    return reply.code == 538 or reply.enhanced == "5.7.11" or bool(_ENCRYPTION.search(reply.text))


def for_sender(reply: Reply) -> str:
    """Return what probably helps after a refused MAIL; empty where the reply speaks for itself."""
    if wants_encryption(reply):
        return _ENCRYPT_MAIL
    if reply.code == 530 or reply.enhanced == "5.7.0":
        return _LOGIN_FIRST
    text = reply.text.lower()
    owned = "not owned" in text or "not allowed to send" in text or "sendasdenied" in text
    if reply.is_permanent and (reply.code in {550, 553, 554} or owned) and reply.code != 552:
        return _SENDER
    return ""
