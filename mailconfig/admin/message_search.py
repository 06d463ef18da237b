"""Search of the queue: what is whole is found by an index, parts from the newest mail backwards for as long as people wait.

No index of parts is kept. One of trigrams needs an extension that a host may not be allowed to create, and would write more
for each mail than all else together; so parts are compared, and the page says how far back that went.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Expression, F, Lookup, Q, QuerySet
from django.db.models.functions import Collate, Lower
from django.db.models.lookups import Contains, IContains, IStartsWith, StartsWith

from mailconfig.models import Message, Recipient, Tenant
from mailconfig.request_ids import is_valid

from .lookups import shortened

MOST = 1000
"""Mails that one search lists; from there on it goes further back only when asked to."""
WHOLE = 10_000
"""Mails with just this address that are listed."""
SECONDS = 0.7
"""Seconds after which no more is read for one page, whatever is left."""
FIRST = 20_000
"""Mails looked at before the clock is asked. Further parts are as large as the time that is left lets them be."""
_TENANTS = 20
_NUMBER = re.compile(r"<?([0-9a-f]{32})@")
_BEGINNING = re.compile(r"<?([0-9a-f]{16,32})")


@dataclass(frozen=True, slots=True)
class Searched:
    """Extent of a search for parts.

    Attributes:
        found: the mail found, by primary key, the newest first.
        before: where to go on: mail with a smaller key was not looked at; ``None``: all was.
        since: when the oldest mail that was looked at was queued.
    """

    found: tuple[int, ...]
    before: int | None = None
    since: datetime | None = None


def search(queryset: QuerySet[Message], term: str, *, before: int | None = None) -> Searched:
    """Look for mail by what somebody knows of it.

    That is a whole address, Message-ID or request id, found however old it is; else a part of an address or of the
    subject, the beginning of a Message-ID, a tenant's name, or the key that its caller gave it.

    Args:
        queryset: where to look: the filters of the page are applied.
        term: what was typed in.
        before: only among mail with a smaller key.
    """
    term = shortened(term).strip()
    if "\x00" in term or not term:
        return Searched(())
    whole = _whole(term) if before is None else []
    if whole:
        # Only what the filters leave: the mail of others neither hides what is left nor shows that it is there.
        within = list(queryset.filter(pk__in=whole).order_by("-pk").values_list("pk", flat=True))
        is_all = len(whole) < WHOLE or len(within) == len(whole)
        if within and is_all:
            return Searched(tuple(within))
    return _parts(queryset, term, before)


def _whole(term: str) -> list[int]:
    """Return the newest mail with just this address, Message-ID, number or request id, by primary key.

    The keys are read first. A database that believes the tables of a queue to be empty, as they often are, would
    put it all together by comparing every mail with every other. The order is one that no index has, so that none is
    read from end to end for its sake.
    """
    found = [*_numbered(term)]
    if is_valid(term):
        asked = Message.objects.filter(request_id=term).order_by((F("pk") + 0).desc())
        found += asked.values_list("pk", flat=True)[:WHOLE]
    if "@" in term:
        addressed = Recipient.objects.filter(address__in={term, term.lower()})
        keys = addressed.order_by((F("message_id") + 0).desc()).values_list("message_id", flat=True)
        ids = {term, f"<{term.strip('<>')}>"}
        named = Message.objects.filter(given_message_id__in=ids).order_by((F("pk") + 0).desc())
        found += [*keys[:WHOLE], *named.values_list("pk", flat=True)[:WHOLE]]
    return found


def _numbered(term: str) -> Iterable[int]:
    """Return the mail whose number this is, or the Message-ID that was made of it, or its beginning; read by their index."""
    number = _NUMBER.match(term)
    if number:
        ids = {term, f"<{term.strip('<>')}>"}
        rows = Message.objects.filter(uuid=uuid.UUID(number[1]))
        return [message.pk for message in rows if message.message_id in ids]
    plain = term.lower().replace("-", "") if len(term) <= 36 else ""
    beginning = _BEGINNING.fullmatch(plain)
    if not beginning:
        return []
    first, last = (uuid.UUID(beginning[1].ljust(32, filler)) for filler in "0f")
    rows = Message.objects.filter(uuid__gte=first, uuid__lte=last).order_by()
    return list(rows.values_list("pk", flat=True)[:MOST])


def _parts(queryset: QuerySet[Message], term: str, before: int | None) -> Searched:
    """Compare one range of keys after another, until the time is over."""
    keys = Message.objects.order_by("pk").values_list("pk", flat=True)
    bottom, top = keys.first() or 1, before or (keys.last() or 0) + 1
    until, step = time.monotonic() + SECONDS, FIRST
    says = _says(term)
    found: list[int] = []
    while top > bottom and len(found) < MOST:
        began, low = time.monotonic(), max(bottom, top - step)
        found += _among(queryset.filter(pk__gte=low, pk__lt=top), term, says, low, top)
        top, now = low, time.monotonic()
        if now >= until:
            break
        step = min(4 * step, max(FIRST, int(step * (until - now) / max(now - began, 0.001))))
    if len(found) > MOST:
        top = found[MOST - 1]
        del found[MOST:]
    if top <= bottom:
        return Searched(tuple(found))
    since = Message.objects.filter(pk__gte=top).order_by("pk").values_list("created_at", flat=True).first()
    return Searched(tuple(found), top, since)


def _among(messages: QuerySet[Message], term: str, says: Q, low: int, top: int) -> list[int]:
    """Return those that say it and those that go to such an address, each read as a range of one table."""
    newest = messages.order_by("-pk").values_list("pk", flat=True)
    rows = Recipient.objects.filter(_has("address", term), message_id__gte=low, message_id__lt=top)
    addressed = list(rows.order_by().values_list("message_id", flat=True)[: MOST + 1])
    if len(addressed) <= MOST:
        to_them = newest.filter(pk__in=addressed)
    else:  # so many that the newest of those that the filters leave are asked for
        to_them = newest.filter(
            _has("recipients__address", term), recipients__message_id__gte=low, recipients__message_id__lt=top
        ).distinct()
    return sorted({*newest.filter(says)[: MOST + 1], *to_them[: MOST + 1]}, reverse=True)


def _says(term: str) -> Q:
    """Return what is true of the row of a mail that is looked for."""
    named = Tenant.objects.filter(Q(name__icontains=term) | Q(slug=term)).values_list("pk", flat=True)
    return (
        Q(_has("subject", term))
        | Q(_has("given_message_id", f"<{term.lstrip('<')}", StartsWith, IStartsWith))
        | Q(idempotency_key=term)
        | Q(tenant_id__in=list(named[:_TENANTS]))
    )


def _has(
    column: str,
    term: str,
    exactly: type[Lookup[Any]] = Contains,
    in_any_case: type[Lookup[Any]] = IContains,
) -> Lookup[Any]:
    """Return the comparison that looks for a part, or a beginning, in whatever case it is written.

    PostgreSQL takes eight times as long to change the case by the rules of a language; letters of English, which
    are all that addresses mostly have, need none.
    """
    if connection.vendor != "postgresql" or not term.isascii():
        return in_any_case(F(column), term)
    plain: Expression = Lower(Collate(F(column), "C"))
    return exactly(plain, term.lower())
