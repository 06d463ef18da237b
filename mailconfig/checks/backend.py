"""Checks of the settings that choose Django's mail backend: is it ours, where it means to be?"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

BACKEND = "mailconfig.backend.EmailBackend"
_ALIKE = 0.85


@checks.register("mailconfig")
def check_mail_backend(**kwargs: Any) -> list[checks.CheckMessage]:
    """Django imports a backend when the first mail is sent: a slip in its name would be a fault of that request."""
    return [
        checks.Error(
            f"{place} is {name!r}, which is no mail backend: {why}.",
            hint=f"Write {BACKEND!r}.",
            id="mailconfig.E017",
        )
        for place, name in named_backends()
        if _means_ours(name) and (why := _why_not(name))
    ]


def named_backends() -> Iterator[tuple[str, str]]:
    """Each place in the settings that names a mail backend, and the name there."""
    mailers = getattr(settings, "MAILERS", None)  # Django 6.1
    if isinstance(mailers, Mapping) and mailers:
        for alias, mailer in mailers.items():
            name = mailer.get("BACKEND") if isinstance(mailer, Mapping) else None
            if isinstance(name, str):
                yield f"MAILERS[{alias!r}]['BACKEND']", name
    elif settings.is_overridden("EMAIL_BACKEND"):  # type: ignore[misc]
        with warnings.catch_warnings(action="ignore"):  # Django 6.1 warns of whoever reads it, too
            name = settings.EMAIL_BACKEND
        if isinstance(name, str):
            yield "EMAIL_BACKEND", name


def _means_ours(name: str) -> bool:
    return (
        "mailconfig" in name.lower() or SequenceMatcher(None, name.lower(), BACKEND.lower()).ratio() > _ALIKE
    )


def _why_not(name: str) -> str:
    """The reason why nothing can be sent by what this names; ``""``: it can."""
    try:
        found = import_string(name)
    except ImportError as error:
        return str(error)
    return "" if callable(getattr(found, "send_messages", None)) else "it sends no mail"
