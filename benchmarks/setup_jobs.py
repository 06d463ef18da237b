"""Prepares the database for all subjects."""

from __future__ import annotations

from django.core.management import call_command


def migrate() -> None:
    """Create every table."""
    call_command("migrate", verbosity=0)
