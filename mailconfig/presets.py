"""The mail services that people choose by name, and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    note: str | _StrPromise = ""
    per_minute: int | None = None
    """Mails that the service takes from one account in a minute; ``None``: it does not say."""
    per_day: int | None = None
    """Recipients that the service takes from one account in a day; ``None``: it does not say."""
    sessions: int | None = None
    """Connections over which the service takes mail of one account at the same time; ``None``: it does not say."""


_APP_WORD = _(
    "Needs two-step sign-in and an app password made for this purpose: the usual password is refused."
)

PRESETS: dict[str, Preset] = {
    "gmail": Preset(
        label=_("Gmail, Google Workspace"),
        host="smtp.gmail.com",
        imap_host="imap.gmail.com",
        note=_APP_WORD,
        per_day=2000,
    ),
    "exchange_online": Preset(
        label=_("Microsoft 365 (Exchange Online)"),
        host="smtp.office365.com",
        imap_host="outlook.office365.com",
        note=_("An administrator of Microsoft 365 must allow authenticated SMTP for this mailbox."),
        per_minute=30,
        per_day=10000,
        sessions=3,
    ),
    "outlook": Preset(
        label=_("Outlook.com, Hotmail"),
        host="smtp-mail.outlook.com",
        imap_host="outlook.office365.com",
        note=_("Microsoft may refuse passwords here, app passwords too, and want OAuth 2."),
        per_day=300,
    ),
    "rackspace": Preset(
        label=_("Rackspace Email"),
        host="secure.emailsrvr.com",
        port=465,
        security=Security.TLS,
        imap_host="secure.emailsrvr.com",
        note=_("Log in with the mailbox's whole address and its own password."),
        per_day=10000,
    ),
    "intermedia": Preset(
        label=_("Intermedia"),
        note=_("Each customer has a server of its own: HostPilot shows its name."),
    ),
    "other": Preset(label=_("other"), note=_("Ask the mail service for server, port and encryption.")),
}
"""By the name that is stored in ``Account.preset``."""
