"""The accounts that notices go out by: never one that stands still itself, nor one of another tenant."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Case, Exists, F, OuterRef, Q, Value, When, Window
from django.db.models.functions import Now, RowNumber

from mailconfig.exceptions import InvalidMessage
from mailconfig.models import PAUSES, Account, AccountKind, Lane, Purpose
from mailconfig.models.account_queries import AccountQuerySet
from mailconfig.rendering.addressing import parse_address

CLOSED = Q(limit_count=0) | Q(limit_per_day=0) | Q(limit_per_week=0) | Q(limit_in_out_per_day=0)
"""Accounts whose limits let nothing out."""


def senders_for(tenants: Collection[int]) -> dict[int | None, Account]:
    """Return the accounts that tell people of these tenants, and at ``None`` the project's. Two queries.

    A tenant's own is one that nobody owns, or that is marked for the project, as for whatever else is sent for a tenant. The
    project's is one of those marked for it, without a tenant: the members of one would read of another one's accounts.

    An account of which one half is paused is none of them, so no account tells of itself; and what it tells goes over another
    one later only as all mail does that fails over, and that is never to one that is paused.
    """
    of_project = _best(Account.objects.for_project().filter(tenant=None), Q(is_default=True))
    of_tenants = _best(Account.objects.for_tenant(Q(tenant__in=tenants)), Q(kind=AccountKind.TENANT_CONFIG))
    return {account.tenant_id: account for account in (*of_project, *of_tenants) if _has_sender(account)}


def _best(accounts: AccountQuerySet, is_first: Q) -> AccountQuerySet:
    """Return one account of each tenant: one that nothing holds back now, the first choice, one that worked, the oldest."""
    lanes = Lane.objects.filter(account_id=OuterRef("pk"))
    sends = lanes.filter(purpose=Purpose.SEND)
    stands_still = ~Q(paused_at=None) | Q(wait_until=None) & ~Q(wait_reason="")
    rests = Exists(sends.exclude(wait_reason="").filter(wait_until__gt=Now()))
    worked = Exists(sends.exclude(validated_at=None, last_success_at=None))
    order: list[Case | F] = [_last(Q(rests)), _last(~is_first), _last(~Q(worked)), F("pk")]
    place = Window(RowNumber(), partition_by=F("tenant_id"), order_by=order)
    able = accounts.usable().exclude(CLOSED).exclude(Q(from_email="") & ~Q(username__contains="@"))
    able = able.filter(~Exists(lanes.filter(wait_reason__in=PAUSES)), ~Exists(sends.filter(stands_still)))
    return able.annotate(place=place).filter(place=1).defer("secret")


def _last(condition: Q) -> Case:
    return Case(When(condition, then=Value(1)), default=Value(0))


def _has_sender(account: Account) -> bool:
    try:
        parse_address(account.named_sender, what="from")
    except InvalidMessage:
        return False
    return True
