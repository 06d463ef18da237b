"""How an account is, in one word and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import PAUSES, Account, Lane, Purpose, WaitReason

from .durations import moment_text

if TYPE_CHECKING:
    from .typed import AccountModelAdmin


class HealthState(models.TextChoices):
    """What the list shows; also the words in the filter's address."""

    PAUSED = "paused", gettext_lazy("paused")
    WAITS = "waits", gettext_lazy("waits")
    OK = "ok", gettext_lazy("works")
    UNPROVED = "unproved", gettext_lazy("never proved")
    DISABLED = "disabled", gettext_lazy("disabled")


@dataclass(frozen=True, slots=True)
class Health:
    """The word, and what there is to say about it."""

    state: HealthState
    text: str = ""
    detail: str = ""
    words: str = ""
    """What the mail server said, where it said something."""


def health_of(account: Account, lane: Lane | None, now: datetime) -> Health:
    """How ``account`` is, judged by the lane that sends its mail."""
    if not account.is_enabled:
        return Health(HealthState.DISABLED, detail=_("Its mail stays in the queue."))
    if lane is None:
        return Health(HealthState.UNPROVED)
    reason = WaitReason(lane.wait_reason).label if lane.wait_reason else ""
    if lane.is_paused:
        since = _("since %(time)s") % {"time": moment_text(lane.wait_since, now)} if lane.wait_since else ""
        return Health(HealthState.PAUSED, str(reason), since, lane.wait_text)
    if lane.wait_reason:
        until = _("until %(time)s") % {"time": moment_text(lane.wait_until, now)} if lane.wait_until else ""
        return Health(HealthState.WAITS, str(reason), until, lane.wait_text)
    proved = max(filter(None, (lane.validated_at, lane.last_success_at)), default=None)
    if proved is None:
        return Health(HealthState.UNPROVED, detail=_("Nobody has tried this connection yet."))
    return Health(HealthState.OK, detail=_("proved %(time)s") % {"time": moment_text(proved, now)})


def _lanes(**conditions: object) -> QuerySet[Lane, int]:
    return Lane.objects.filter(purpose=Purpose.SEND, **conditions).values_list("account_id", flat=True)


class HealthFilter(admin.SimpleListFilter):
    """Accounts by how they are."""

    title = gettext_lazy("health")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: AccountModelAdmin) -> list[tuple[str, str]]:
        """All the words there are."""
        return [(state.value, str(state.label)) for state in HealthState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        """Those that are as chosen; as :func:`health_of` judges."""
        value = self.value()
        if value not in HealthState.values:
            return queryset
        if value == HealthState.DISABLED:
            return queryset.filter(is_enabled=False)
        enabled = queryset.filter(is_enabled=True)
        if value == HealthState.PAUSED:
            return enabled.filter(pk__in=_lanes(wait_reason__in=PAUSES))
        if value == HealthState.WAITS:
            return enabled.filter(pk__in=_lanes().exclude(wait_reason__in=["", *PAUSES]))
        proved = _lanes().exclude(validated_at=None, last_success_at=None)
        calm = enabled.exclude(pk__in=_lanes().exclude(wait_reason=""))
        chosen = Q(pk__in=proved)
        return calm.filter(chosen if value == HealthState.OK else ~chosen)
