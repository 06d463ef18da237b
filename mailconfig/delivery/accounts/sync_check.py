"""Checks of the half of a mailbox that is synced: the session under one deadline, and what came of it stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts import check_result, sentences
from mailconfig.delivery.accounts.check_result import CONNECTION_STAGES, StageLog
from mailconfig.delivery.accounts.check_target import EWS_COLUMNS
from mailconfig.delivery.accounts.opening import check_sync, reading_transport_of
from mailconfig.exceptions import SecretUnreadable, TransportError, TransportMissing
from mailconfig.models.choices import SyncMethod
from mailconfig.values import CheckResult, ErrorCode, Stage, StageResult

if TYPE_CHECKING:
    from mailconfig.models import Mailbox

_FIELDS = {
    "host": "imap_host",
    "port": "imap_port",
    "security": "imap_ssl",
    "username": "login_name",
    "authentication": "imap_secret",
    "secret": "imap_secret",
    "folder": "syncs_outreach_folder",
}
"""The mailbox's column for what a transport calls it."""

GMAIL_FIELDS = {
    "host": "sync_method",
    "port": "sync_method",
    "security": "sync_method",
    "username": "login_name",
    "secret": "authentication",
    "folder": "syncs_outreach_folder",
}
"""The same where Gmail's own interface reads, for which no server is named."""


EWS_FIELDS = {**EWS_COLUMNS, "authentication": "ews_secret"}
FIELDS_BY: dict[str, dict[str, str]] = {SyncMethod.EWS: EWS_FIELDS, SyncMethod.GMAIL_API: GMAIL_FIELDS}


def look_into(
    mailbox: Mailbox, *, on_change: Callable[[tuple[StageResult, ...]], None] | None = None
) -> CheckResult:
    """Log in where the mailbox is read, open the folder that is synced, and leave. Nothing is changed there.

    Args:
        on_change: told how far it has come; see :class:`StageLog`.
    """
    try:
        log = StageLog(reading_transport_of(mailbox).stages, on_change)
    except TransportMissing:
        return check_result.failed(
            StageLog(CONNECTION_STAGES[:-1]),
            stage=Stage.RESOLVE,
            code=ErrorCode.CONNECT_FAILED,
            field="sync_method",
            message=sentences.NO_READING_TRANSPORT,
        )
    try:
        check_sync(mailbox, within=get_settings().probe_seconds, on_stage=log.done)
    except (TransportError, SecretUnreadable) as error:
        result = check_result.of_error(error, log, sender_field="")
        fields = FIELDS_BY.get(mailbox.sync_method, _FIELDS)
        return replace(result, guilty_field=fields.get(result.guilty_field, result.guilty_field))
    return check_result.passed(log, sentences.SYNC_PASSED)
