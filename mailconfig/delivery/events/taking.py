"""Events are stored once, and what they mean is done once: bounces, and addresses to which nothing is sent any more.

A state is what all events of a message together say, whatever order they came in: nothing is ever taken back. They
are stored as soon as the message was handed over, and count once its outcome is committed, since states are computed from both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import Now

from mailconfig import signals
from mailconfig.delivery.bounces import Listed, NotArrived, store_bounces, suppress
from mailconfig.delivery.events.tying import Tied, tie_events
from mailconfig.incoming.addresses import normalised
from mailconfig.models import (
    NO_TENANT,
    EventWebhook,
    MessageEvent,
    Suppression,
    SuppressionReason,
    note_recipients_opted_out,
    tenant_key,
)
from mailconfig.values import MailEvent

if TYPE_CHECKING:
    from mailconfig.incoming.service_events.event import ServiceEvent

CHUNK: Final = 500
"""Events that are looked at together."""
MOST_ALIKE: Final = 20
"""Events of one kind that are kept of one recipient of a message: a mail may be opened a thousand times."""
FROM_SERVICE: Final = "service"
"""How the recipient said it: where a mail service asks, by a link or a button of its own."""
_REASONS: Final = {
    MailEvent.COMPLAINED: SuppressionReason.COMPLAINT,
    MailEvent.OPTED_OUT: SuppressionReason.OPT_OUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsReport:
    """Numbers of events, by what became of them."""

    events: int = 0
    stored: int = 0
    known: int = 0
    """Stored before, or more of a kind than are kept."""
    foreign: int = 0
    """Of no message that the account has handed over, or of nobody who was to have it."""
    unread: int = 0
    """Malformed, or of a kind of which nothing is kept."""

    def __add__(self, other: EventsReport) -> EventsReport:
        return EventsReport(
            events=self.events + other.events,
            stored=self.stored + other.stored,
            known=self.known + other.known,
            foreign=self.foreign + other.foreign,
            unread=self.unread + other.unread,
        )


def take_events(
    webhook: EventWebhook, chunk: Sequence[ServiceEvent | None], *, now: datetime
) -> EventsReport:
    """Store up to :data:`CHUNK` events within the caller's transaction, in a bounded number of statements.

    Args:
        webhook: whose account sent the messages.
        chunk: ``None`` stands for what could not be read.
        now: when they came in.
    """
    events = [event for event in chunk if event is not None]
    tied = tie_events(webhook.account_id, events) if events else []
    fresh: list[Tied] = []
    if tied:
        # Whoever writes this row has others wait who bring the same: what is stored before is seen by all.
        EventWebhook.objects.filter(pk=webhook.pk).update(received_at=Now())
        fresh = _store(tied, now)
    if fresh:
        EventWebhook.objects.filter(pk=webhook.pk).update(taken=F("taken") + len(fresh))
        _do_what_follows(fresh, account_id=webhook.account_id)
    return EventsReport(
        events=len(chunk),
        stored=len(fresh),
        known=len(tied) - len(fresh),
        foreign=len(events) - len(tied),
        unread=len(chunk) - len(events),
    )


def _store(tied: Sequence[Tied], now: datetime) -> list[Tied]:
    """Store the events that are new; return them."""
    messages = {each.message_id for each in tied}
    of_these = MessageEvent.objects.filter(message_id__in=messages)
    known = set(of_these.filter(key__in={each.event.key for each in tied}).values_list("message_id", "key"))
    alike: Counter[tuple[int, str, str]] = Counter()
    addresses = {each.address for each in tied}
    counted = of_these.filter(address__in=addresses).order_by().values("message_id", "address", "kind")
    for message_id, address, kind, count in counted.annotate(count=Count("pk")).values_list(
        "message_id", "address", "kind", "count"
    ):
        alike[message_id, address, kind] = count
    fresh = []
    for each in tied:
        one, place = (each.message_id, each.event.key), (each.message_id, each.address, each.event.kind.value)
        if one in known or alike[place] >= MOST_ALIKE:
            continue
        known.add(one)
        alike[place] += 1
        fresh.append(each)
    MessageEvent.objects.bulk_create(
        [
            MessageEvent(
                message_id=each.message_id,
                key=each.event.key,
                address=each.address,
                kind=each.event.kind.value,
                at=min(each.event.at or now, now),
                enhanced_code=each.event.enhanced_code,
                text="" if each.is_private else each.event.text,
            )
            for each in fresh
        ],
        ignore_conflicts=True,
    )
    return fresh


def _do_what_follows(fresh: Sequence[Tied], *, account_id: int) -> None:
    """Note what came back, list who is to be left alone, and tell of both."""
    named = [each for each in fresh if each.address]
    returned = [
        NotArrived(
            message_id=each.message_id,
            address=each.address,
            is_permanent=each.event.is_permanent,
            is_about_address=each.event.is_about_address,
            enhanced_code=each.event.enhanced_code,
            text="" if each.is_private else each.event.text,
            tenant_id=each.tenant_id,
        )
        for each in named
        if each.event.kind in {MailEvent.BOUNCED, MailEvent.DROPPED}
    ]
    store_bounces(returned, account_id=account_id)
    said = [
        (each, _REASONS[meant])
        for each in named
        if (meant := each.event.means or each.event.kind) in _REASONS
    ]
    opted_out = _not_listed(each for each, reason in said if reason is SuppressionReason.OPT_OUT)
    suppress(Listed(each.address, reason, each.message_id, each.tenant_id) for each, reason in said)
    note_recipients_opted_out([(each.message_id, each.address) for each in opted_out], source=FROM_SERVICE)
    for each in opted_out:
        tell = partial(_tell, each.tenant_id, each.address, each.message_id, account_id)
        transaction.on_commit(tell, robust=True)


def _not_listed(said: Iterable[Tied]) -> list[Tied]:
    """Return the first of each person who is not listed as opted out. Services say so anew of each mail that they drop for it."""
    people: dict[tuple[int, str], Tied] = {}
    for each in said:
        people.setdefault((each.tenant_id or NO_TENANT, normalised(each.address)), each)
    if not people:
        return []
    listed = Suppression.objects.alias(whose=tenant_key()).filter(
        whose__in={whose for whose, _address in people},
        address__in={address for _whose, address in people},
        reason=SuppressionReason.OPT_OUT,
    )
    for tenant_id, address in listed.values_list("tenant_id", "address"):
        people.pop((tenant_id or NO_TENANT, address), None)
    return list(people.values())


def _tell(tenant_id: int | None, address: str, message_id: int, account_id: int) -> None:
    signals.recipient_opted_out.send_robust(
        sender=Suppression,
        tenant_id=tenant_id,
        address=address,
        message_id=message_id,
        account_id=account_id,
        source=FROM_SERVICE,
    )
