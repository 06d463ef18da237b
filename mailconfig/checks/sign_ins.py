"""Checks that tokens can be asked for, and that people who sign in at a service for an account can come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.http.request import split_domain_port, validate_host
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from mailconfig.conf import get_settings
from mailconfig.delivery import does_somebody_sign_in, unreachable_registrations, why_not_reached

NAMED = 10
"""So many app registrations are named."""
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]
"""What Django allows where ``ALLOWED_HOSTS`` is empty and ``DEBUG`` on."""
NO_WAY_BACK = checks.Warning(
    "Nobody can sign in for an account: MAILCONFIG['OAUTH2_REDIRECT_BASE'] does not say where browsers reach this site.",
    hint="Name it, such as 'https://mail.example.com'. Where the organisation alone lets apps in, and nobody signs in,"
    " silence this.",
    id="mailconfig.W034",
)


@checks.register("mailconfig")
def check_sign_ins(**kwargs: Any) -> list[checks.CheckMessage]:
    """E042 to E044, W034 to W036: what the settings alone tell of a sign-in that would come to nothing."""
    try:
        settings = get_settings()
    except ImproperlyConfigured:  # check_settings says so
        return []
    found: list[checks.CheckMessage] = [
        checks.Error(
            f"MAILCONFIG['OAUTH2_AUTHORITIES'][{name!r}] cannot be asked for tokens: {why}",
            hint="ALLOWED_HOSTS, ALLOWED_NETWORKS and WEB_PORTS say where requests may go.",
            id="mailconfig.E042",
        )
        for name, url in settings.oauth2_authorities.items()
        if (why := why_not_reached(url))
    ]
    if settings.oauth2_redirect_base:
        found += _way_back(settings.oauth2_redirect_base)
    elif settings.oauth2_authorities:
        found.append(NO_WAY_BACK)
    return found


def _way_back(base: str) -> Iterator[checks.CheckMessage]:
    """Tell what keeps those from coming in whom a service sends back."""
    name, _port = split_domain_port(urlsplit(base).netloc)
    allowed = django_settings.ALLOWED_HOSTS or (LOCAL_HOSTS if django_settings.DEBUG else [])
    if not validate_host(name, allowed):
        yield checks.Error(
            f"MAILCONFIG['OAUTH2_REDIRECT_BASE'] names {name!r}, which is not in ALLOWED_HOSTS.",
            hint="Whoever a service sends back there is answered 400. Correct one of them.",
            id="mailconfig.E043",
        )
    try:
        reverse("mailconfig-oauth2-callback")
    except NoReverseMatch:
        yield checks.Error(
            "MAILCONFIG['OAUTH2_REDIRECT_BASE'] is set, and the pages for signing in have no address.",
            hint="Include mailconfig.urls in the project's URLs.",
            id="mailconfig.E044",
        )
    if str(django_settings.SESSION_COOKIE_SAMESITE).lower() == "strict":
        yield checks.Warning(
            "SESSION_COOKIE_SAMESITE is 'Strict': whoever a service sends back is not logged in, and no sign-in ends.",
            hint="Set it to 'Lax', Django's default.",
            id="mailconfig.W035",
        )
    if not _is_there_a_login():
        yield checks.Warning(
            f"LOGIN_URL is {str(django_settings.LOGIN_URL)!r}, and there is no such page.",
            hint="The link for a mailbox's owner to connect an account asks for a login there.",
            id="mailconfig.W036",
        )


def _is_there_a_login() -> bool:
    try:
        url = resolve_url(django_settings.LOGIN_URL)
        if not urlsplit(url).netloc:
            resolve(urlsplit(url).path)
    except (NoReverseMatch, Resolver404):
        return False
    return True


@checks.register("mailconfig", checks.Tags.database)
def check_registrations(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """W033, W034: what app registrations tell besides. Asks the database only if that is wanted."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        settings = get_settings()
        with transaction.atomic():
            unreachable, signs_in = unreachable_registrations(), does_somebody_sign_in()
    except (
        ImproperlyConfigured,
        DatabaseError,
    ):  # before the migrations, or the database is away: others say so
        return []
    found: list[checks.CheckMessage] = []
    if unreachable:
        named = ", ".join(f"{name} ({why})" for name, why in unreachable[:NAMED])
        found.append(
            checks.Warning(
                f"{len(unreachable)} app registration(s) cannot be asked for tokens: {named}",
                hint="ALLOWED_HOSTS, ALLOWED_NETWORKS and WEB_PORTS say where requests may go; or correct the endpoint.",
                id="mailconfig.W033",
            )
        )
    if signs_in and not settings.oauth2_redirect_base and not settings.oauth2_authorities:
        found.append(NO_WAY_BACK)
    return found
