"""The operations: what interfaces call, and the only way to change a message's state.

::

    enqueue ──▶ preparing ──▶ queued
    queued ──hand_over──▶ handing_over
    queued, handing_over ──settle──▶ sent, partial, failed, queued, held
    queued, held, failed, partial ──settle_late──▶ sent, partial, queued
    handing_over ──reap──▶ queued, held, failed, sent, partial
    queued, held ──end_orphans──▶ failed
    queued ──hold──▶ held
    held ──release──▶ queued
    failed ──requeue──▶ queued
    preparing, queued, held ──cancel──▶ cancelled
"""

from mailconfig.delivery.accounts.check_requests import due_checks, request_check, run_check
from mailconfig.delivery.accounts.probe import probe_account, probe_values, recent_check
from mailconfig.delivery.accounts.sample import send_test_mail, send_test_of_values
from mailconfig.delivery.accounts.save import delete_account, save_account
from mailconfig.delivery.installation import adopt
from mailconfig.delivery.lanes import ring_due
from mailconfig.delivery.limits import usage
from mailconfig.delivery.monitoring.status import status
from mailconfig.delivery.monitoring.waiting import explain
from mailconfig.delivery.queue.enqueue import enqueue, enqueue_many
from mailconfig.delivery.queue.routing import sending_for
from mailconfig.delivery.queue.steer import cancel, hold, release, requeue
from mailconfig.delivery.wake import wake_lane
from mailconfig.delivery.worker.drain import DrainReport, drain_account
from mailconfig.delivery.worker.loop import drain_all, run
from mailconfig.delivery.worker.purge import purge
from mailconfig.delivery.worker.sweep import sweep

__all__ = [
    "DrainReport",
    "adopt",
    "cancel",
    "delete_account",
    "drain_account",
    "drain_all",
    "due_checks",
    "enqueue",
    "enqueue_many",
    "explain",
    "hold",
    "probe_account",
    "probe_values",
    "purge",
    "recent_check",
    "release",
    "request_check",
    "requeue",
    "ring_due",
    "run",
    "run_check",
    "save_account",
    "send_test_mail",
    "send_test_of_values",
    "sending_for",
    "status",
    "sweep",
    "usage",
    "wake_lane",
]
