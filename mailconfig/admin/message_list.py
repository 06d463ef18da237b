"""The list of mail: recipients and reasons of the page's rows, loaded for all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailconfig.delivery import Waiting, database_now, explain
from mailconfig.models import Message, Recipient

from .durations import moment_text
from .paging import CappedChangeList

_FACTS = "_mailconfig_facts"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a message beside its own row."""

    first_recipient: str
    recipients: int
    waiting: Waiting | None
    now: datetime


def facts(messages: list[Message]) -> dict[int, Facts]:
    """Read the facts of each message, by primary key."""
    grouped = Recipient.objects.filter(message_id__in=[message.pk for message in messages]).values_list(
        "message_id"
    )
    rows = list(grouped.annotate(Count("pk"), Min("pk")))
    counts = {message_id: count for message_id, count, _first in rows}
    firsts = [first for _message_id, _count, first in rows]
    addresses = dict(Recipient.objects.filter(pk__in=firsts).values_list("message_id", "address"))
    reasons = explain(messages)
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


class MessageChangeList(CappedChangeList):
    """Loads the facts of the page's rows. Of a large table it counts the newest part only."""

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page with their facts."""
        super().get_results(request)
        rows: list[Message] = list(self.result_list)
        found = facts(rows)
        for row in rows:
            setattr(row, _FACTS, found[row.pk])
        self.result_list = rows

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Without bytes and secrets."""
        return (
            super()
            .get_queryset(request, exclude_parameters)
            .defer("account__secret", "failed_over_from__secret")
        )


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
