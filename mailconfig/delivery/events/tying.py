"""The messages that events speak of: those that the account itself has handed over, and their recipients."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from mailconfig.incoming.addresses import normalised
from mailconfig.models import Attempt, HandOver, Message, MessageState, Recipient
from mailconfig.models.small_letters import SmallLetters

if TYPE_CHECKING:
    from mailconfig.incoming.service_events.event import ServiceEvent

_OWN_ID = re.compile(r"<([0-9a-f]{32})@[^<>@]+>")
"""The form of most Message-IDs of ours: see :attr:`mailconfig.models.Message.message_id`."""
_ENDED: Final = [MessageState.SENT, MessageState.PARTIAL, MessageState.FAILED]


@dataclass(frozen=True, slots=True)
class Tied:
    """An event, and the message and recipient of ours that it speaks of."""

    event: ServiceEvent
    message_id: int
    address: str
    """As the message has it; empty: the service does not say which of several."""
    tenant_id: int | None
    """Whose list of suppressed addresses the message goes by."""
    is_private: bool
    """The message had a token in place of the recipient: nothing of the service's words may be kept."""


def tie_events(account_id: int, events: Iterable[ServiceEvent]) -> list[Tied]:
    """Return the events that speak of messages of the account, in four queries at most.

    Not believed is what speaks of a message that was never handed over, and of somebody who is no recipient: whoever
    knows the address of a webhook could have anybody's address listed.
    """
    events = list(events)
    messages = _messages(account_id, events)
    mine = [(event, messages[key]) for event in events if (key := _named(event, messages)) is not None]
    if not mine:
        return []
    addresses = _addresses({(message.pk, event.address) for event, message in mine if event.address})
    needy = {message.pk for event, message in mine if message.has_tokens or not event.address}
    alone = _only_recipients(needy)
    tied = []
    for event, message in mine:
        if message.has_tokens:
            # Its recipient may be a token, and then whom it stands for is known nowhere; such a message has one.
            address = alone.get(message.pk)
        elif event.address:
            address = addresses.get((message.pk, event.address))
        else:
            address = alone.get(message.pk, "")
        if address is not None:
            tied.append(Tied(event, message.pk, address, message.tenant_id, message.has_tokens))
    return tied


def _messages(account_id: int, events: Collection[ServiceEvent]) -> dict[object, Message]:
    """Return the messages by uuid and by Message-ID."""
    names = {event.message_id for event in events if event.message_id}
    uuids = {event.uuid for event in events if event.uuid is not None}
    uuids |= {uuid.UUID(own[1]) for name in names if (own := _OWN_ID.fullmatch(name))}
    if not uuids and not names:
        return {}
    # The journal comes before the dot, and its row becomes an attempt with the outcome: one of both is always there.
    handed_over = (
        Q(state__in=_ENDED)
        | Exists(HandOver.objects.filter(message_id=OuterRef("pk")))
        | Exists(Attempt.objects.filter(message_id=OuterRef("pk"), handed_over_at__isnull=False))
    )
    rows = Message.objects.filter(
        Q(uuid__in=uuids) | Q(given_message_id__in=names),
        Q(account_id=account_id) | Q(failed_over_from_id=account_id),
        handed_over,
    )
    found: dict[object, Message] = {}
    for message in rows.only(
        "pk", "uuid", "envelope_from", "given_message_id", "tenant_id", "has_tokens"
    ).order_by("pk"):
        found[message.uuid] = message
        found[message.message_id] = message
    return found


def _named(event: ServiceEvent, messages: Mapping[object, Message]) -> object | None:
    """Return that by which the event names one of the messages. What we sent along counts before what a header says."""
    return next((name for name in (event.uuid, event.message_id) if name and name in messages), None)


def _addresses(wanted: Collection[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """Return recipients' addresses as their messages have them, by message and normalised address."""
    if not wanted:
        return {}
    rows = Recipient.objects.annotate(lower=SmallLetters("address")).filter(
        message_id__in={message_id for message_id, _address in wanted},
        lower__in={address for _message_id, address in wanted},
    )
    found = _by_address(rows)
    # What has other letters than those of ASCII no database writes as we do: of its messages all recipients are looked at.
    odd = {
        message_id
        for message_id, address in wanted
        if (message_id, address) not in found and ("xn--" in address or not address.isascii())
    }
    return found | _by_address(Recipient.objects.filter(message_id__in=odd)) if odd else found


def _by_address(rows: QuerySet[Recipient]) -> dict[tuple[int, str], str]:
    return {
        (message_id, normalised(address)): address
        for message_id, address in rows.values_list("message_id", "address")
    }


def _only_recipients(keys: Collection[int]) -> dict[int, str]:
    """Return the recipient's address of each message that has one only."""
    if not keys:
        return {}
    rows = Recipient.objects.filter(message_id__in=keys).order_by().values("message_id")
    counted = rows.annotate(count=Count("pk"), first=Min("address")).filter(count=1)
    return dict(counted.values_list("message_id", "first"))
