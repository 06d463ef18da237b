"""DATABASE_URL to Django's DATABASES entry, and back, so that a child process finds the test database."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def parse(url: str) -> dict[str, Any]:
    """The DATABASES entry for a URL.

    It is ``sqlite:///absolute/path``, ``sqlite://`` (in memory) or
    ``postgresql://user:password@host:port/name?option=value``; a query argument ``host`` names the directory of
    a Unix socket, ``pooled`` says that a pooler lends connections by transaction, all others become OPTIONS.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path) or ":memory:",
            "OPTIONS": dict(SQLITE_OPTIONS),
        }
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(f"DATABASE_URL must begin with sqlite:// or postgresql://, not {parts.scheme!r}")
    options = dict(parse_qsl(parts.query))
    pooled = {"DISABLE_SERVER_SIDE_CURSORS": True} if options.pop("pooled", "") else {}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        **pooled,
    }


def build(database: Mapping[str, Any]) -> str:
    """The URL that ``parse`` turns into this entry of DATABASES."""
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite://{quote(str(database['NAME']))}"
    login = f"{quote(database['USER'], safe='')}:{quote(database['PASSWORD'], safe='')}"
    host, query = database["HOST"], dict(database.get("OPTIONS", {}))
    if host.startswith("/"):
        query["host"], host = host, ""
    port = f":{database['PORT']}" if database["PORT"] and host else ""
    return f"postgresql://{login}@{host}{port}/{quote(database['NAME'], safe='')}?{urlencode(query)}"
