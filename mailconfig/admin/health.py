"""Health of accounts in words, and the filter by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import Health, HealthState, accounts_in_health
from mailconfig.models import Account

from .durations import moment_text

if TYPE_CHECKING:
    from .typed import AccountModelAdmin


@dataclass(frozen=True, slots=True)
class HealthText:
    """An account's health as a page shows it."""

    state: HealthState
    text: str = ""
    """The reason, if there is one."""
    detail: str = ""
    words: str = ""
    """What the mail server said, where it said something, or whoever paused it."""


def health_text(health: Health, now: datetime, *, has_lane: bool) -> HealthText:
    """Put ``health`` into words.

    Args:
        health: as delivery judges it.
        now: the database's time.
        has_lane: whether mail was ever queued or the connection tried.
    """
    reason = str(health.reason.label) if health.reason else ""
    return HealthText(health.state, reason, _detail(health, now, has_lane=has_lane), health.words)


def _detail(health: Health, now: datetime, *, has_lane: bool) -> str:
    if health.state == HealthState.DISABLED:
        return _("Its mail stays in the queue.")
    if health.state == HealthState.UNPROVED:
        return _("Nobody has tried this connection yet.") if has_lane else ""
    if health.at is None:
        return ""
    time = {"time": moment_text(health.at, now)}
    if health.by is not None:
        return _("since %(time)s by %(person)s") % {**time, "person": health.by}
    if health.state == HealthState.PAUSED:
        return _("since %(time)s") % time
    if health.state == HealthState.WAITS:
        return _("until %(time)s") % time
    return _("proved %(time)s") % time


class HealthFilter(admin.SimpleListFilter):
    """Accounts by their health."""

    title = gettext_lazy("health")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: AccountModelAdmin) -> list[tuple[str, str]]:
        """Return all states."""
        return [(state.value, str(state.label)) for state in HealthState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        """Return those in the chosen state."""
        value = self.value()
        if value not in HealthState.values:
            return queryset
        return accounts_in_health(queryset, HealthState(value))
