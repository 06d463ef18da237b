"""The operations: what interfaces call, and the only way to change a message's state.

::

    enqueue ──▶ preparing, queued
    preparing ──prepare──▶ queued, failed
    queued ──hand_over──▶ handing_over
    queued, handing_over ──settle──▶ sent, partial, failed, queued, held
    queued, held, failed, partial ──settle_late──▶ sent, partial, queued
    handing_over ──reap──▶ queued, held, failed, sent, partial
    preparing, queued, held ──end_orphans──▶ failed
    queued ──hold──▶ held
    held ──release──▶ queued
    failed ──requeue──▶ queued, preparing
    preparing, queued, held ──cancel──▶ cancelled
"""

from mailconfig.delivery.accounts.check_requests import due_checks, request_check, run_check
from mailconfig.delivery.accounts.check_view import staff_view, translate_stored, view_check, words_of_check
from mailconfig.delivery.accounts.failovers import accounts_without_failover, failovers_for, useless_failovers
from mailconfig.delivery.accounts.files.drafts import (
    find_import,
    keep_import,
    leave_import,
    note_outcome,
    pass_row,
    take_import,
)
from mailconfig.delivery.accounts.files.reading import (
    AccountRow,
    is_yaml_read,
    read_account_rows,
)
from mailconfig.delivery.accounts.files.writing import account_row, export_accounts_csv, export_accounts_yaml
from mailconfig.delivery.accounts.finding_exchange import FoundExchange, find_exchange
from mailconfig.delivery.accounts.hosts import require_allowed_host
from mailconfig.delivery.accounts.oauth2_logins import (
    choose_oauth2_login,
    connect_account,
    disconnect_account,
    log_in_by_microsoft,
    save_oauth2_client,
)
from mailconfig.delivery.accounts.opening import is_send_method, is_sync_method
from mailconfig.delivery.accounts.pause import pause_account, resume_account
from mailconfig.delivery.accounts.probe import (
    probe_account,
    probe_sync,
    probe_sync_values,
    probe_values,
    recent_check,
)
from mailconfig.delivery.accounts.recognising import FoundBy, RecognisedAddress, recognise_address
from mailconfig.delivery.accounts.refusals import Refusal, RefusalCode, refusal_of
from mailconfig.delivery.accounts.registrations import does_somebody_sign_in, unreachable_registrations
from mailconfig.delivery.accounts.running_checks import leaves_checks_to_workers
from mailconfig.delivery.accounts.save import Proved, delete_account, prove_account, save_account
from mailconfig.delivery.accounts.say import may_choose_addresses
from mailconfig.delivery.accounts.send_test_mail import send_test_mail, send_test_of_values
from mailconfig.delivery.accounts.signing_in import (
    SignIn,
    begin_sign_in,
    find_sign_in_client,
    finish_sign_in,
    redirect_uri_of,
)
from mailconfig.delivery.accounts.throttle import duration_in_words
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.events.receiving import receive_events
from mailconfig.delivery.events.taking import EventsReport
from mailconfig.delivery.events.webhooks import event_webhook_url, find_event_webhook, rotate_event_webhook
from mailconfig.delivery.imports.accounts import PlannedAccount
from mailconfig.delivery.imports.run import ImportReport, QueueReport, import_mail, import_settings
from mailconfig.delivery.installation import adopt, was_swept_within
from mailconfig.delivery.limits import WindowUsage, usage
from mailconfig.delivery.mishaps import waiting_for_tables
from mailconfig.delivery.monitoring.account_glance import AccountGlance, glance_at
from mailconfig.delivery.monitoring.arrival.report import Arrival, look_at_arrival, may_look_at_arrival
from mailconfig.delivery.monitoring.attention import Attention, StoppedAccount, find_attention
from mailconfig.delivery.monitoring.dashboard import (
    AccountSums,
    Dashboard,
    HourSums,
    WaitingNow,
    read_dashboard,
)
from mailconfig.delivery.monitoring.figures_out import dashboard_data, export_figures
from mailconfig.delivery.monitoring.forecast import QueueForecast, forecast
from mailconfig.delivery.monitoring.health import Health, HealthState, accounts_in_health
from mailconfig.delivery.monitoring.mailings import (
    MailingFacts,
    MailingState,
    mailing_facts,
    recipient_states,
    suppression_text,
    with_mailing_states,
)
from mailconfig.delivery.monitoring.message_facts import MessageFacts, message_facts
from mailconfig.delivery.monitoring.overview import AccountOverview, overview_of
from mailconfig.delivery.monitoring.standing_in import StandIn
from mailconfig.delivery.monitoring.status import AccountStatus, Status, SyncStatus, WebhookStatus, status
from mailconfig.delivery.monitoring.waiting import Waiting, explain
from mailconfig.delivery.monitoring.workers import WorkerStatus
from mailconfig.delivery.preparing.leases import due_files
from mailconfig.delivery.preparing.prepare import prepare_message
from mailconfig.delivery.queue.actions import cancel, hold, release, requeue, send_now
from mailconfig.delivery.queue.backlog import count_unsent
from mailconfig.delivery.queue.content import Texts, read_content, read_preview, read_source, read_texts
from mailconfig.delivery.queue.enqueue import enqueue, enqueue_for, enqueue_many
from mailconfig.delivery.queue.mailings import may_send_from, queue_mailing
from mailconfig.delivery.queue.moving import of_accounts
from mailconfig.delivery.queue.opt_out_links import Wish
from mailconfig.delivery.queue.reassigning import move_messages
from mailconfig.delivery.queue.reports import enqueue_report, is_report
from mailconfig.delivery.queue.resending import resend
from mailconfig.delivery.queue.routing import (
    TenantReference,
    checked_tenant,
    choose_accounts,
    find_project_account,
    sending_for,
)
from mailconfig.delivery.queue.service_mail import find_service_mail, queue_service_mail
from mailconfig.delivery.queue.suppression_files import (
    SuppressionImport,
    export_suppressions,
    import_suppressions,
)
from mailconfig.delivery.queue.suppressions import (
    checked_entry,
    find_wish,
    opt_out,
    opt_out_message,
    suppress,
)
from mailconfig.delivery.queue.tokens import is_token
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.sync.activity import note_activity
from mailconfig.delivery.sync.content import SyncedText, read_synced_content
from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.sync.run import sync_account
from mailconfig.delivery.wake import ring_due, wake_lane
from mailconfig.delivery.web import public_url, why_not_reached
from mailconfig.delivery.webhooks.deliver import deliver_events
from mailconfig.delivery.webhooks.endpoints import (
    check_webhook_url,
    delete_webhook,
    rotate_webhook_secret,
    save_webhook,
    send_test_event,
)
from mailconfig.delivery.webhooks.leases import call_for_endpoints
from mailconfig.delivery.worker.drain import DrainReport, drain_account
from mailconfig.delivery.worker.loop import drain_all, run
from mailconfig.delivery.worker.process import process_worker
from mailconfig.delivery.worker.purge import PURGE_SECONDS, purge
from mailconfig.delivery.worker.sweep import sweep

__all__ = [
    "PURGE_SECONDS",
    "AccountGlance",
    "AccountOverview",
    "AccountRow",
    "AccountStatus",
    "AccountSums",
    "Arrival",
    "Attention",
    "Dashboard",
    "DrainReport",
    "EventsReport",
    "FoundBy",
    "FoundExchange",
    "Health",
    "HealthState",
    "HourSums",
    "ImportReport",
    "MailingFacts",
    "MailingState",
    "MessageFacts",
    "PlannedAccount",
    "Proved",
    "QueueForecast",
    "QueueReport",
    "RecognisedAddress",
    "Refusal",
    "RefusalCode",
    "SignIn",
    "StandIn",
    "Status",
    "StoppedAccount",
    "SuppressionImport",
    "SyncReport",
    "SyncStatus",
    "SyncedText",
    "TenantReference",
    "Texts",
    "Waiting",
    "WaitingNow",
    "WebhookStatus",
    "WindowUsage",
    "Wish",
    "WorkerStatus",
    "account_row",
    "accounts_in_health",
    "accounts_without_failover",
    "adopt",
    "begin_sign_in",
    "call_for_endpoints",
    "cancel",
    "check_webhook_url",
    "checked_entry",
    "checked_tenant",
    "choose_accounts",
    "choose_oauth2_login",
    "connect_account",
    "count_unsent",
    "dashboard_data",
    "database_now",
    "delete_account",
    "delete_webhook",
    "deliver_events",
    "disconnect_account",
    "does_somebody_sign_in",
    "drain_account",
    "drain_all",
    "due_checks",
    "due_files",
    "duration_in_words",
    "enqueue",
    "enqueue_for",
    "enqueue_many",
    "enqueue_report",
    "event_webhook_url",
    "explain",
    "export_accounts_csv",
    "export_accounts_yaml",
    "export_figures",
    "export_suppressions",
    "failovers_for",
    "find_attention",
    "find_event_webhook",
    "find_exchange",
    "find_import",
    "find_project_account",
    "find_service_mail",
    "find_sign_in_client",
    "find_wish",
    "finish_sign_in",
    "forecast",
    "glance_at",
    "hold",
    "import_mail",
    "import_settings",
    "import_suppressions",
    "is_report",
    "is_send_method",
    "is_sync_method",
    "is_token",
    "is_yaml_read",
    "keep_import",
    "leave_import",
    "leaves_checks_to_workers",
    "log_in_by_microsoft",
    "look_at_arrival",
    "mailing_facts",
    "may_choose_addresses",
    "may_look_at_arrival",
    "may_send_from",
    "message_facts",
    "move_messages",
    "note_activity",
    "note_outcome",
    "of_accounts",
    "opt_out",
    "opt_out_message",
    "overview_of",
    "pass_row",
    "pause_account",
    "prepare_message",
    "probe_account",
    "probe_sync",
    "probe_sync_values",
    "probe_values",
    "process_worker",
    "prove_account",
    "public_url",
    "purge",
    "queue_mailing",
    "queue_service_mail",
    "read_account_rows",
    "read_content",
    "read_dashboard",
    "read_preview",
    "read_source",
    "read_synced_content",
    "read_texts",
    "receive_events",
    "recent_check",
    "recipient_states",
    "recognise_address",
    "redirect_uri_of",
    "refusal_of",
    "release",
    "request_check",
    "requeue",
    "require_allowed_host",
    "resend",
    "resume_account",
    "ring_due",
    "rotate_event_webhook",
    "rotate_webhook_secret",
    "run",
    "run_check",
    "save_account",
    "save_oauth2_client",
    "save_webhook",
    "send_now",
    "send_test_event",
    "send_test_mail",
    "send_test_of_values",
    "sending_for",
    "staff_view",
    "states_allowing",
    "status",
    "suppress",
    "suppression_text",
    "sweep",
    "sync_account",
    "take_import",
    "translate_stored",
    "unreachable_registrations",
    "usage",
    "useless_failovers",
    "view_check",
    "waiting_for_tables",
    "wake_lane",
    "was_swept_within",
    "why_not_reached",
    "with_mailing_states",
    "words_of_check",
]
