"""Mail services as receivers know them: what SPF records include for them, and the selectors under which they publish DKIM keys."""

from __future__ import annotations

from dataclasses import dataclass

from mailconfig.models import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSender:
    """A service that sends for many domains.

    Attributes:
        include: what an SPF record includes so that the service may send; ``""``: it needs nothing there.
        selectors: under which its customers' keys usually are.
    """

    include: str = ""
    selectors: tuple[str, ...] = ()


_GOOGLE = KnownSender(include="_spf.google.com", selectors=("google",))
_MICROSOFT = KnownSender(include="spf.protection.outlook.com", selectors=("selector1", "selector2"))
BY_NAME = {
    "gmail": _GOOGLE,
    "gmail_api": _GOOGLE,
    "exchange_online": _MICROSOFT,
    "outlook": _MICROSOFT,
    "rackspace": KnownSender(include="emailsrvr.com"),
    "sendgrid": KnownSender(include="sendgrid.net", selectors=("s1", "s2", "m1")),
    "mailgun": KnownSender(include="mailgun.org", selectors=("mta", "smtp", "k1", "pic", "mailo")),
    "postmark": KnownSender(include="spf.mtasv.net", selectors=("pm",)),
    "brevo": KnownSender(include="spf.brevo.com", selectors=("mail", "brevo1", "brevo2")),
    "resend": KnownSender(include="amazonses.com", selectors=("resend",)),
}
"""By send method or preset. What is not here is judged by the addresses of its server."""
BY_HOST = {
    "google.com": _GOOGLE,
    "gmail.com": _GOOGLE,
    "office365.com": _MICROSOFT,
    "outlook.com": _MICROSOFT,
    "emailsrvr.com": BY_NAME["rackspace"],
    "sendgrid.net": BY_NAME["sendgrid"],
    "mailgun.org": BY_NAME["mailgun"],
    "postmarkapp.com": BY_NAME["postmark"],
    "brevo.com": BY_NAME["brevo"],
    "amazonaws.com": KnownSender(include="amazonses.com"),
    "zoho.com": KnownSender(include="zoho.com", selectors=("zmail", "zoho")),
    "fastmail.com": KnownSender(include="spf.messagingengine.com", selectors=("fm1", "fm2", "fm3")),
    "mail.me.com": KnownSender(include="icloud.com", selectors=("sig1",)),
    "yahoo.com": KnownSender(include="_spf.mail.yahoo.com", selectors=("s2048",)),
}
USUAL = ("default", "dkim", "mail", "selector1", "s1", "k1")
"""Selectors that many servers use."""


def known_sender(account: Account, host: str) -> KnownSender | None:
    """Return what is known of the service that sends the account's mail, by how it sends, its preset, and its server's name."""
    for name in (account.send_method, account.preset):
        if name in BY_NAME:
            return BY_NAME[name]
    suffixes = (found for domain, found in BY_HOST.items() if host == domain or host.endswith(f".{domain}"))
    return next(suffixes, None)
