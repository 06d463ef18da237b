"""``manage.py mailconfig_rotate_keys``: bring every stored secret under the first key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from mailconfig.secrets.rotation import FieldRotation, rotate

_SHOWN = 20


class Command(BaseCommand):
    """Prints counts per field; ends with an error when some secrets cannot be read with the keys there are."""

    help = (
        "Seal all stored secrets anew under the first key of FIELD_ENCRYPTION_KEY. Put the new key first, keep "
        "the old ones behind it, restart all processes, run this until it rotates nothing, then drop the old keys. "
        "May be interrupted and run again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--batch-size", type=int, default=500, help="rows read at a time (default: 500)")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="which database (default: default)")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1")
        results = rotate(
            using=options["database"], batch_size=options["batch_size"], dry_run=options["dry_run"]
        )
        for result in results:
            self.stdout.write(_line(result, dry_run=options["dry_run"]))
        unreadable = [result for result in results if result.unreadable]
        for result in unreadable:
            self.stderr.write(_unreadable(result))
        if unreadable:
            count = sum(len(result.unreadable) for result in unreadable)
            raise CommandError(
                f"{count} unreadable: restore the key they were sealed with, or enter them again"
            )


def _line(result: FieldRotation, *, dry_run: bool) -> str:
    rotated = "to rotate" if dry_run else "rotated"
    return (
        f"{result.label}: {result.rotated} {rotated}, {result.current} current, "
        f"{len(result.unreadable)} unreadable, {result.changed} changed meanwhile"
    )


def _unreadable(result: FieldRotation) -> str:
    shown = ", ".join(str(pk) for pk in result.unreadable[:_SHOWN])
    more = len(result.unreadable) - _SHOWN
    return f"{result.label}: unreadable: {shown}" + (f" and {more} more" if more > 0 else "")
