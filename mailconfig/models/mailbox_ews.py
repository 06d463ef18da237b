"""Exchange's web service of a mailbox, as a transport needs it, for sending and for reading alike."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailconfig.secrets.fields import SealedSecret
from mailconfig.values import Authentication, ConnectionSettings, Secret, Security

from .account_destination import SecretName
from .choices import VerifyMode

if TYPE_CHECKING:
    from .mailbox import Mailbox

HTTPS_PORT = 443


def server_of(endpoint: str) -> tuple[str, int]:
    """Return host and port of an address that was validated; ``""`` and 443: there is none."""
    parts = urlsplit(endpoint)
    return parts.hostname or "", parts.port or HTTPS_PORT


def ews_settings(mailbox: Mailbox) -> ConnectionSettings:
    """Return what a transport needs. A token serves where the mailbox's own password would."""
    secret: Secret | None = mailbox.ews_secret
    if isinstance(secret, SealedSecret):
        secret = secret.bound_to(mailbox.secret_binding(SecretName.EWS))
    parts = urlsplit(mailbox.ews_endpoint)
    host, port = server_of(mailbox.ews_endpoint)
    with_token = mailbox.authentication == Authentication.OAUTH2 and not mailbox.has_own_smtp_secret
    return ConnectionSettings(
        host=host,
        port=port,
        security=Security.TLS,
        authentication=Authentication.OAUTH2 if with_token else Authentication.PASSWORD,
        username=mailbox.login,
        secret=secret,
        path=parts.path + (f"?{parts.query}" if parts.query else ""),
        version=mailbox.exchange_version,
        verifies=mailbox.ews_verify_mode != VerifyMode.NONE,
        saves_copy=mailbox.ews_saves_copy,
    )
