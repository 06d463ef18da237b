"""Values of an account's columns, with words for a form."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailconfig.values import Authentication, Security

EWS = "ews"
"""The send method of mailboxes that Exchange has; their sync method as well."""
GMAIL_API = "gmail_api"
"""The send method of accounts whose mail leaves by Gmail's own interface; the sync method of mailboxes that it reads."""
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


class MailboxSendMethod(models.TextChoices):
    """Ways in which mail of a mailbox leaves. It may name one that nothing here has: then its mail waits and says so."""

    SMTP = SMTP, "SMTP"
    EWS = EWS, "Exchange Web Services"
    SENDGRID = "sendgrid", "SendGrid"
    NONE = "none", _("none: nothing is sent")


class SyncMethod(models.TextChoices):
    """Ways in which a mailbox is synced."""

    IMAP = "imap", "IMAP"
    EWS = "ews", "Exchange Web Services"
    GMAIL_API = GMAIL_API, "Gmail API"


class EmailProvider(models.TextChoices):
    """Mail services of mailboxes, by the words of their clients."""

    EXCHANGE_ONLINE = "exchange_online", "Exchange Online"
    EXCHANGE_SERVER = "exchange_server", "Exchange Server"
    GMAIL = "gmail", "Gmail"
    GMAIL_API = "gmail_api", "Gmail API"
    GOOGLE_OAUTH2 = "google_oauth2", "Google, OAuth 2"
    INTERMEDIA = "intermedia", "Intermedia"
    OFFICE365_OAUTH2 = "office365_oauth2", "Office 365, OAuth 2"
    MICROSOFT_HMA_OAUTH2 = "microsoft_hma_oauth2", "Microsoft hybrid modern authentication, OAuth 2"
    OFFICE_365 = "office_365", "Office 365"
    RACKSPACE = "rackspace", "Rackspace"


class ExchangeVersion(models.TextChoices):
    """Versions of Exchange that its web service asks for."""

    EXCHANGE_2007 = "Exchange2007", "Exchange 2007"
    EXCHANGE_2007_SP1 = "Exchange2007_SP1", "Exchange 2007 SP1"
    EXCHANGE_2010 = "Exchange2010", "Exchange 2010"
    EXCHANGE_2010_SP1 = "Exchange2010_SP1", "Exchange 2010 SP1"
    EXCHANGE_2010_SP2 = "Exchange2010_SP2", "Exchange 2010 SP2"
    EXCHANGE_2013 = "Exchange2013", "Exchange 2013"
    EXCHANGE_2013_SP1 = "Exchange2013_SP1", "Exchange 2013 SP1"


class VerifyMode(models.IntegerChoices):
    """Modes of verifying a certificate, as OpenSSL numbers them."""

    NONE = 0, _("none")
    PEER = 1, _("peer")
    FAIL_IF_NO_PEER_CERTIFICATE = 2, _("fail without the peer's certificate")
    CLIENT_ONCE = 4, _("client once")


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
