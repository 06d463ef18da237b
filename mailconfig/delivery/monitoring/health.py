"""Health of an account: one state, judged by its own row and the lane that sends its mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from mailconfig.models import PAUSES, Account, Lane, Purpose, WaitReason


class HealthState(models.TextChoices):
    """States of health; the values also stand in addresses of filtered lists."""

    PAUSED = "paused", _("paused")
    WAITS = "waits", _("waits")
    OK = "ok", _("works")
    UNPROVED = "unproved", _("never proved")
    DISABLED = "disabled", _("disabled")


@dataclass(frozen=True, slots=True)
class Health:
    """Health of one account.

    Attributes:
        state: the one state it is in.
        reason: why it is paused or waits; ``None`` in other states.
        at: when it was paused, until when it waits, or when it was last proved; ``None``: never, or nobody knows.
        words: what the mail server said, where that is why; or why a person paused it, in that person's words.
        by: who paused it; ``None``: it did so by itself, or that person is not known any more.
    """

    state: HealthState
    reason: WaitReason | None = None
    at: datetime | None = None
    words: str = ""
    by: AbstractBaseUser | None = None


def health_of(account: Account, lane: Lane | None) -> Health:
    """Judge ``account`` by the lane that sends its mail; ``None``: it has none yet."""
    if not account.is_enabled:
        return Health(HealthState.DISABLED)
    if lane is None:
        return Health(HealthState.UNPROVED)
    if lane.paused_at is not None:
        reason = WaitReason.PAUSED_BY_PERSON
        return Health(HealthState.PAUSED, reason, lane.paused_at, lane.paused_because, lane.paused_by)
    if lane.is_paused:
        return Health(HealthState.PAUSED, WaitReason(lane.wait_reason), lane.wait_since, lane.wait_text)
    if lane.wait_reason:
        return Health(HealthState.WAITS, WaitReason(lane.wait_reason), lane.wait_until, lane.wait_text)
    proved_at = max(filter(None, (lane.validated_at, lane.last_success_at)), default=None)
    return Health(HealthState.OK if proved_at else HealthState.UNPROVED, at=proved_at)


def accounts_in_health(accounts: QuerySet[Account], state: HealthState) -> QuerySet[Account]:
    """Narrow ``accounts`` down to those that :func:`health_of` finds in ``state``, within the database."""
    if state == HealthState.DISABLED:
        return accounts.filter(is_enabled=False)
    enabled = accounts.filter(is_enabled=True)
    if state == HealthState.PAUSED:
        return enabled.filter(pk__in=_lanes().filter(Q(wait_reason__in=PAUSES) | ~Q(paused_at=None)))
    if state == HealthState.WAITS:
        return enabled.filter(pk__in=_lanes(paused_at=None).exclude(wait_reason__in=["", *PAUSES]))
    proved = Q(pk__in=_lanes().exclude(validated_at=None, last_success_at=None))
    unhindered = enabled.exclude(pk__in=_lanes().exclude(wait_reason="", paused_at=None))
    if state == HealthState.OK:
        return unhindered.filter(proved)
    if state == HealthState.UNPROVED:
        return unhindered.exclude(proved)
    assert_never(state)


def _lanes(**conditions: object) -> QuerySet[Lane, int]:
    return Lane.objects.filter(purpose=Purpose.SEND, **conditions).values_list("account_id", flat=True)
