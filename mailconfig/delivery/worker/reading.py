"""Reading an account for a drain: with its lane, its owner if mail comes from that address, and the mark by which an edit shows later."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth import get_user_model
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, Model, QuerySet

from mailconfig.delivery import lanes
from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.models import Account, Lane, Purpose, Scope, SyncedMessage

M = TypeVar("M", bound=Model)

Mark = tuple[int | None, ...]
"""What is compared to see that an account, or the server that it uses, was edited."""


class AccountAsRead(NamedTuple):
    """An account and its sending lane, as one look at the database found them.

    ``mark`` ``None``: it may not send.
    """

    account: Account
    lane: Lane
    mark: Mark | None


def read_account(account_id: int) -> AccountAsRead:
    """Return an account with its sending lane, which is made if a bulk insert left it out."""
    while True:
        account, lane = _rows_of(account_id)
        may_send = account.is_enabled and account.deleted_at is None and lane.paused_at is None
        mark: Mark | None = (account.revision,) if may_send else None
        if mark is None or not changes_unseen(account):
            return AccountAsRead(account, lane, mark)
        # Before the server's row is read, or what came in is counted, so that nothing in between is missed.
        mark = mark_of(account_id)
        if mark is None or mark[0] == account.revision:
            return AccountAsRead(account, lane, mark)


def changes_unseen(account: Account) -> bool:
    """Return whether what it may send depends on more than its own row: the server's, or what came in."""
    return account.scope == Scope.SYSTEM_OVERRIDE or account.limit_in_out_per_day is not None


def mark_of(account_id: int) -> Mark | None:
    """The revisions of the account and of the server it uses, and the last message that came in where those count.

    ``None``: it may not send (any more).
    """
    mine = next(iter(_MARK.rows(account_id=account_id)), None)
    if mine is None:
        return None
    revision, scope, limit_in_out = mine
    mark: Mark = (revision,)
    if limit_in_out is not None:
        came_in = SyncedMessage.objects.filter(mailbox_id=account_id).order_by("-pk")
        mark += (came_in.values_list("pk", flat=True).first(),)
    if scope == Scope.SYSTEM_OVERRIDE:
        system = Account.objects.kept().filter(scope=Scope.SYSTEM).values_list("pk", "revision").first()
        mark += system or (None,)
    return mark


def _mark(account_id: Any) -> QuerySet[Account, Any]:
    return (
        Account.objects.usable()
        .filter(pk=account_id, lanes__purpose=Purpose.SEND, lanes__paused_at=None)
        .order_by()
        .values_list("revision", "scope", "limit_in_out_per_day")
    )


_MARK = Compiled(_mark, account_id=BigIntegerField())


def _rows_of(account_id: int) -> tuple[Account, Lane]:
    rows = _ROWS.rows(account_id=account_id)
    if not rows:
        account = Account.objects.get(pk=account_id)
        lane = lanes.lane_of(account)
    else:
        values = iter(rows[0])
        lane = _instance_of(Lane, values)
        account = _instance_of(Account, values)
    if account.owner_id is not None and not account.named_sender:
        # By the ORM alone: the model of people is the project's, with columns and classes of whatever kind.
        account.owner = get_user_model()._base_manager.using(DEFAULT_DB_ALIAS).get(pk=account.owner_id)
    return account, lane


def _instance_of(model: type[M], values: Iterator[Any]) -> M:
    names = _attributes(model)
    return model.from_db(DEFAULT_DB_ALIAS, names, list(islice(values, len(names))))


def _rows(account_id: Any) -> QuerySet[Lane, Any]:
    columns = [
        f"{path}{name}" for model, path in ((Lane, ""), (Account, "account__")) for name in _attributes(model)
    ]
    return Lane.objects.filter(account_id=account_id, purpose=Purpose.SEND).values_list(*columns)


_ROWS = Compiled(_rows, account_id=BigIntegerField())


@cache
def _attributes(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
