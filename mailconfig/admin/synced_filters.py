"""Filters and search of mail that came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import Mailbox, SyncedMessage
from mailconfig.models.access import reach_of

from .lookups import is_key, shortened
from .message_filters import LISTED_ACCOUNTS
from .synced_rows import NOT_SHOWN
from .typed import user_of

if TYPE_CHECKING:
    from .typed import SyncedModelAdmin

SEARCHED = 10_000
"""Messages, from the newest on, in which a part of something is looked for."""


class AnswersFilter(admin.SimpleListFilter):
    """Messages that answer mail that was sent from here, that say that it came back, or neither."""

    title = gettext_lazy("tie to sent mail")
    parameter_name = "tie"

    def lookups(self, request: HttpRequest, model_admin: SyncedModelAdmin) -> list[tuple[str, str]]:
        """Return the three."""
        return [
            ("reply", str(gettext_lazy("answers one"))),
            ("bounce", str(gettext_lazy("says that one came back"))),
            ("none", str(gettext_lazy("neither"))),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SyncedMessage]) -> QuerySet[SyncedMessage]:
        """Narrow down to the choice."""
        bounced = Q(pk__in=queryset.model.objects.filter(bounces__isnull=False).values("pk"))
        chosen = {
            "reply": Q(answers__isnull=False),
            "bounce": bounced,
            "none": Q(answers__isnull=True) & ~bounced,
        }
        return queryset.filter(chosen.get(self.value() or "", Q()))


class MailboxFilter(admin.SimpleListFilter):
    """The mailboxes by name; beyond a number of them one starts from the mailbox's own page."""

    title = gettext_lazy("mailbox")
    parameter_name = "mailbox__id__exact"

    def lookups(self, request: HttpRequest, model_admin: SyncedModelAdmin) -> list[tuple[str, str]]:
        """Return the first by name whose mail this person may see, and the chosen one."""
        mine = reach_of(user_of(request)).rows(owner="owner", is_private=True)
        mailboxes = Mailbox.objects.filter(mine).defer(*NOT_SHOWN).order_by("name", "pk")
        rows = list(mailboxes.filter(deleted_at=None)[:LISTED_ACCOUNTS])
        chosen = request.GET.get(self.parameter_name, "")
        if is_key(chosen) and all(str(mailbox.pk) != chosen for mailbox in rows):
            rows += mailboxes.filter(pk=chosen)
        return [(str(mailbox.pk), str(mailbox)) for mailbox in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SyncedMessage]) -> QuerySet[SyncedMessage]:
        """Narrow down to the choice."""
        value = self.value() or ""
        return queryset.filter(mailbox_id=int(value)) if is_key(value) else queryset


def search(queryset: QuerySet[SyncedMessage], term: str) -> QuerySet[SyncedMessage]:
    """Return mail by a part of what its head says, among the newest :data:`SEARCHED` of those that are asked about."""
    term = shortened(term).strip()
    if "\x00" in term or not term:
        return queryset.none() if term else queryset
    keys = queryset.order_by("-pk").values_list("pk", flat=True)
    last = keys[SEARCHED - 1 : SEARCHED].first() or 0
    columns = ("subject", "from_address", "from_name", "message_id")
    parts = Q()
    for column in columns:
        parts |= Q(**{f"{column}__icontains": term})
    return queryset.filter(parts, pk__gte=last)
