"""Deletes what the retention says."""

from __future__ import annotations

from django.core.management.base import BaseCommand

from mailconfig import delivery


class Command(BaseCommand):
    """Purges as Celery's beat does once an hour."""

    help = "Deletes settled messages, attempts no limit counts, old checks, orphaned files, deleted accounts and old events of webhooks."

    def handle(self, **options: object) -> None:
        """Purge and say what went."""
        report = delivery.purge()
        self.stdout.write(
            f"{report.messages} messages, {report.attempts} attempts, {report.checks} checks, {report.files} files,"
            f" {report.accounts} deleted accounts, {report.texts} texts that came in, {report.webhooks} events of webhooks"
        )
