"""Services that give out access tokens: where they do, for which rights, and the mail servers their tokens are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import models
from django.utils.translation import gettext_lazy as _

from .choices import EWS, GMAIL_API
from .gmail import GMAIL_HOST

ANY_DIRECTORY = "common"
"""Microsoft's word for the directory of whoever signs in (not for logins by the organisation: they need one named)."""


class OAuth2Provider(models.TextChoices):
    """Services that are known, and those that are described."""

    MICROSOFT = "microsoft", "Microsoft 365"
    GOOGLE = "google", "Google"
    GENERIC = "generic", _("another one")


class OAuth2GrantType(models.TextChoices):
    """Ways to a token (RFC 6749 §1.3)."""

    AUTHORIZATION_CODE = "authorization_code", _("somebody signs in and agrees")
    CLIENT_CREDENTIALS = "client_credentials", _("the organisation lets the app in, nobody signs in")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """Facts of a service that are known here."""

    authority: str
    """Where its addresses begin, unless the deployment names another place (``OAUTH2_AUTHORITIES``)."""
    token_authority: str = ""
    """The same for tokens, where that is another host."""
    authorization_path: str
    token_path: str
    send: tuple[str, ...]
    """Rights that sending by SMTP needs."""
    read: tuple[str, ...]
    """Rights that reading by IMAP needs."""
    send_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Rights that other ways to send need, by send method."""
    read_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Rights that other ways to read need, by sync method."""
    besides: tuple[str, ...] = ()
    """Rights that a lasting login needs besides."""
    of_organisation: tuple[str, ...] = ()
    """Rights that an app asks for where nobody signs in; empty: the service has no such way."""
    mail_servers: tuple[str, ...]
    """Where its tokens may be shown."""
    authorization_parameters: Mapping[str, str] = field(default_factory=dict)
    """What has to be asked for besides, so that a login lasts."""


PROVIDERS: Mapping[str, ProviderFacts] = {
    OAuth2Provider.MICROSOFT: ProviderFacts(
        authority="https://login.microsoftonline.com",
        authorization_path="/{directory}/oauth2/v2.0/authorize",
        token_path="/{directory}/oauth2/v2.0/token",  # noqa: S106 - a path
        send=("https://outlook.office.com/SMTP.Send",),
        read=("https://outlook.office.com/IMAP.AccessAsUser.All",),
        # Of the same resource as the others, as one token is for one: outlook.office365.com is another name of it.
        send_by={EWS: ("https://outlook.office.com/EWS.AccessAsUser.All",)},
        read_by={EWS: ("https://outlook.office.com/EWS.AccessAsUser.All",)},
        besides=("offline_access",),
        of_organisation=("https://outlook.office365.com/.default",),
        mail_servers=(
            "smtp.office365.com",
            "outlook.office365.com",
            "outlook.office.com",
            "smtp-mail.outlook.com",
            "imap-mail.outlook.com",
        ),
    ),
    OAuth2Provider.GOOGLE: ProviderFacts(
        authority="https://accounts.google.com",
        token_authority="https://oauth2.googleapis.com",  # noqa: S106 - a host
        authorization_path="/o/oauth2/v2/auth",
        token_path="/token",  # noqa: S106 - a path
        # The only right with which Google's servers take SMTP and IMAP.
        send=("https://mail.google.com/",),
        read=("https://mail.google.com/",),
        send_by={GMAIL_API: ("https://www.googleapis.com/auth/gmail.send",)},
        read_by={GMAIL_API: ("https://www.googleapis.com/auth/gmail.readonly",)},
        mail_servers=("smtp.gmail.com", "imap.gmail.com", GMAIL_HOST),
        # Without them a second agreement brings no refresh token.
        authorization_parameters={"access_type": "offline", "prompt": "consent"},
    ),
}
"""By :class:`OAuth2Provider`; what is not here says all of it itself."""
