"""The rows."""

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

# Before the first model, whose own words are of labels and not of what to do. Whoever names the mail backend in the
# settings, or imports ``delivery``, comes along here.
if not apps.is_installed("mailconfig"):
    msg = 'mailconfig is not among the INSTALLED_APPS: add "mailconfig", and run manage.py migrate.'
    raise ImproperlyConfigured(msg)

from .account import Account
from .account_change import AccountChange, AccountChangeKind
from .account_import import AccountImport
from .activity import Activity
from .attachment import Attachment, AttachmentBody, Preparation
from .attachment_problem import AttachmentProblem
from .attempt import Attempt, AttemptOutcome
from .body import Body
from .choices import AccountKind, Scope
from .connection_check import CheckKind, CheckState, ConnectionCheck
from .event_webhook import (
    SIGNS_BY_SECRET,
    EventService,
    EventsFaultChoice,
    EventWebhook,
    MailEventChoice,
    MessageEvent,
)
from .hand_over import HandOver
from .hour_figures import FiguresState, HourFigures, HourTotals
from .installation import Installation
from .lane import AWAY, PAUSES, Lane, Purpose, WaitReason
from .mail_alias import MailAlias
from .mailbox import Mailbox
from .mailing import Mailing
from .message import FINAL_STATES, WAITING_STATES, Message, MessageKind, MessageState, Priority
from .message_events import (
    note_message_settled,
    note_messages_bounced,
    note_recipient_opted_out,
    note_recipients_opted_out,
)
from .message_source import MessageSource
from .oauth2 import OAuth2Client
from .oauth2_grant import OAuth2Grant, OAuth2Token
from .oauth2_providers import OAuth2GrantType, OAuth2Provider
from .outbound_email import OutboundEmail
from .recipient import Recipient, RecipientState
from .smtp_provider import SMTPProvider
from .suppression import NO_TENANT, UNREACHABLE, Suppression, SuppressionReason, tenant_key
from .synced import (
    Bounce,
    SyncedContent,
    SyncedFolder,
    SyncedKind,
    SyncedMessage,
)
from .tally import Tally
from .tenant import Tenant
from .tenant_mail_config import TenantMailConfig
from .webhook import (
    CHOSEN_KINDS,
    MOST_ENDPOINTS,
    DeliveryState,
    DisabledReason,
    EventKind,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookProblem,
)
from .webhook_events import note_account_paused, note_account_resumed
from .worker import Worker

__all__ = [
    "AWAY",
    "CHOSEN_KINDS",
    "FINAL_STATES",
    "MOST_ENDPOINTS",
    "NO_TENANT",
    "PAUSES",
    "SIGNS_BY_SECRET",
    "UNREACHABLE",
    "WAITING_STATES",
    "Account",
    "AccountChange",
    "AccountChangeKind",
    "AccountImport",
    "AccountKind",
    "Activity",
    "Attachment",
    "AttachmentBody",
    "AttachmentProblem",
    "Attempt",
    "AttemptOutcome",
    "Body",
    "Bounce",
    "CheckKind",
    "CheckState",
    "ConnectionCheck",
    "DeliveryState",
    "DisabledReason",
    "EventKind",
    "EventService",
    "EventWebhook",
    "EventsFaultChoice",
    "FiguresState",
    "HandOver",
    "HourFigures",
    "HourTotals",
    "Installation",
    "Lane",
    "MailAlias",
    "MailEventChoice",
    "Mailbox",
    "Mailing",
    "Message",
    "MessageEvent",
    "MessageKind",
    "MessageSource",
    "MessageState",
    "OAuth2Client",
    "OAuth2Grant",
    "OAuth2GrantType",
    "OAuth2Provider",
    "OAuth2Token",
    "OutboundEmail",
    "Preparation",
    "Priority",
    "Purpose",
    "Recipient",
    "RecipientState",
    "SMTPProvider",
    "Scope",
    "Suppression",
    "SuppressionReason",
    "SyncedContent",
    "SyncedFolder",
    "SyncedKind",
    "SyncedMessage",
    "Tally",
    "Tenant",
    "TenantMailConfig",
    "WaitReason",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookProblem",
    "Worker",
    "note_account_paused",
    "note_account_resumed",
    "note_message_settled",
    "note_messages_bounced",
    "note_recipient_opted_out",
    "note_recipients_opted_out",
    "tenant_key",
]
