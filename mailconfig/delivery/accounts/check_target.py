"""Targets of checks: the server that a check connects with, and the login that it makes, by what is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.models import Account, CheckKind, Mailbox, Purpose
from mailconfig.models.account_destination import SECRET_COLUMNS, SecretName, effective
from mailconfig.models.choices import GMAIL_API, SyncMethod
from mailconfig.models.gmail import GMAIL_HOST, GMAIL_PORT
from mailconfig.models.mailbox_ews import server_of
from mailconfig.values import Authentication


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTarget:
    """A server as it was entered, and who logs in there."""

    host: str = ""
    port: int | None = None
    username: str = ""
    """Empty: no login is made."""


def target_of(account: Account, kind: str) -> CheckTarget:
    """Return where a check of this kind connects. It asks no secret.

    Returns:
        A target without a server where nothing will be connected: an override without the system account.
    """
    if kind == CheckKind.SYNC:
        mailbox = cast("Mailbox", account)
        if mailbox.sync_method == SyncMethod.EWS:
            return _ews(mailbox)
        if mailbox.sync_method == GMAIL_API:
            return CheckTarget(host=GMAIL_HOST, port=GMAIL_PORT, username=mailbox.login)
        return CheckTarget(host=mailbox.imap_host, port=mailbox.sync_port, username=mailbox.login)
    if account.sends_by_ews:
        return _ews(account.as_mailbox)
    try:
        where = effective(account, SecretName.SMTP)
    except ValidationError:  # the check will say so
        return CheckTarget()
    if service := MAIL_SERVICES.get(account.server().send_method):
        return CheckTarget(host=urlsplit(service.url_for(where["host"])).hostname or "", port=443)
    if where["send_method"] == GMAIL_API:
        return CheckTarget(host=GMAIL_HOST, port=GMAIL_PORT, username=account.username)
    logs_in = where["authentication"] != Authentication.NONE
    return CheckTarget(host=where["host"], port=where["port"], username=account.username if logs_in else "")


def _ews(mailbox: Mailbox) -> CheckTarget:
    host, port = server_of(mailbox.ews_endpoint)
    return CheckTarget(host=host, port=port, username=mailbox.login)


def model_of(kind: str) -> type[Account]:
    """Return the model that knows all that a check of this kind needs."""
    return Mailbox if kind == CheckKind.SYNC else Account


def purpose_of(kind: str) -> Purpose:
    """Return for which of an account's lanes a check of this kind says something."""
    return Purpose.SYNC if kind == CheckKind.SYNC else Purpose.SEND


def secret_column_of(kind: str, account: Account | None = None) -> str:
    """Return the column of the secret that a check of this kind logs in with; without an account: usually."""
    if kind == CheckKind.SYNC:
        by_ews = account is not None and cast("Mailbox", account).sync_method == SyncMethod.EWS
        return SECRET_COLUMNS[SecretName.EWS if by_ews else SecretName.IMAP]
    if account is not None and account.sends_by_ews:
        return SECRET_COLUMNS[SecretName.EWS]
    by_key = account is not None and account.sends_with_service_key
    return SECRET_COLUMNS[SecretName.SENDGRID if by_key else SecretName.SMTP]


EWS_COLUMNS = {
    "host": "ews_endpoint",
    "port": "ews_endpoint",
    "security": "ews_verify_mode",
    "username": "login_name",
    "secret": "ews_secret",
    "folder": "syncs_outreach_folder",
}
"""The mailbox's column for what a transport calls it, where Exchange's web service sends or is read."""
