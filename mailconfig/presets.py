"""The mail services that people choose by name, and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from .values import Security

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Where a mail service takes mail, and what a person must know about it."""

    label: str | _StrPromise
    host: str = ""
    """Empty: the service gives each customer a name of its own."""
    port: int = 587
    security: Security = Security.STARTTLS
    imap_host: str = ""
    """Where it lets mail be read, with TLS from the first byte; empty: each customer has a name of its own, or it is not known."""
    ews_endpoint: str = ""
    """Where it has Exchange's web service; empty: it has none."""
    note: str | _StrPromise = ""
    per_minute: int | None = None
    """Mails that the service takes from one account in a minute; ``None``: it does not say."""
    per_day: int | None = None
    """Recipients that the service takes from one account in a day; ``None``: it does not say."""
    sessions: int | None = None
    """Connections over which the service takes mail of one account at the same time; ``None``: it does not say."""
    domains: tuple[str, ...] = ()
    """Domains of its own, whose addresses it gives out: an address tells the service."""
    mail_hosts: tuple[str, ...] = ()
    """Domains of the hosts to which domains of its customers have their mail sent (MX)."""
    username: str = ""
    """What all its customers enter as user name; empty: their address, or a name of their own."""
    signs_in_by: str = ""
    """Whose app registration somebody signs in with (OAuth 2), in the words of ``OAuth2Client.provider``; empty: nobody does."""
    refuses_passwords: bool = False
    """Whether a password is mostly of no use."""


_APP_WORD = _(
    "Needs two-step sign-in and an app password made for this purpose: the usual password is refused."
)

_OWN_WORD = _("Needs an app password made for this purpose: the usual password is refused.")
_WHOLE_ADDRESS = _("Log in with the mailbox's whole address and its own password.")
_ALLOW_FIRST = _(
    "Access by other programs (IMAP and SMTP) has to be switched on in the settings of the mailbox first."
)
_OF_SERVICE = _(
    "A sending service: user name and password are those it shows for SMTP. Its own interface is another way to send."
)


def _hosted(label: str | _StrPromise, host: str, imap_host: str, **others: Any) -> Preset:
    """A service with TLS from the first byte, as most have it."""
    return Preset(label=label, host=host, port=465, security=Security.TLS, imap_host=imap_host, **others)


PRESETS: dict[str, Preset] = {
    "gmail": Preset(
        label=_("Gmail, Google Workspace"),
        host="smtp.gmail.com",
        imap_host="imap.gmail.com",
        note=_APP_WORD,
        per_day=2000,
        domains=("gmail.com", "googlemail.com"),
        mail_hosts=("google.com", "googlemail.com"),
        signs_in_by="google",
    ),
    "exchange_online": Preset(
        label=_("Microsoft 365 (Exchange Online)"),
        host="smtp.office365.com",
        imap_host="outlook.office365.com",
        ews_endpoint="https://outlook.office365.com/EWS/Exchange.asmx",
        note=_("An administrator of Microsoft 365 must allow authenticated SMTP for this mailbox."),
        per_minute=30,
        per_day=10000,
        sessions=3,
        domains=("onmicrosoft.com",),
        mail_hosts=("mail.protection.outlook.com", "mx.microsoft"),
        signs_in_by="microsoft",
    ),
    "outlook": Preset(
        label=_("Outlook.com, Hotmail"),
        host="smtp-mail.outlook.com",
        imap_host="outlook.office365.com",
        note=_("Microsoft may refuse passwords here, app passwords too, and want OAuth 2."),
        per_day=300,
        domains=(
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "outlook.de",
            "outlook.fr",
            "outlook.jp",
            "hotmail.co.uk",
            "hotmail.de",
            "hotmail.fr",
            "hotmail.it",
            "hotmail.co.jp",
            "live.de",
            "live.fr",
            "live.jp",
            "live.co.uk",
        ),
        signs_in_by="microsoft",
        refuses_passwords=True,
    ),
    "yahoo": _hosted(
        "Yahoo Mail",
        "smtp.mail.yahoo.com",
        "imap.mail.yahoo.com",
        note=_OWN_WORD,
        domains=(
            "yahoo.com",
            "ymail.com",
            "rocketmail.com",
            "yahoo.co.uk",
            "yahoo.de",
            "yahoo.fr",
            "yahoo.it",
            "yahoo.es",
            "yahoo.ca",
            "yahoo.co.in",
            "yahoo.com.br",
            "yahoo.com.au",
        ),
    ),
    "aol": _hosted("AOL Mail", "smtp.aol.com", "imap.aol.com", note=_OWN_WORD, domains=("aol.com",)),
    "icloud": Preset(
        label="iCloud Mail",
        host="smtp.mail.me.com",
        imap_host="imap.mail.me.com",
        note=_OWN_WORD,
        domains=("icloud.com", "me.com", "mac.com"),
        mail_hosts=("mail.icloud.com",),
    ),
    "zoho": _hosted(
        "Zoho Mail",
        "smtp.zoho.com",
        "imap.zoho.com",
        note=_ALLOW_FIRST,
        domains=("zohomail.com", "zoho.com"),
    ),
    "zoho_domain": _hosted(
        _("Zoho Mail, with a domain of one's own"),
        "smtppro.zoho.com",
        "imappro.zoho.com",
        note=_ALLOW_FIRST,
        mail_hosts=("zoho.com",),
    ),
    "zoho_domain_eu": _hosted(
        _("Zoho Mail (EU), with a domain of one's own"),
        "smtppro.zoho.eu",
        "imappro.zoho.eu",
        note=_ALLOW_FIRST,
        mail_hosts=("zoho.eu",),
    ),
    "fastmail": _hosted(
        "Fastmail",
        "smtp.fastmail.com",
        "imap.fastmail.com",
        note=_OWN_WORD,
        domains=("fastmail.com", "fastmail.fm"),
        mail_hosts=("messagingengine.com",),
    ),
    "rackspace": _hosted(
        _("Rackspace Email"),
        "secure.emailsrvr.com",
        "secure.emailsrvr.com",
        note=_WHOLE_ADDRESS,
        per_day=10000,
        mail_hosts=("emailsrvr.com",),
    ),
    "intermedia": Preset(
        label=_("Intermedia"),
        note=_("Each customer has a server of its own: HostPilot shows its name."),
    ),
    "exchange": Preset(
        label=_("Exchange in one's own house"),
        note=_("Ask its administrator for the server's name, and whether it takes mail at port 587."),
    ),
    "gmx": Preset(
        label="GMX",
        host="mail.gmx.net",
        imap_host="imap.gmx.net",
        note=_ALLOW_FIRST,
        domains=("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.eu"),
    ),
    "gmx_com": Preset(
        label="GMX.com",
        host="mail.gmx.com",
        imap_host="imap.gmx.com",
        note=_ALLOW_FIRST,
        domains=("gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr"),
    ),
    "web_de": Preset(
        label="WEB.DE",
        host="smtp.web.de",
        imap_host="imap.web.de",
        note=_ALLOW_FIRST,
        domains=("web.de",),
    ),
    "t_online": _hosted(
        "T-Online",
        "securesmtp.t-online.de",
        "secureimap.t-online.de",
        note=_("Needs the password for e-mail programs, which is set in the customer centre."),
        domains=("t-online.de", "magenta.de"),
    ),
    "mailbox_org": _hosted(
        "mailbox.org",
        "smtp.mailbox.org",
        "imap.mailbox.org",
        note=_WHOLE_ADDRESS,
        domains=("mailbox.org",),
        mail_hosts=("mailbox.org",),
    ),
    "ionos": _hosted(
        "IONOS", "smtp.ionos.com", "imap.ionos.com", note=_WHOLE_ADDRESS, mail_hosts=("ionos.com",)
    ),
    "ionos_de": _hosted(
        "IONOS (DE)",
        "smtp.ionos.de",
        "imap.ionos.de",
        note=_WHOLE_ADDRESS,
        mail_hosts=("ionos.de", "kundenserver.de"),
    ),
    "strato": _hosted(
        "STRATO", "smtp.strato.de", "imap.strato.de", note=_WHOLE_ADDRESS, mail_hosts=("rzone.de",)
    ),
    "ovh": _hosted(
        "OVHcloud", "ssl0.ovh.net", "ssl0.ovh.net", note=_WHOLE_ADDRESS, mail_hosts=("mail.ovh.net",)
    ),
    "gandi": _hosted(
        "Gandi", "mail.gandi.net", "mail.gandi.net", note=_WHOLE_ADDRESS, mail_hosts=("mail.gandi.net",)
    ),
    "godaddy": _hosted(
        "GoDaddy",
        "smtpout.secureserver.net",
        "imap.secureserver.net",
        note=_WHOLE_ADDRESS,
        mail_hosts=("secureserver.net",),
    ),
    "migadu": _hosted(
        "Migadu", "smtp.migadu.com", "imap.migadu.com", note=_WHOLE_ADDRESS, mail_hosts=("migadu.com",)
    ),
    "privateemail": _hosted(
        "Namecheap Private Email",
        "mail.privateemail.com",
        "mail.privateemail.com",
        note=_WHOLE_ADDRESS,
        mail_hosts=("privateemail.com",),
    ),
    "titan": _hosted(
        "Titan", "smtp.titan.email", "imap.titan.email", note=_ALLOW_FIRST, mail_hosts=("titan.email",)
    ),
    "hostinger": _hosted(
        "Hostinger",
        "smtp.hostinger.com",
        "imap.hostinger.com",
        note=_WHOLE_ADDRESS,
        mail_hosts=("hostinger.com",),
    ),
    "yandex": _hosted(
        "Yandex",
        "smtp.yandex.com",
        "imap.yandex.com",
        note=_OWN_WORD,
        domains=("yandex.com", "yandex.ru", "ya.ru"),
        mail_hosts=("mx.yandex.net",),
    ),
    "proton": Preset(
        label="Proton Mail",
        host="smtp.protonmail.ch",
        note=_("Needs an SMTP token, made for this address in Proton's settings, in place of the password."),
        mail_hosts=("protonmail.ch",),
    ),
    "ses": Preset(
        label="Amazon SES",
        note=_(
            "Server: email-smtp.REGION.amazonaws.com, with your region. User name and password are SES's SMTP credentials."
        ),
    ),
    "sendgrid": Preset(
        label="SendGrid (SMTP)",
        host="smtp.sendgrid.net",
        username="apikey",
        note=_("User name: apikey, the same for all. Password: the API key."),
    ),
    "mailgun": Preset(label="Mailgun (SMTP)", host="smtp.mailgun.org", note=_OF_SERVICE),
    "postmark": Preset(
        label="Postmark (SMTP)",
        host="smtp.postmarkapp.com",
        note=_("The server API token is user name and password at once."),
    ),
    "brevo": Preset(label="Brevo (SMTP)", host="smtp-relay.brevo.com", note=_OF_SERVICE),
    "mailjet": Preset(label="Mailjet (SMTP)", host="in-v3.mailjet.com", note=_OF_SERVICE),
    "other": Preset(label=_("other"), note=_("Ask the mail service for server, port and encryption.")),
}
"""By the name that is stored in ``Account.preset``."""


def preset_of_domain(domain: str) -> str:
    """Return the service that gives out addresses of a domain, by its own word; ``""``: none that is known."""
    return _of(domain, "domains", below=domain.endswith(".onmicrosoft.com"))


def preset_of_mail_host(host: str) -> str:
    """Return the service whose customers have their mail sent to a host (MX); ``""``: none that is known."""
    return _of(host, "mail_hosts", below=True)


def _of(name: str, column: str, *, below: bool) -> str:
    name = name.lower().rstrip(".")
    for key, preset in PRESETS.items():
        for domain in getattr(preset, column):
            if name == domain or (below and name.endswith(f".{domain}")):
                return key
    return ""
