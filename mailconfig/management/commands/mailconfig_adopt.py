"""Makes this database belong to this installation."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from mailconfig import delivery


class Command(BaseCommand):
    """For a database that moved for good, not for a copy."""

    help = (
        "Lets this installation (MAILCONFIG['INSTALLATION_ID']) send the mail of this database from now on."
    )

    def handle(self, **options: object) -> None:
        """Adopt."""
        try:
            name = delivery.adopt()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"This database now belongs to the installation {name!r}.")
