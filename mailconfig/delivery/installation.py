"""The guard that keeps a copied database from sending."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from mailconfig.conf import get_settings
from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Installation


def ensure_this_installation() -> None:
    """Let pass if this database is ours; the first caller makes it ours.

    Raises:
        WrongInstallation: it was adopted under another id, or under one while we have none.
    """
    name = get_settings().installation_id
    stored = next((row[0] for row in _NAME.rows()), None)
    if stored is None and name:
        stored = Installation.objects.get_or_create(id=1, defaults={"name": name})[0].name
    if stored is None or stored == name:
        return
    if not stored:
        Installation.objects.filter(id=1, name="").update(name=name)
        return
    if name:
        text = _(
            "This database belongs to the installation '%(theirs)s', and this is '%(ours)s': nothing is sent."
            " If the database moved here for good, run: manage.py mailconfig_adopt"
        )
    else:
        text = _(
            "This database belongs to the installation '%(theirs)s', and this one has no INSTALLATION_ID:"
            " nothing is sent. If this is that installation, set INSTALLATION_ID to '%(theirs)s'. If the database moved"
            " here for good, set one of your own and run: manage.py mailconfig_adopt"
        )
    raise WrongInstallation(text % {"theirs": stored, "ours": name})


def _name() -> QuerySet[Installation, Any]:
    return Installation.objects.filter(id=1).values_list("name")


_NAME = Compiled(_name)


def adopt() -> str:
    """Make this database belong to this installation from now on.

    Returns:
        The id it belongs to.

    Raises:
        ImproperlyConfigured: this installation has no id; nothing was changed.
    """
    name = get_settings().installation_id
    if not name:
        msg = "MAILCONFIG['INSTALLATION_ID'] is empty: give this installation an id first."
        raise ImproperlyConfigured(msg)
    Installation.objects.update_or_create(id=1, defaults={"name": name})
    return name


def note_sweep(at: datetime) -> int:
    """Note that the sweep is alive.

    Returns:
        How many rows say so.
    """
    if not Installation.objects.filter(id=1).update(swept_at=at):
        Installation.objects.get_or_create(
            id=1, defaults={"name": get_settings().installation_id, "swept_at": at}
        )
    return 1


def was_swept_within(seconds: float) -> bool:
    """Return whether somebody swept in the last ``seconds``, by the database's clock."""
    since = Now() - timedelta(seconds=seconds)
    return Installation.objects.filter(id=1, swept_at__gt=since).exists()
