"""Turns a project's mail settings, and mail that waits in another queue, into accounts and messages."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError

from mailconfig import delivery
from mailconfig.delivery import ImportReport, PlannedAccount, QueueReport
from mailconfig.exceptions import NoAccount, QueueBusy

_SHOWN = 10


class Command(BaseCommand):
    """Says what it would do; does it with ``--apply``. A second run finds nothing to do. Shows no secret."""

    help = (
        "Makes accounts of EMAIL_* or MAILERS, and queues what waits in django-post-office or django-mailer."
        " Without --apply it only says what it would do."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--apply``, and what is taken over."""
        parser.add_argument(
            "--apply", action="store_true", help="do it, instead of saying what would be done"
        )
        parser.add_argument(
            "--only",
            choices=["settings", "mail"],
            help="only make accounts, or only queue what waits elsewhere",
        )
        parser.add_argument(
            "--account",
            metavar="NAME",
            help="the account (UUID or name) that sends what waits elsewhere; else the one of the server that would have sent"
            " it, else the one that sends for its From address",
        )
        parser.add_argument(
            "--max-age-days",
            type=float,
            metavar="N",
            help="leave mail that waits for longer (default: MAX_AGE_SECONDS, four days)",
        )
        parser.add_argument(
            "--include-failed", action="store_true", help="also mail that the other queue has given up"
        )
        parser.add_argument(
            "--include-expiring",
            action="store_true",
            help="also mail that must not be sent after a certain time, though nothing here observes that",
        )

    def handle(
        self,
        *,
        apply: bool,
        only: str | None,
        account: str | None,
        max_age_days: float | None,
        include_failed: bool,
        include_expiring: bool,
        **options: object,
    ) -> None:
        """Do it, or say what would be done."""
        found = delivery.import_settings(store=apply and only != "mail")
        if only != "mail":
            self._print_accounts(found, done=apply)
        if only != "settings":
            stored = {mailer: row for mailer, row in found.by_mailer.items() if row.pk or not apply}
            try:
                queues = delivery.import_mail(
                    by_mailer=stored,
                    account=account,
                    store=apply,
                    max_age=None if max_age_days is None else timedelta(days=max_age_days),
                    with_failed=include_failed,
                    with_expiring=include_expiring,
                )
            except (NoAccount, QueueBusy) as error:
                raise CommandError(str(error)) from error
            for report in queues:
                self._print_queue(report, done=apply)
        if not apply:
            self.stdout.write("Nothing was changed: --apply does it.")

    def _print_accounts(self, found: ImportReport, *, done: bool) -> None:
        for planned in found.accounts:
            self.stdout.write(_account_line(planned, done=done))
            self._print_remarks(planned.remarks)
        if not found.accounts:
            self.stdout.write("The settings name no server that becomes an account.")
        for left in found.not_mapped:
            self.stdout.write(self.style.WARNING(f"{left.what} becomes no account: {left.why}"))

    def _print_queue(self, report: QueueReport, *, done: bool) -> None:
        if report.why_not:
            self.stdout.write(self.style.WARNING(f"{report.name}: nothing was looked at: {report.why_not}"))
            return
        verb = "queued" if done else "would be queued"
        for name, count in sorted(report.queued.items()):
            self.stdout.write(f"{report.name}: {count} {verb} for {name}")
        if not report.queued:
            self.stdout.write(f"{report.name}: nothing {verb}")
        by_reason: dict[str, list[int]] = defaultdict(list)
        for left in report.left:
            by_reason[left.why].append(left.pk)
        for why, keys in by_reason.items():
            self.stdout.write(self.style.WARNING(f"{report.name}: {len(keys)} left ({_keys(keys)}): {why}"))
        self._print_remarks(report.remarks)
        if report.queued and done:
            self.stdout.write(f"{report.name}: what was queued counts as sent there")

    def _print_remarks(self, remarks: Iterable[str]) -> None:
        for remark in remarks:
            self.stdout.write(self.style.WARNING(f"  note: {remark}"))


def _account_line(planned: PlannedAccount, *, done: bool) -> str:
    server, account = planned.server, planned.account
    if not planned.is_new:
        return f"{server.where}: there is an account for it already: {account}"
    parts = [
        f"{server.where}: the account {account.name} {'was made' if done else 'would be made'}",
        f"{account.host}, port {account.port}, {server.security.value}",
        # A user name without an @ may be an API token.
        f"logs in as {account.username}"
        if "@" in account.username
        else "logs in"
        if server.logs_in
        else "no login",
        f"from {account.from_email}" if account.from_email else "",
        "the default account" if account.is_default else "",
    ]
    return "; ".join(part for part in parts if part)


def _keys(keys: list[int]) -> str:
    shown = ", ".join(f"#{key}" for key in keys[:_SHOWN])
    return shown + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
