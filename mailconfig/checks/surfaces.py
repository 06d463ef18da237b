"""Checks of what ``MAILCONFIG`` says of the REST surfaces."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.module_loading import import_string

from mailconfig.conf import SURFACES, get_settings


@checks.register("mailconfig")
def check_surfaces(**kwargs: Any) -> list[checks.CheckMessage]:
    """Every surface named must exist: one that is misspelt would be off without a word."""
    try:
        named = get_settings().surfaces
    except ImproperlyConfigured:  # check_settings says so
        return []
    return [
        checks.Error(
            f"MAILCONFIG['SURFACES'] names {name!r}, and there is no such surface.",
            hint=f"There are {', '.join(SURFACES)}.",
            id="mailconfig.E013",
        )
        for name in named
        if name not in SURFACES
    ]


@checks.register("mailconfig")
def check_user_keys(**kwargs: Any) -> list[checks.CheckMessage]:
    """Users of the mailboxes' surface are told by whole numbers, as its clients expect; other keys do not fit there."""
    try:
        named = get_settings().surfaces
    except ImproperlyConfigured:
        return []
    key = get_user_model()._meta.pk
    if "mailboxes" not in named or isinstance(key, models.IntegerField):
        return []
    return [
        checks.Warning(
            f"The REST surface of mailboxes tells users by whole numbers, and their keys are {type(key).__name__}.",
            hint="Leave 'mailboxes' out of MAILCONFIG['SURFACES'], or know that it can neither tell nor filter whose a mailbox is.",
            id="mailconfig.W015",
        )
    ]


@checks.register("mailconfig")
def check_api_authentication(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check that what lets API clients in can be imported, or every call would be a fault of ours."""
    try:
        paths = get_settings().api_authentication
    except ImproperlyConfigured:
        return []
    return [
        checks.Error(
            f"MAILCONFIG['API_AUTHENTICATION'] names {path!r}, which is no authentication class of REST framework.",
            hint=why,
            id="mailconfig.E014",
        )
        for path in paths
        if (why := _why_not(path))
    ]


def _why_not(path: str) -> str:
    """Return why this names no authentication class; ``""``: it does."""
    try:
        # Hosts without surfaces need not have it.
        from rest_framework.authentication import BaseAuthentication

        found = import_string(path)
    # RuntimeError: a model of an app that is not installed.
    except (ImportError, ImproperlyConfigured, RuntimeError) as error:
        return str(error)
    if isinstance(found, type) and issubclass(found, BaseAuthentication):
        return ""
    return "It is something else."
