"""``manage.py make_token``: an API token for a user."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from project.tokens.making import LIFETIME, LONGEST, make_token

HOUR = timedelta(hours=1)


class Command(BaseCommand):
    """Prints the token on standard output, and nothing else there, so that a script can take it."""

    help = "Makes an API token for a user and prints it, once: only its hash is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add whose token it is, and how long it is valid."""
        parser.add_argument("username", help="whose token it is")
        parser.add_argument(
            "--hours",
            type=int,
            default=LIFETIME // HOUR,
            help=f"how long it is valid (%(default)s; at most {LONGEST // HOUR})",
        )

    def handle(self, *args: Any, username: str, hours: int, **options: Any) -> None:
        """Make the token and print it."""
        if not 1 <= hours <= LONGEST // HOUR:
            raise CommandError(f"--hours is from 1 to {LONGEST // HOUR}, not {hours}.")
        try:
            user = get_user_model().objects.filter(username=username).first()
        except DatabaseError as error:
            name = connection.settings_dict["NAME"]
            raise CommandError(
                f"There are no users in {name}: {error}. DEMO_RUN names the folder of a run, as the demo prints it."
            ) from error
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        if not user.is_active:
            raise CommandError(f"{username} is not active: the token would be refused.")
        made = make_token(user, lifetime=hours * HOUR)
        self.stdout.write(made.value)
        self.stderr.write(
            f"Valid until {made.expires_at:%Y-%m-%d %H:%M} UTC, as: Authorization: Bearer <token>", str
        )
