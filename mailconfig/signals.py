"""Signals for host projects and our own tasks. All are sent after commit, with ``send_robust``."""

from django.dispatch import Signal

message_queued = Signal()
"""A lane became due. Arguments: ``account_id``. The Celery doorbell listens here."""

check_requested = Signal()
"""A check waits to be run by a worker. Arguments: ``check_id``."""

message_settled = Signal()
"""A message reached a final or held state. Arguments: ``message_id``, ``account_id``, ``state``."""

account_paused = Signal()
"""Sending stopped until somebody acts, told once per pause. Arguments: ``account_id``, ``reason``, ``text``."""

account_resumed = Signal()
"""A paused account sends again. Arguments: ``account_id``."""
