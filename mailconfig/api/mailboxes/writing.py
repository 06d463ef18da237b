"""Puts what a client says onto a mailbox, with what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailconfig.models import Mailbox
from mailconfig.models.mailbox_fallbacks import Connections

COLUMNS: Mapping[str, str] = {
    "email": "from_email",
    "emailProvider": "email_provider",
    "emailSignature": "signature",
    "ewsEndpoint": "ews_endpoint",
    "ewsSslVerifyMode": "ews_verify_mode",
    "exchangeVersion": "exchange_version",
    "imapHost": "imap_host",
    "imapPort": "imap_port",
    "imapSsl": "imap_ssl",
    "maxEmailsPerDay": "limit_in_out_per_day",
    "maxMailingsPerDay": "limit_per_day",
    "maxMailingsPerWeek": "limit_per_week",
    "optOutMessage": "opt_out_message",
    "optOutSignature": "opt_out_signature",
    "prospectEmailExclusions": "sync_exclusions",
    "sendMaxRetries": "max_retries",
    "sendMethod": "send_method",
    "sendPeriod": "limit_period",
    "sendRequiresSync": "sends_only_when_synced",
    "sendThreshold": "limit_count",
    "smtpHost": "host",
    "smtpPort": "port",
    "smtpUsername": "smtp_login_name",
    "syncActiveFrequency": "active_sync_interval",
    "syncMethod": "sync_method",
    "syncOutreachFolder": "syncs_outreach_folder",
    "syncPassiveFrequency": "sync_interval",
    "username": "login_name",
}
"""The column behind each attribute that says the same as its column."""
TOLD_OF: Mapping[str, str] = {
    **{column: attribute for attribute, column in COLUMNS.items()},
    "security": "smtpSsl",
    "authentication": "username",
    "preset": "emailProvider",
    "is_enabled": "sendDisabled",
    "is_sync_enabled": "syncDisabled",
    "envelope_from": "email",
    "recipient": "email",
    "imap_secret": "password",
    "ews_secret": "password",
    "sendgrid_secret": "sendgridApiKey",
    "owner": "/data/relationships/user",
    "tenant": "/data/relationships/user",
    "scope": "",
    "serves_project": "",
}
"""Attributes at which clients are told of columns. The account's user name is that of the mailbox, if it has no own."""
NUMBERS_AND_FLAGS = frozenset(
    {
        "ews_verify_mode",
        "imap_port",
        "imap_ssl",
        "limit_in_out_per_day",
        "limit_per_day",
        "limit_per_week",
        "max_retries",
        "limit_period",
        "limit_count",
        "active_sync_interval",
    }
)
"""Columns in which nothing said is NULL."""
_DEFAULTS: Mapping[str, Any] = {
    "sends_only_when_synced": False,
    "syncs_outreach_folder": False,
    "sync_interval": Mailbox._meta.get_field("sync_interval").default,
    "port": Mailbox._meta.get_field("port").default,
}
_INVERTED: Mapping[str, str] = {"sendDisabled": "is_enabled", "syncDisabled": "is_sync_enabled"}


def write_attributes(mailbox: Mailbox, values: Mapping[str, Any]) -> None:
    """Set what was said, and all that follows from it; nothing is stored.

    Args:
        values: validated, by attribute; what is ``None`` was cleared.
    """
    connections = Connections(mailbox)
    columns = {COLUMNS[name]: value for name, value in values.items() if name in COLUMNS}
    for column, value in columns.items():
        setattr(mailbox, column, _nothing_in(column) if value is None else value)
    for name in _INVERTED.keys() & values:
        setattr(mailbox, _INVERTED[name], not values[name])
    said = {column for column, value in columns.items() if value not in {None, ""}}
    cleared = set(columns) - said
    if "smtpSsl" in values and values["smtpSsl"] is None:
        cleared.add("security")
    connections.fill(said=said, cleared=cleared, ssl=values.get("smtpSsl"))
    if "smtpPassword" in values:
        mailbox.enter_smtp_password(values["smtpPassword"])
    if "password" in values:
        mailbox.enter_password(values["password"])
    if "sendgridApiKey" in values:
        mailbox.sendgrid_secret = values["sendgridApiKey"]
    connections.fill_authentication()


def _nothing_in(column: str) -> Any:
    if column in NUMBERS_AND_FLAGS:
        return None
    return _DEFAULTS.get(column, "")
