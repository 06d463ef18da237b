"""What probably helps, for the failures that people meet most."""

from __future__ import annotations

from mailconfig.values import Reply, Security, SMTPSettings

_APP_CREDENTIAL = (
    "This account wants an app password: two-step sign-in is on, and the usual password is not accepted here."
)
_MICROSOFT_OFF = (
    "SMTP sign-in with a password is switched off for this mailbox or its organisation (Microsoft 365): an"
    " administrator has to allow authenticated SMTP, or OAuth 2.0 has to be used."
)
_MICROSOFT_BASIC = "Microsoft no longer accepts a password here: use OAuth 2.0."
_TOO_MANY = "The server has had too many logins of this account; it will be tried again later."
_WRONG_PASSWORD = "Check the user name and the password; many providers want an app password."  # noqa: S105
_TOKEN = "The access token was refused: it may have expired, or lacks the right to send mail."  # noqa: S105
_ENCRYPT_FIRST = "The server wants encryption before the login: choose STARTTLS or TLS."
_SENDER = (
    "The account may not send from this address: use its own address, or have the server allow this one."
)
_TLS_PORT = "The server says nothing: it probably expects TLS from the first byte. Choose TLS for this port."
_LOGIN_FIRST = "The server wants a login before it accepts mail."


def for_login(reply: Reply, *, with_token: bool) -> str:
    """What probably helps after a refused login."""
    text = reply.text.lower()
    if "application-specific" in text or "app password" in text or reply.enhanced == "5.7.9":
        return _APP_CREDENTIAL
    if "smtpclientauthentication is disabled" in text or reply.enhanced == "5.7.139":
        return _MICROSOFT_BASIC if "basic authentication is disabled" in text else _MICROSOFT_OFF
    if reply.is_transient:
        return _TOO_MANY
    if reply.code == 538 or reply.enhanced == "5.7.11" or "starttls" in text:
        return _ENCRYPT_FIRST
    return _TOKEN if with_token else _WRONG_PASSWORD


def for_sender(reply: Reply) -> str:
    """What probably helps after a refused MAIL; empty where the reply speaks for itself."""
    if reply.code == 530 or reply.enhanced == "5.7.0":
        return _LOGIN_FIRST
    text = reply.text.lower()
    owned = "not owned" in text or "not allowed to send" in text or "sendasdenied" in text
    if reply.is_permanent and (reply.code in {550, 553, 554} or owned) and reply.code != 552:
        return _SENDER
    return ""


def for_silence(settings: SMTPSettings) -> str:
    """What probably helps when no banner came."""
    return "" if settings.security is Security.TLS else _TLS_PORT
