"""The entry of ``DATABASES`` for a ``DATABASE_URL``."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    "timeout": 20,
    # Writers queue up instead of failing with "database is locked".
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


def sqlite(path: Path | str) -> dict[str, Any]:
    """A SQLite file that several processes may write to."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": dict(SQLITE_OPTIONS)}


def from_url(url: str) -> dict[str, Any]:
    """``sqlite:///absolute/path`` or ``postgresql://user:password@host:port/name?option=value``.

    The query argument ``host`` names the directory of a Unix socket; all others become OPTIONS.

    Raises:
        ImproperlyConfigured: it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and parts.path:
        return sqlite(unquote(parts.path))
    if parts.scheme not in {"postgres", "postgresql"}:
        msg = "DATABASE_URL begins with sqlite:/// or postgresql://"
        raise ImproperlyConfigured(msg)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }
