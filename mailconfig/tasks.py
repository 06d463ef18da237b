"""Celery tasks: ids in, nothing out. Losing any of them loses nothing, for the sweep is the truth.

Early acknowledgement, no ETA, no retry, no result: a task that is lost, late or doubled changes nothing.
"""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable
from typing import Any

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_init, worker_shutting_down
from django.dispatch import receiver

from mailconfig import delivery, signals
from mailconfig.conf import get_settings
from mailconfig.delivery import PURGE_SECONDS, waiting_for_tables, was_swept_within
from mailconfig.exceptions import WrongInstallation

from .doorbell import doorbell

logger = logging.getLogger("mailconfig.tasks")

OPTIONS: dict[str, Any] = {"ignore_result": True, "acks_late": False, "max_retries": 0}

FILES_OPTIONS: dict[str, Any] = {**OPTIONS, "soft_time_limit": 3600, "time_limit": 3660}
"""It has a deadline itself (``ATTACHMENT_SECONDS``). A shorter limit that the host sets for all tasks would come in the middle."""

NEXT_FILES = 2
"""Mails that workers are called for when the files of another one were fetched. The sweep calls for all."""


class Periodic(Task):  # type: ignore[type-arg]
    """A task of the beat, which is thrown away once the next one is due.

    The limit belongs to the task: schedulers that keep entries in a database drop the options of an entry that they
    have no column for.
    """

    abstract = True

    @property
    def expires(self) -> float:  # type: ignore[override]  # as Celery reads it
        """Seconds after which no worker runs it any more."""
        settings = get_settings()
        seconds = {"mailconfig.ring": settings.ring_seconds, "mailconfig.sweep": settings.sweep_seconds}
        return max(1.0, seconds.get(self.name, PURGE_SECONDS))


@shared_task(name="mailconfig.drain", bind=True, **OPTIONS)
def drain(task: Task, account_id: int) -> None:  # type: ignore[type-arg]
    """Have the worker of this process hand over what is due, of this account and all others, for one slice of time.

    It is the first task that stays; those that come meanwhile find it there, and return at once.
    """
    _attend(task, account_id, alone=_drain_alone, ring_again=_ring_drain)


@waiting_for_tables()
def _drain_alone(account_id: int) -> None:
    """Hand over what is due of one account, in this thread."""
    try:
        report = delivery.drain_account(account_id=account_id)
    except WrongInstallation as error:
        logger.error("%s", error)
        return
    if report.is_due:
        _ring_drain(account_id)


@shared_task(name="mailconfig.sync", bind=True, **OPTIONS)
def sync(task: Task, account_id: int) -> None:  # type: ignore[type-arg]
    """Have the worker of this process sync the mailboxes that are due: the one that drains, which does both."""
    _attend(task, account_id, alone=_sync_alone, ring_again=_ring_sync)


@waiting_for_tables()
def _sync_alone(account_id: int) -> None:
    """Sync one mailbox, in this thread."""
    try:
        report = delivery.sync_account(account_id=account_id)
    except WrongInstallation as error:
        logger.error("%s", error)
        return
    if report.is_due:
        _ring_sync(account_id)


def _attend(
    task: Task,  # type: ignore[type-arg]
    account_id: int,
    *,
    alone: Callable[[int], None],
    ring_again: Callable[[int], None],
) -> None:
    """Have the worker of this process do what is due for one slice of time, and call again for what is left.

    Args:
        task: in which that happens.
        account_id: for which it was called.
        alone: does it for this account in this thread, where there is no such worker.
        ring_again: publishes the task once more.
    """
    worker = None if task.request.called_directly or task.request.is_eager else delivery.process_worker()
    if worker is None:
        alone(account_id)
        return
    try:
        is_unfinished = worker.attend(should_stop=_is_shutting_down)
    except SoftTimeLimitExceeded:
        worker.end()
        is_unfinished = True
    if is_unfinished:
        ring_again(account_id)


_shutdown = mmap.mmap(-1, 1)
"""Set once Celery is told to stop. Only the parent of a prefork pool hears that, and its children share this byte."""


@worker_init.connect
def _on_init(**kwargs: object) -> None:
    _shutdown[0] = 0


@worker_shutting_down.connect
def _on_shutting_down(**kwargs: object) -> None:
    _shutdown[0] = 1


def _is_shutting_down() -> bool:
    return bool(_shutdown[0])


@shared_task(name="mailconfig.ring", base=Periodic, **OPTIONS)
@waiting_for_tables()
def ring() -> None:
    """Call a worker for each lane that is due, and for each webhook. Runs every second."""
    delivery.ring_due()
    for endpoint_id in delivery.call_for_endpoints():
        _ring_webhook(endpoint_id)


@shared_task(name="mailconfig.sweep", base=Periodic, **OPTIONS)
@waiting_for_tables()
def sweep() -> None:
    """Mend what a killed process left behind. Runs every ten seconds; one that comes late finds it done."""
    if was_swept_within(get_settings().sweep_seconds / 2):
        return
    try:
        delivery.sweep()
    except WrongInstallation as error:
        logger.error("%s", error)
        return
    for check_id in delivery.due_checks():
        _ring_check(check_id)
    for message_id in delivery.due_files():
        _ring_files(message_id)


@shared_task(name="mailconfig.check", **OPTIONS)
@waiting_for_tables()
def check(check_id: int) -> None:
    """Run a connection check, or send a test mail, that somebody asked for."""
    delivery.run_check(check_id=check_id)


@shared_task(name="mailconfig.prepare", **FILES_OPTIONS)
@waiting_for_tables()
def prepare(message_id: int) -> None:
    """Fetch the files of a mail, and queue it once all are there. Then others have their turn, whom a full share kept out."""
    try:
        was_done = delivery.prepare_message(
            message_id=message_id, should_stop=_is_shutting_down, within_share=True
        )
    except WrongInstallation as error:
        logger.error("%s", error)
        return
    for another in delivery.due_files()[:NEXT_FILES] if was_done else ():
        _ring_files(another)


@shared_task(name="mailconfig.webhook", **OPTIONS)
@waiting_for_tables()
def webhook(endpoint_id: int) -> None:
    """Tell a webhook what waits for it, for one turn."""
    try:
        goes_on = delivery.deliver_events(endpoint_id=endpoint_id, should_stop=_is_shutting_down)
    except WrongInstallation as error:
        logger.error("%s", error)
        return
    if goes_on:
        _ring_webhook(endpoint_id)


@shared_task(name="mailconfig.purge", base=Periodic, **OPTIONS)
@waiting_for_tables()
def purge() -> None:
    """Delete what the retention says. Runs once an hour."""
    delivery.purge()


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Return what beat has to run, for the host's ``beat_schedule``. Nothing piles up while no worker is there."""
    settings = get_settings()

    def every(task: str, seconds: float) -> dict[str, Any]:
        return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 1.0)}}

    return {
        "mailconfig-ring": every("mailconfig.ring", settings.ring_seconds),
        "mailconfig-sweep": every("mailconfig.sweep", settings.sweep_seconds),
        "mailconfig-purge": every("mailconfig.purge", PURGE_SECONDS),
    }


def _publish_drain(account_id: int) -> None:
    drain.apply_async((account_id,), retry=False, ignore_result=True, expires=60)


def _publish_sync(account_id: int) -> None:
    sync.apply_async((account_id,), retry=False, ignore_result=True, expires=60)


def _publish_check(check_id: int) -> None:
    check.apply_async((check_id,), retry=False, ignore_result=True, expires=60)


def _publish_files(message_id: int) -> None:
    prepare.apply_async((message_id,), retry=False, ignore_result=True, expires=60)


def _publish_webhook(endpoint_id: int) -> None:
    webhook.apply_async((endpoint_id,), retry=False, ignore_result=True, expires=60)


def _ring_drain(account_id: int) -> None:
    if get_settings().use_celery:
        doorbell.ring(_publish_drain, account_id)


def _ring_sync(account_id: int) -> None:
    if get_settings().use_celery:
        doorbell.ring(_publish_sync, account_id)


def _ring_check(check_id: int) -> None:
    if get_settings().use_celery:
        doorbell.ring(_publish_check, check_id)


def _ring_files(message_id: int) -> None:
    if get_settings().use_celery:
        doorbell.ring(_publish_files, message_id)


def _ring_webhook(endpoint_id: int) -> None:
    if get_settings().use_celery:
        doorbell.ring(_publish_webhook, endpoint_id)


@receiver(signals.message_queued, dispatch_uid="mailconfig-doorbell")
def _on_message_queued(*, account_id: int, **kwargs: object) -> None:
    _ring_drain(account_id)


@receiver(signals.sync_due, dispatch_uid="mailconfig-sync-doorbell")
def _on_sync_due(*, account_id: int, **kwargs: object) -> None:
    _ring_sync(account_id)


@receiver(signals.check_requested, dispatch_uid="mailconfig-check-doorbell")
def _on_check_requested(*, check_id: int, **kwargs: object) -> None:
    _ring_check(check_id)


@receiver(signals.files_due, dispatch_uid="mailconfig-files-doorbell")
def _on_files_due(*, message_id: int, **kwargs: object) -> None:
    _ring_files(message_id)
