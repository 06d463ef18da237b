"""The pages for those who keep mail accounts and look after the queue."""

from . import (
    account_history,
    accounts,
    bounces,
    connection_checks,
    dashboard,
    event_webhooks,
    mailboxes,
    messages,
    oauth2_clients,
    suppressions,
    synced,
    tenants,
    webhooks,
    workers,
)
from .adding import every_kind

__all__ = [
    "account_history",
    "accounts",
    "bounces",
    "connection_checks",
    "dashboard",
    "event_webhooks",
    "every_kind",
    "mailboxes",
    "messages",
    "oauth2_clients",
    "suppressions",
    "synced",
    "tenants",
    "webhooks",
    "workers",
]
