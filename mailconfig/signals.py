"""Signals for host projects and our own tasks. All are sent after commit, with ``send_robust``."""

from django.dispatch import Signal

message_queued = Signal()
"""A lane became due. Arguments: ``account_id``. The Celery doorbell listens here."""

sync_due = Signal()
"""A mailbox is due to be synced. Arguments: ``account_id``. The Celery doorbell listens here as well."""

files_due = Signal()
"""A mail waits for its files to be fetched by a worker. Arguments: ``message_id``. The Celery doorbell listens here as well."""

check_requested = Signal()
"""A check waits to be run by a worker. Arguments: ``check_id``."""

message_settled = Signal()
"""A message reached a final or held state. Arguments: ``message_id``, ``account_id`` (of the account that it was queued
for, whichever sent it), ``state``."""

account_paused = Signal()
"""Sending or syncing (``purpose``) stopped until somebody acts, told once per pause. Arguments: ``account_id``,
``purpose``, ``reason``, ``text``."""

account_resumed = Signal()
"""A pause ended, told once per pause: it sends, or syncs, again, unless it was paused by a person and by itself, and the other pause
holds. Arguments: ``account_id``, ``purpose``."""

message_bounced = Signal()
"""A report came in that a message did not arrive. Arguments: ``message_id``, ``account_id``, ``bounce_id``."""

webhook_disabled = Signal()
"""A tenant's webhook was disabled by itself. Arguments: ``endpoint_id``, ``tenant_id``, ``reason`` (``gone``, ``failing``)."""

recipient_opted_out = Signal()
"""A person asked for no more mail. Arguments: ``tenant_id`` (``None`` outside of tenants), ``address``, ``message_id`` (of
the mail they answered, or ``None``), ``account_id`` (the same), ``source`` (how it was said: a code)."""
