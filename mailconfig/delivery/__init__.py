"""The operations: what interfaces call, and the only way to change a message's state.

::

    enqueue ──▶ preparing ──▶ queued
    queued ──hand_over──▶ handing_over
    queued, handing_over ──settle──▶ sent, partial, failed, queued, held
    queued, held ──settle_late──▶ sent
    handing_over ──reap──▶ queued, held, failed
    queued ──hold──▶ held
    held ──release──▶ queued
    failed ──requeue──▶ queued
    preparing, queued, held ──cancel──▶ cancelled
"""

from .accounts import delete_account
from .check_requests import due_checks, request_check, run_check
from .drain import DrainReport, drain_account
from .enqueue import enqueue, enqueue_many, wake_lane
from .installation import adopt
from .lanes import ring_due
from .limits import usage
from .loop import drain_all, run
from .probe import probe_account, probe_values
from .purge import purge
from .queue.steer import cancel, hold, release, requeue
from .sample import send_test_mail
from .status import status
from .sweep import sweep
from .waiting import explain

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
    "release",
    "request_check",
    "requeue",
    "ring_due",
    "run",
    "run_check",
    "send_test_mail",
    "status",
    "sweep",
    "usage",
    "wake_lane",
]
