"""Checks of the ``MAILCONFIG`` settings."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError

from mailconfig import crash
from mailconfig.conf import Settings, get_settings, setting_problems
from mailconfig.models.validators import validate_address
from mailconfig.resolvers import load_resolver
from mailconfig.resolvers.http import HttpResolver
from mailconfig.transports.network.tls import why_no_ca_file


@checks.register("mailconfig")
def check_name_of_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """A dictionary under a name that nobody reads would leave every default in force without a word."""
    if hasattr(django_settings, "MAILCONFIG"):
        return []
    names = [name for name in dir(django_settings) if name.isupper() and name.startswith("MAIL")]
    split = [name for name in names if name.startswith("MAILCONFIG_")]
    near = get_close_matches("MAILCONFIG", [name for name in names if name != "MAILERS"], n=1, cutoff=0.8)
    return [
        checks.Warning(
            f"The settings have {name}, and no MAILCONFIG.",
            hint='Every setting of mailconfig is a key of one dictionary: MAILCONFIG = {"INSTALLATION_ID": …}.',
            id="mailconfig.W014",
        )
        for name in (split or near)[:1]
    ]


@checks.register("mailconfig")
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """The dictionary must be usable, and what it names must exist."""
    problems = setting_problems()
    if problems:
        return [
            checks.Error(problem, hint="The README lists every key.", id="mailconfig.E010")
            for problem in problems
        ]
    settings = get_settings()
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
    why = why_no_ca_file(settings.ca_file)
    if why:
        messages.append(
            checks.Error(
                f"MAILCONFIG['CA_FILE'] names {settings.ca_file!r}, and that cannot be used: {why}.",
                hint="It has to be a PEM file that the web server and the workers may read. Without it no"
                " encrypted connection comes about.",
                id="mailconfig.E016",
            )
        )
    messages += _resolver_problems(settings)
    if crash.is_armed():
        messages.append(
            checks.Warning("MAILCONFIG_CRASH_AT is set: this process will kill itself.", id="mailconfig.W010")
        )
    return messages


def _resolver_problems(settings: Settings) -> list[checks.CheckMessage]:
    """Problems of what says what tokens stand for: mail would wait for it in vain."""
    if not settings.pii_resolver:
        return []
    try:
        resolver = load_resolver()
    except ImproperlyConfigured as error:
        return [
            checks.Error(
                str(error),
                hint="It is the dotted path of a class that is called without arguments, and has the method of"
                " mailconfig.resolvers.TokenResolver.",
                id="mailconfig.E040",
            )
        ]
    why = resolver.why_not_usable() if isinstance(resolver, HttpResolver) else ""
    if not why:
        return []
    return [
        checks.Error(
            why,
            hint="HttpResolver asks there, over https unless ALLOW_PLAIN_HTTP is on, at one of WEB_PORTS.",
            id="mailconfig.E041",
        )
    ]


@checks.register("mailconfig", deploy=True)
def check_deployment(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check what only matters where real mail is sent."""
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
    if settings.allow_plain_http:
        messages.append(
            checks.Warning(
                "MAILCONFIG['ALLOW_PLAIN_HTTP'] is on: tokens and files may cross unencrypted connections.",
                id="mailconfig.W016",
            )
        )
    if settings.public_base_url is not None and settings.public_base_url.startswith("http:"):
        messages.append(
            checks.Warning(
                "MAILCONFIG['PUBLIC_BASE_URL'] names this machine itself, which nobody else reaches.",
                hint="Links in mail and the addresses given to mail services begin with it: name the host by which the world"
                " reaches this site, with https.",
                id="mailconfig.W018",
            )
        )
    if settings.attachment_networks and not settings.attachment_hosts:
        messages.append(
            checks.Warning(
                "MAILCONFIG['ATTACHMENT_NETWORKS'] lets whoever sends mail with files from URLs read from all hosts of"
                " those networks.",
                hint="Name in ATTACHMENT_HOSTS the only hosts that such files are fetched from.",
                id="mailconfig.W017",
            )
        )
    return messages
