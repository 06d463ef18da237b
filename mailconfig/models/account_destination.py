"""Destinations of an account's secrets, field by field: the one table of what a stored secret is bound to.

All that asks where a secret would go asks here: its seal (:meth:`Account.secret_binding`), the settings a transport
connects with, the rule that wants it entered again, and whoever proves values before they are stored.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailconfig.values import Authentication

from .choices import Scope

if TYPE_CHECKING:
    from .account import Account


class SecretName(enum.StrEnum):
    """Secrets that an account may hold, by what they open."""

    SMTP = "smtp"
    IMAP = "imap"
    EWS = "ews"
    SENDGRID = "sendgrid"


def _host(text: str) -> str:
    return text.strip().lower()


def _flag(value: bool | None) -> str:
    return str(bool(value))


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a destination, by its column."""

    column: str
    of_server: bool = True
    """Whether an override of the system server has it from the system account."""
    for_override: Mapping[str, str] = field(default_factory=dict)
    """Values of the system account for which an override has another."""
    spelled: Callable[[Any], str] = str
    """Gives all spellings of one value as one."""


DESTINATIONS: Mapping[SecretName, tuple[Part, ...]] = {
    SecretName.SMTP: (
        Part("send_method"),
        Part("host", spelled=_host),
        Part("port"),
        Part("security"),
        # An override always logs in, or anybody could use an open relay in the system's name.
        Part("authentication", for_override={Authentication.NONE: Authentication.PASSWORD}),
        Part("username", of_server=False),
    ),
    SecretName.IMAP: (
        Part("imap_host", spelled=_host),
        Part("imap_port"),
        Part("imap_ssl", spelled=_flag),
        Part("login"),
    ),
    SecretName.EWS: (Part("ews_endpoint"), Part("ews_verify_mode"), Part("login")),
    SecretName.SENDGRID: (),  # goes to the service itself, wherever it lives
}
"""By secret; all but SMTP's are of mailboxes only. Stored secrets are sealed for these parts in this order: whoever changes either locks them all."""

SECRET_COLUMNS: Mapping[SecretName, str] = {
    SecretName.SMTP: "secret",
    SecretName.IMAP: "imap_secret",
    SecretName.EWS: "ews_secret",
    SecretName.SENDGRID: "sendgrid_secret",
}
"""The column that holds each secret."""


def fields_of(name: SecretName) -> tuple[str, ...]:
    """Return the account's fields that make up the destination of a secret."""
    return tuple(part.column for part in DESTINATIONS[name])


def fields_of_server(name: SecretName) -> tuple[str, ...]:
    """Return those that an override of the system server has from the system account."""
    return tuple(part.column for part in DESTINATIONS[name] if part.of_server)


def is_override(account: Account) -> bool:
    """Return whether the account logs in at the server of the system account."""
    return account.scope == Scope.SYSTEM_OVERRIDE


def entered(account: Account, name: SecretName) -> tuple[object, ...]:
    """Return what the row itself says of a secret's destination. It asks the database nothing."""
    borrows = is_override(account)
    own = [part for part in DESTINATIONS[name] if not (borrows and part.of_server)]
    return (borrows, *(part.spelled(getattr(account, part.column)) for part in own))


def effective(account: Account, name: SecretName) -> dict[str, Any]:
    """Return the destination by field, fall-backs applied.

    Raises:
        ValidationError: an override without a system account.
    """
    server = account.server()
    return {part.column: _value(part, account, server) for part in DESTINATIONS[name]}


def binding(name: SecretName, destination: Mapping[str, Any]) -> str:
    """Return a destination as the text that a secret is sealed for.

    Args:
        destination: by field, as :func:`effective` gives it.
    """
    parts = [part.spelled(destination[part.column]) for part in DESTINATIONS[name]]
    # SMTP's begins with the send method, which says as much.
    return "\x1f".join(parts if name is SecretName.SMTP else [name, *parts])


def _value(part: Part, account: Account, server: Account) -> Any:
    if server is account or not part.of_server:
        return getattr(account, part.column)
    value = getattr(server, part.column)
    return part.for_override.get(value, value)
