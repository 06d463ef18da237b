"""The list of mail: recipients and reasons of the page's rows, loaded for all of them together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailconfig.delivery import QueueForecast, Waiting, database_now, explain, forecast
from mailconfig.models import Account, Message, MessageState, Recipient

from .durations import date_text, moment_text
from .lookups import is_key
from .message_filters import WAITING
from .message_search import Searched, search
from .paging import CappedChangeList
from .within_reach import rows_within_reach

_FACTS = "_mailconfig_facts"
_SEARCHED = "_mailconfig_searched"
OFFERED: Mapping[str, Collection[str]] = {
    WAITING: ("send_now", "hold", "release", "move", "cancel"),
    MessageState.QUEUED: ("send_now", "hold", "move", "cancel"),
    MessageState.PREPARING: ("cancel",),
    MessageState.HELD: ("release", "move", "cancel"),
    MessageState.FAILED: ("requeue",),
    MessageState.SENT: ("resend",),
    MessageState.PARTIAL: ("resend",),
}
"""Actions that are offered for all mail of a list, by the state that it is narrowed to."""
BEFORE = "before"
"""Parameter of a search that goes on further back."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a message beside its own row."""

    first_recipient: str
    recipients: int
    waiting: Waiting | None
    now: datetime


def facts(messages: list[Message], *, foretells: bool = True) -> dict[int, Facts]:
    """Read the facts of each message, by primary key; if nothing is foretold, in a number of queries that does not grow."""
    grouped = Recipient.objects.filter(message_id__in=[message.pk for message in messages]).values_list(
        "message_id"
    )
    rows = list(grouped.annotate(Count("pk"), Min("pk")))
    counts = {message_id: count for message_id, count, _first in rows}
    firsts = [first for _message_id, _count, first in rows]
    addresses = dict(Recipient.objects.filter(pk__in=firsts).values_list("message_id", "address"))
    reasons = explain(messages, foretells=foretells)
    now = database_now()
    return {
        message.pk: Facts(
            addresses.get(message.pk, ""),
            counts.get(message.pk, 0),
            reasons.get(message.pk),
            now,
        )
        for message in messages
    }


def search_of(request: HttpRequest, queryset: QuerySet[Message], term: str) -> Searched:
    """Search what the filters leave, and note for the page how far that went."""
    before = request.GET.get(BEFORE, "")
    searched = search(queryset, term, before=int(before) if is_key(before) else None)
    setattr(request, _SEARCHED, searched)
    return searched


class MessageChangeList(CappedChangeList):
    """Loads the facts of the page's rows. Of a large table it counts the newest part only."""

    searched: Searched | None = None
    """How far the search of the page went; ``None``: nothing is searched for."""
    forecast: SafeString | None = None
    """When the queue is empty, of a list of one account's mail that waits."""
    model_admin: Any
    bulk_actions: tuple[tuple[str, str], ...] = ()
    """Label and URL of what can be done with all mail that the list is narrowed to."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Without where a search goes on: that is no filter."""
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(BEFORE, None)
        return found

    @property
    def older_url(self) -> str:
        """The URL by which the search goes on where it ended."""
        before = self.searched.before if self.searched else None
        return self.get_query_string({BEFORE: before}, ["p"])

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page with their facts."""
        super().get_results(request)
        state, account_id = self.params.get("state", ""), self.params.get("account__id__exact", "")
        if self.result_count and state in OFFERED:
            self.bulk_actions = tuple(self._bulk_actions(request, OFFERED[state]))
        if state in {WAITING, MessageState.QUEUED} and is_key(account_id):
            accounts = rows_within_reach(Account.objects.defer("secret"), request)
            account = accounts.filter(pk=account_id).first()
            self.forecast = forecast_html(forecast(account=account)) if account else None
        rows: list[Message] = list(self.result_list)
        found = facts(rows, foretells=False)
        for row in rows:
            setattr(row, _FACTS, found[row.pk])
        self.result_list = rows

    def _bulk_actions(self, request: HttpRequest, names: Collection[str]) -> Iterator[tuple[str, str]]:
        query = self.get_query_string(remove=["p"])
        for action in self.model_admin.actions_for(request):
            if action.name in names and (action.name != "move" or "account__id__exact" in self.params):
                yield str(action.label), f"bulk/{action.name}/{query}"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Without bytes and secrets."""
        rows = super().get_queryset(request, exclude_parameters)
        self.searched = getattr(request, _SEARCHED, None)
        return rows.defer("account__secret", "failed_over_from__secret")


def facts_of(message: Message) -> Facts:
    """The message's facts: the list's, else asked for this one, once."""
    if not hasattr(message, _FACTS):
        setattr(message, _FACTS, facts([message])[message.pk])
    known: Facts = getattr(message, _FACTS)
    return known


def recipients_html(known: Facts) -> SafeString:
    """Draw the first, and how many more."""
    more = known.recipients - 1
    if more < 1:
        return format_html("{}", known.first_recipient)
    text = ngettext("and %(count)s more", "and %(count)s more", more) % {"count": more}
    return format_html('{} <span class="mc-note">{}</span>', known.first_recipient, text)


def forecast_html(known: QueueForecast) -> SafeString:
    """Draw how much waits in the queue of an account, and when it will have gone."""
    count = ngettext("%(count)s mail waits", "%(count)s mails wait", known.waiting) % {"count": known.waiting}
    if not known.waiting:
        return format_html("{}", _("No mail waits in this account’s queue."))
    why = str(known.reason.label) if known.reason is not None else ""
    if known.empty_at is None:
        when = _("nobody can say yet when the last one will have gone")
    else:
        when = _("as things are, the last one goes about %(time)s") % {"time": date_text(known.empty_at)}
    note = format_html('<span class="mc-note">{}</span>', why) if why else ""
    return format_html("{}: {}; {}{}", _("Queue of this account"), count, when, note)


def waiting_html(known: Facts) -> SafeString:
    """Draw why it waits, and when it may go."""
    waiting = known.waiting
    if waiting is None:
        return format_html("{}", "–")
    if waiting.next_at is None:
        return format_html("{}", waiting.text)
    if waiting.next_at <= known.now:
        when = _("next: now")
    else:
        when = _("next: %(time)s") % {"time": moment_text(waiting.next_at, known.now)}
    return format_html('{} <span class="mc-note">{}</span>', waiting.text, when)
