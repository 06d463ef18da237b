"""Cost of a turn of two mails on an account that has sent much in its week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import database, history, servers
from .processes import Place
from .subjects import EACH


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns of one account, each of two mails that are due."""

    attempts: int
    """In the week before."""
    first_ms: float
    """The first one, which sums up what was sent."""
    milliseconds: float
    """The median of the others."""
    statements: int
    """Of one of them."""


def measure(place: Place, *, attempts: int) -> Turns:
    """Take turns on an account with a limit for the week and so many attempts in it."""
    database.forget_mail(place.database_url)
    with servers.local() as port:
        limits: dict[str, Any] = {"limit_per_week": 2 * attempts}
        account = place.run("mailconfig_jobs:make_account", port=port, **limits).result
        history.write(place.database_url, account=account, sent=attempts, waiting=0)
        found = place.run("turn_jobs:take", env=EACH.environment, account=account, turns=20).result
    database.forget_mail(place.database_url)
    return Turns(attempts, found["first"], found["others"], found["statements"])
