"""Filters of the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import (
    WAITING_STATES,
    Account,
    Lane,
    Message,
    MessageState,
    Priority,
    Purpose,
    WaitReason,
)

from .lookups import is_key
from .within_reach import rows_within_reach

if TYPE_CHECKING:
    from .typed import MessageModelAdmin

WAITING = "waiting"
LISTED_ACCOUNTS = 50
OWN_REASONS = (
    WaitReason.DISABLED,
    WaitReason.SCHEDULED,
    WaitReason.RETRY,
    WaitReason.HELD,
    WaitReason.MAYBE_SENT,
    WaitReason.UNKNOWN_OUTCOME,
    WaitReason.INTERNAL_ERROR,
)

_OPEN = sorted(WAITING_STATES - {MessageState.QUEUED, MessageState.HANDING_OVER})
WAITS = Q(state=MessageState.QUEUED) | Q(state__in=_OPEN)
"""Two conditions, as the partial indexes have them. What is being handed over stands as queued in its row."""


class StateFilter(admin.SimpleListFilter):
    """Messages that wait, or those in one state."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: MessageModelAdmin) -> list[tuple[str, str]]:
        """Return what waits first: that is what one comes for."""
        return [
            (WAITING, str(gettext_lazy("not sent yet"))),
            *((str(v), str(t)) for v, t in MessageState.choices),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Narrow down to the choice."""
        value = self.value()
        if value == WAITING:
            return queryset.filter(WAITS)
        if value == MessageState.HANDING_OVER:
            return queryset.filter(hand_over__isnull=False)
        if value == MessageState.QUEUED:
            return queryset.filter(state=value, hand_over__isnull=True)
        return queryset.filter(state=value) if value in MessageState.values else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Messages by reason for waiting: their own, or what holds its whole account back."""

    title = gettext_lazy("reason for waiting")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: MessageModelAdmin) -> list[tuple[str, str]]:
        """Return what holds an account back now, what mail has as a reason of its own, and the chosen one."""
        lanes = rows_within_reach(Lane.objects.filter(purpose=Purpose.SEND), request)
        lanes = lanes.exclude(wait_reason="").order_by()
        there = {*OWN_REASONS, *lanes.values_list("wait_reason", flat=True).distinct(), self.value()}
        return [(str(value), str(label)) for value, label in WaitReason.choices if value in there]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Narrow down to a reason as :func:`mailconfig.delivery.explain` finds it."""
        value = self.value()
        if value not in WaitReason.values:
            return queryset
        if value == WaitReason.DISABLED:
            off = Account.objects.filter(is_enabled=False).values("pk")
            return queryset.filter(state=MessageState.QUEUED, account_id__in=off)
        held_back = Lane.objects.filter(purpose=Purpose.SEND, wait_reason=value).values("account_id")
        by_lane = Q(state=MessageState.QUEUED, account_id__in=held_back)
        own = Q(state=MessageState.QUEUED, wait_reason=value) | Q(state__in=_OPEN, wait_reason=value)
        return queryset.filter(by_lane | own)


class PriorityFilter(admin.SimpleListFilter):
    """Mail that waits, by its priority; of what was sent nobody asks, and no index knows."""

    title = gettext_lazy("priority, not sent yet")
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: MessageModelAdmin) -> list[tuple[str, str]]:
        """Return all of them."""
        return [(str(value), str(label)) for value, label in Priority.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Narrow down to the choice."""
        chosen = self.value()
        if chosen not in {str(value) for value in Priority.values}:
            return queryset
        return queryset.filter(WAITS, priority=int(chosen or 0))


class AccountFilter(admin.SimpleListFilter):
    """The accounts by name; beyond a number of them one starts from the account's own page."""

    title = gettext_lazy("account")
    parameter_name = "account__id__exact"

    def lookups(self, request: HttpRequest, model_admin: MessageModelAdmin) -> list[tuple[str, str]]:
        """The first by name, and the chosen one."""
        accounts = rows_within_reach(Account.objects.defer("secret"), request).order_by("name", "pk")
        rows = list(accounts.filter(deleted_at=None)[:LISTED_ACCOUNTS])
        chosen = request.GET.get(self.parameter_name, "")
        if is_key(chosen) and all(str(account.pk) != chosen for account in rows):
            rows += accounts.filter(pk=chosen)
        return [(str(account.pk), str(account)) for account in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Narrow down to the choice."""
        value = self.value() or ""
        return queryset.filter(account_id=int(value)) if is_key(value) else queryset


class FailoverFilter(admin.SimpleListFilter):
    """Mail that another account sends than the one it was queued for."""

    title = gettext_lazy("failover")
    parameter_name = "failover"

    def lookups(self, request: HttpRequest, model_admin: MessageModelAdmin) -> list[tuple[str, str]]:
        """Return the one choice, beside all."""
        return [("yes", str(gettext_lazy("sent by another account")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Narrow down to the choice."""
        return queryset.filter(failed_over_from__isnull=False) if self.value() == "yes" else queryset
