"""Checks of the ``MAILCONFIG`` settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.models.validators import validate_address


@checks.register("mailconfig")
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """The dictionary must be usable, and its storage must exist."""
    try:
        settings = get_settings()
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="mailconfig.E010")]
    messages: list[checks.CheckMessage] = []
    if not django_settings.USE_TZ:
        messages.append(
            checks.Error(
                "USE_TZ is off, and mailconfig needs times that know their time zone.",
                hint="Without it the database's times and this process's cannot be compared: limits, waits and"
                " throttles would be wrong or fail. Set USE_TZ = True, Django's default.",
                id="mailconfig.E015",
            )
        )
    if settings.storage not in django_settings.STORAGES:
        messages.append(
            checks.Error(
                f"MAILCONFIG['STORAGE'] names {settings.storage!r}, which is not in STORAGES.",
                hint="Large messages are kept there; it must not be served to the public.",
                id="mailconfig.E011",
            )
        )
    if settings.redirect_all_to:
        try:
            validate_address(settings.redirect_all_to)
        except ValidationError:
            messages.append(
                checks.Error("MAILCONFIG['REDIRECT_ALL_TO'] is no address.", id="mailconfig.E012")
            )
    if crash.is_armed():
        messages.append(
            checks.Warning("MAILCONFIG_CRASH_AT is set: this process will kill itself.", id="mailconfig.W010")
        )
    return messages


@checks.register("mailconfig", deploy=True)
def check_deployment(**kwargs: Any) -> list[checks.CheckMessage]:
    """What only matters where real mail is sent."""
    try:
        settings = get_settings()
    except ImproperlyConfigured:
        return []
    messages: list[checks.CheckMessage] = []
    if not settings.installation_id:
        messages.append(
            checks.Warning(
                "MAILCONFIG['INSTALLATION_ID'] is not set.",
                hint="Without it a copy of this database, for a test say, sends the mail that waits in it.",
                id="mailconfig.W011",
            )
        )
    if settings.outbox:
        messages.append(checks.Warning("MAILCONFIG['OUTBOX'] is on: no mail leaves.", id="mailconfig.W012"))
    if settings.allow_plain_login:
        messages.append(
            checks.Warning(
                "MAILCONFIG['ALLOW_PLAIN_LOGIN'] is on: passwords may cross unencrypted connections.",
                id="mailconfig.W013",
            )
        )
    return messages
