"""Says what waits where, why and since when."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from datetime import datetime

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from mailconfig import delivery
from mailconfig.delivery import AccountStatus, Status, SyncStatus, WebhookStatus, WorkerStatus
from mailconfig.models import Account, WaitReason


class Command(BaseCommand):
    """Exit code 0: all is well; 1: somebody has to act on an account; 2: nothing moves."""

    help = "Says what waits where, why and since when. Exits 1 if somebody has to act, 2 if nothing moves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--json``."""
        parser.add_argument("--json", action="store_true", help="one JSON object for scripts")

    def handle(self, *, json: bool, **options: object) -> None:
        """Print, and exit with the code."""
        status = delivery.status()
        if json:
            self._print_json(status)
        else:
            self._print(status)
        if status.exit_code:
            sys.exit(status.exit_code)

    def _print_json(self, status: Status) -> None:
        values = dataclasses.asdict(status) | {"exit_code": status.exit_code}
        self.stdout.write(json.dumps(values, cls=DjangoJSONEncoder))

    def _print(self, status: Status) -> None:
        if status.wrong_installation:
            self.stdout.write(self.style.ERROR(status.wrong_installation))
        swept = _time(status.swept_at) if status.swept_at else "never"
        self.stdout.write(f"last sweep: {swept}; failed in the last 24 hours: {status.failed_today}")
        if status.is_stale:
            self.stdout.write(
                self.style.ERROR("Mail is due and nobody takes it: is a worker running, and beat?")
            )
        for worker in status.workers:
            self.stdout.write(_worker_line(worker))
        for failing in status.failing_steps:
            since = _time(failing.since)
            self.stdout.write(
                self.style.ERROR(f"house-keeping: {failing.step} fails since {since}: {failing.text}")
            )
        for account in status.accounts:
            self.stdout.write(_line(account))
        for sync in status.syncs:
            self.stdout.write(_sync_line(sync))
        for webhook in status.webhooks:
            self.stdout.write(_webhook_line(webhook))
        if not status.accounts:
            is_set_up = Account.objects.kept().exists()
            self.stdout.write(
                "Nothing waits." if is_set_up else "There is no mail account: nothing can be sent."
            )


def _line(account: AccountStatus) -> str:
    parts = [f"{account.name}: {account.queued} queued"]
    if account.preparing:
        parts.append(f"{account.preparing} whose files are being fetched")
    if account.handing_over:
        parts.append(f"{account.handing_over} being handed over")
    if account.held:
        parts.append(f"{account.held} held")
    if account.oldest_due_at:
        parts.append(f"due since {_time(account.oldest_due_at)}")
    if account.reason:
        parts.append(str(WaitReason(account.reason).label))
    if account.since and account.reason:
        parts.append(f"since {_time(account.since)}")
    if account.sends_over and account.sends_over_since:
        parts.append(f"its mail goes over {account.sends_over} since {_time(account.sends_over_since)}")
    if account.makes_no_progress:
        parts.append("nothing has gone out since it is due")
    if account.until:
        parts.append(f"until {_time(account.until)}")
    if account.words:
        parts.append(f"“{account.words}”")
    if account.last_error_at:
        parts.append(f"last error {account.last_error_code} at {_time(account.last_error_at)}")
    return "; ".join(parts)


def _sync_line(sync: SyncStatus) -> str:
    parts = [f"{sync.name}: not synced"]
    if sync.reason:
        parts.append(str(WaitReason(sync.reason).label))
    if sync.reason and sync.since:
        parts.append(f"since {_time(sync.since)}")
    if sync.until:
        parts.append(f"until {_time(sync.until)}")
    if sync.is_late and sync.due_at:
        parts.append(f"due since {_time(sync.due_at)}, and nobody takes it")
    if sync.words:
        parts.append(f"“{sync.words}”")
    return "; ".join(parts)


def _webhook_line(webhook: WebhookStatus) -> str:
    parts = [f"webhook {webhook.name} of {webhook.tenant}: {webhook.waiting} events wait"]
    if webhook.oldest_at:
        parts.append(f"the oldest since {_time(webhook.oldest_at)}")
    if webhook.disabled_reason:
        parts.append(f"disabled: {webhook.disabled_reason}")
    elif webhook.problem:
        parts.append(webhook.problem)
    if webhook.failing_since:
        parts.append(f"fails since {_time(webhook.failing_since)}")
    if webhook.dropped:
        parts.append(f"{webhook.dropped} were dropped")
    return "; ".join(parts)


def _worker_line(worker: WorkerStatus) -> str:
    waiting = f" ({worker.waiting} of them wait for their servers)" if worker.waiting else ""
    return (
        f"worker {worker.host}:{worker.pid}: {worker.lanes} accounts in hand{waiting},"
        f" {worker.mails_a_minute} mails a minute; since {_time(worker.since)}, seen {_time(worker.seen_at)}"
    )


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")
