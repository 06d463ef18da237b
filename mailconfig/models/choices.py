"""Values of an account's columns, with words for a form."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailconfig.values import Authentication, Security

SMTP = "smtp"
"""The send method of accounts that name no other. Which there are besides, the registry of transports knows."""


class AccountKind(models.TextChoices):
    """Kinds of accounts, by the people who keep them."""

    OUTBOUND_EMAIL = "outbound_email", _("outbound e-mail")
    SMTP_PROVIDER = "smtp_provider", _("SMTP provider")
    TENANT_CONFIG = "tenant_config", _("tenant mail configuration")
    MAILBOX = "mailbox", _("mailbox")


class Scope(models.TextChoices):
    """Scopes of an outbound e-mail; other kinds are ``user``."""

    USER = "user", _("user")
    SYSTEM = "system", _("system")
    SYSTEM_OVERRIDE = "system-override", _("system, with own credentials")


class SecurityChoice(models.TextChoices):
    """:class:`mailconfig.values.Security`, in words for a form."""

    TLS = Security.TLS.value, _("TLS from the start (usually port 465)")
    STARTTLS = Security.STARTTLS.value, _("STARTTLS, required (usually port 587)")
    OPPORTUNISTIC = Security.OPPORTUNISTIC.value, _("STARTTLS if the server offers it")
    NONE = Security.NONE.value, _("none: not encrypted")


class AuthenticationChoice(models.TextChoices):
    """:class:`mailconfig.values.Authentication`, in words for a form."""

    PASSWORD = Authentication.PASSWORD.value, _("user name and password")
    OAUTH2 = Authentication.OAUTH2.value, _("OAuth 2 access token")
    NONE = Authentication.NONE.value, _("none")
