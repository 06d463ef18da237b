"""Filters and search of the queue."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import (
    WAITING_STATES,
    Account,
    Lane,
    Message,
    MessageState,
    Purpose,
    Recipient,
    WaitReason,
)

from .lookups import is_key, shortened
from .within_reach import rows_within_reach

if TYPE_CHECKING:
    from .typed import MessageModelAdmin

WAITING = "waiting"
LISTED_ACCOUNTS = 50
SEARCHED = 10_000
"""Mails, from the newest on, in which a part of something is looked for: reading them all would take for ever."""
OWN_REASONS = (
    WaitReason.DISABLED,
    WaitReason.SCHEDULED,
    WaitReason.RETRY,
    WaitReason.HELD,
    WaitReason.MAYBE_SENT,
    WaitReason.UNKNOWN_OUTCOME,
    WaitReason.INTERNAL_ERROR,
)


_NUMBER = re.compile(r"<?([0-9a-f]{32})@")

WAITS = Q(state=MessageState.QUEUED) | Q(state__in=sorted(WAITING_STATES - {MessageState.QUEUED}))
"""Two conditions, as the partial indexes have them."""


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
        return queryset.filter(by_lane | Q(state__in=sorted(WAITING_STATES), wait_reason=value))


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


def search(queryset: QuerySet[Message], term: str) -> QuerySet[Message]:
    """Mail by what somebody knows of it: a whole address or Message-ID, else a part of an address or of the subject.

    What is whole is found by an index, however long ago it was, and the newest :data:`SEARCHED` of it are shown; parts
    are looked for among the newest :data:`SEARCHED` only.
    """
    term = shortened(term).strip()
    if "\x00" in term or not term:
        return queryset.none() if term else queryset
    whole = _whole(term) if "@" in term else []
    if whole:
        return queryset.filter(pk__in=whole)
    newest = Message.objects.order_by("-pk").values_list("pk", flat=True)
    last = newest[SEARCHED - 1 : SEARCHED].first() or 0
    addressed = Recipient.objects.filter(message_id__gte=last, address__icontains=term)
    parts = Q(subject__icontains=term) | Q(pk__in=addressed.values("message_id"))
    return queryset.filter(parts, pk__gte=last)


def _whole(term: str) -> list[int]:
    """Return the newest mail with just this address or Message-ID, by primary key.

    The keys are read first. A database that believes the tables of a queue to be empty, as they often are, would
    put it all together by comparing every mail with every other. The order is one that no index has, so that none is
    read from end to end for its sake.
    """
    addressed = Recipient.objects.filter(address__in={term, term.lower()}).order_by(
        (F("message_id") + 0).desc()
    )
    ids = {term, f"<{term.strip('<>')}>"}
    named = Message.objects.filter(given_message_id__in=ids).order_by((F("pk") + 0).desc())
    return [
        *addressed.values_list("message_id", flat=True)[:SEARCHED],
        *named.values_list("pk", flat=True)[:SEARCHED],
        *(message.pk for message in _numbered(term) if message.message_id in ids),
    ]


def _numbered(message_id: str) -> QuerySet[Message]:
    """Return the mail whose number the Message-ID begins with, as the one of mail does that was given none."""
    number = _NUMBER.match(message_id)
    return Message.objects.filter(uuid=uuid.UUID(number[1])) if number else Message.objects.none()
