"""Picking of due lanes: tenants take turns, whoever has one mailbox as whoever has ten thousand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When, Window
from django.db.models.fields import CharField
from django.db.models.functions import Coalesce, Concat, Now, RowNumber

from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.delivery.postgres.statements import array
from mailconfig.models import AWAY, Lane, Purpose

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything became due."""


class Host(NamedTuple):
    """A server, as accounts name it. Overrides of the system's account have none of their own, and share its name.

    Of Exchange the address of its web service is the name; of a mail service its own name and the account's host there.
    """

    name: str
    port: int
    preset: str


class DueLane(NamedTuple):
    """A lane that is due and free."""

    account_id: int
    host: Host
    was_away: bool = False
    """Whether its server, or the service that gives out its tokens, could not be reached the last time."""


def pick_due(
    purpose: Purpose = Purpose.SEND,
    *,
    limit: int,
    without: Collection[int] = (),
    not_at: Collection[Host] = (),
) -> tuple[DueLane, ...]:
    """Read lanes that are due and that nobody owns, in the order in which they are to be taken.

    Of each tenant the longest due comes first, then the second of each, and so on. Accounts without a tenant take
    turns by their servers. One statement, whose cost is that of ranking what is due.

    Args:
        purpose: of the lanes.
        limit: how many at most.
        without: accounts that are left out.
        not_at: servers whose accounts are left out.
    """
    if connection.vendor == "postgresql":
        hosts = list(zip(*not_at, strict=True)) or [(), (), ()]
        rows = statements.run(_PICK[purpose], [array(without), *map(array, hosts), limit])
    else:
        rows = list(_due(purpose, limit, without=without, not_at=not_at))
    return tuple(
        DueLane(pk, Host(name, port, preset), reason in AWAY) for pk, name, port, preset, reason in rows
    )


def _written(purpose: Purpose, joined: str, host: Sequence[str]) -> str:
    """Return the statement.

    Args:
        purpose: of the lanes.
        joined: what is joined besides, to know the servers.
        host: expressions of a server's name, port and kind.
    """
    name, port, preset = host
    return f"""
        SELECT account_id, host, port, preset, wait_reason
          FROM (SELECT lane.id, lane.account_id, {name} AS host, {port} AS port, {preset} AS preset, lane.wait_reason,
                       lane.due_at,
                       row_number() OVER (PARTITION BY account.tenant_id,
                                                       CASE WHEN account.tenant_id IS NULL THEN {name} ELSE '' END
                                          ORDER BY lane.due_at, lane.id) AS rank
                  FROM mailconfig_lane AS lane
                  JOIN mailconfig_account AS account ON account.id = lane.account_id
                  {joined}
                 WHERE lane.purpose = '{purpose.value}' AND lane.due_at <= statement_timestamp()
                   AND (lane.lease_until IS NULL OR lane.lease_until < statement_timestamp())
                   AND lane.account_id <> ALL (%s::bigint[])
                   AND ({name}, {port}, {preset})
                       NOT IN (SELECT * FROM unnest(%s::text[], %s::int[], %s::text[]))) AS ranked
         ORDER BY rank, due_at, id
         LIMIT %s::int
    """  # noqa: S608 - names only


_ENDPOINT = Coalesce(F("account__mailbox__ews_endpoint"), Value(""))
_HOSTS: dict[Purpose, tuple[Case, str, str]] = {
    Purpose.SEND: (
        Case(
            When(account__send_method="smtp", then=F("account__host")),
            When(account__send_method="ews", then=_ENDPOINT),
            When(account__send_method="gmail_api", then=Value("gmail_api")),
            default=Concat(F("account__send_method"), Value(" "), F("account__host")),
            output_field=CharField(),
        ),
        "account__port",
        "account__preset",
    ),
    Purpose.SYNC: (
        Case(
            When(account__mailbox__sync_method="ews", then=_ENDPOINT),
            When(account__mailbox__sync_method="gmail_api", then=Value("")),
            default=F("account__mailbox__imap_host"),
            output_field=CharField(),
        ),
        "account__mailbox__imap_port",
        "account__mailbox__sync_method",
    ),
}
"""What of the account says at which server its lane waits."""
_SENDS_AT = """CASE account.send_method
    WHEN 'smtp' THEN account.host
    WHEN 'ews' THEN COALESCE((SELECT ews_endpoint FROM mailconfig_mailbox WHERE account_ptr_id = account.id), '')
    WHEN 'gmail_api' THEN 'gmail_api'
    ELSE account.send_method || ' ' || account.host END"""
_READS_AT = """CASE mailbox.sync_method
    WHEN 'ews' THEN mailbox.ews_endpoint WHEN 'gmail_api' THEN '' ELSE mailbox.imap_host END"""
_PICK = {
    Purpose.SEND: _written(Purpose.SEND, "", (_SENDS_AT, "account.port", "account.preset")),
    Purpose.SYNC: _written(
        Purpose.SYNC,
        "JOIN mailconfig_mailbox AS mailbox ON mailbox.account_ptr_id = account.id",
        (_READS_AT, "COALESCE(mailbox.imap_port, 0)", "mailbox.sync_method"),
    ),
}


def _due(
    purpose: Purpose, limit: int, *, without: Collection[int], not_at: Collection[Host]
) -> QuerySet[Lane, Any]:
    """Write the same for every other database."""
    unowned = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = Lane.objects.filter(unowned, purpose=purpose, due_at__lte=Now())
    name, port, preset = _HOSTS[purpose]
    due = due.alias(server=name, server_port=Coalesce(port, 0))
    if without:
        due = due.exclude(account_id__in=list(without))
    for host in not_at:
        due = due.exclude(**{"server": host.name, "server_port": host.port, preset: host.preset})
    tenantless_host = Case(
        When(account__tenant_id=None, then=F("server")), default=Value(""), output_field=CharField()
    )
    rank = Window(
        RowNumber(),
        partition_by=[F("account__tenant_id"), tenantless_host],
        order_by=[F("due_at").asc(), F("pk").asc()],
    )
    ranked = due.annotate(rank=rank, name=F("server"), port=F("server_port")).order_by("rank", "due_at", "pk")
    return ranked.values_list("account_id", "name", "port", preset, "wait_reason")[:limit]


def next_due_at(purpose: Purpose = Purpose.SEND, *, after: datetime = LONG_AGO) -> datetime | None:
    """When the next lane becomes due, of those that were not at ``after``; those that are owned are their owners' affair."""
    return next((due_at for (due_at,) in _NEXT_DUE_AT[purpose].rows(after=after)), None)


def _next_due_at(purpose: Purpose, after: Any) -> QuerySet[Lane, Any]:
    unowned = Q(lease_until=None) | Q(lease_until__lt=Now())
    due_later = Lane.objects.filter(unowned, purpose=purpose, due_at__gt=after)
    return due_later.order_by("due_at").values_list("due_at")[:1]


_NEXT_DUE_AT = {
    purpose: Compiled(partial(_next_due_at, purpose), after=DateTimeField()) for purpose in Purpose
}
