"""Checks that somebody sends for the addresses that the project's own mail comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.utils.module_loading import import_string

from mailconfig.checks.backend import named_backends
from mailconfig.delivery import find_project_account
from mailconfig.models import Account

SETTINGS = ("DEFAULT_FROM_EMAIL", "SERVER_EMAIL")
OUR_BACKEND = ("mailconfig.backend", "EmailBackend")


@checks.register("mailconfig", checks.Tags.database)
def check_senders(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W030: nobody sends for ``DEFAULT_FROM_EMAIL`` or ``SERVER_EMAIL``. Asks the database only if that is wanted."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or not _is_our_backend_in_use():
        return []
    try:
        with transaction.atomic():
            return list(_unserved())
    except DatabaseError:  # before the migrations, or the database is away: others say so
        return []


def _unserved() -> Iterator[checks.CheckMessage]:
    for name in SETTINGS:
        address, account = find_project_account(from_email=getattr(settings, name))
        if account is None:
            yield checks.Warning(
                f"No account sends for the project what comes from {address or 'no address'} ({name}).",
                hint=_hint(address),
                id="mailconfig.W030",
            )


def _hint(address: str) -> str:
    cure = "In the admin, mark an account with 'sends for the project', or make one the default account."
    if address and Account.objects.kept().filter(from_email__small_letters=address.lower()).exists():
        return f"An account has this address, but is not marked, or its owner or tenant is not active. {cure}"
    return cure


def _is_our_backend_in_use() -> bool:
    return any(_is_ours(path) for _place, path in named_backends())


def _is_ours(path: str) -> bool:
    """Return whether the class of this path is our backend, or one made of it."""
    try:
        found = import_string(path)
    except ImportError:  # E017 says so, or Django as soon as it sends
        return False
    bases = found.__mro__ if isinstance(found, type) else ()
    return OUR_BACKEND in {(base.__module__, base.__qualname__) for base in bases}
