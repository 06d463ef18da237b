"""Check rows: made and counted, claimed, finished, given up. None of them ever holds a secret."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts import logins, sentences, throttle
from mailconfig.delivery.accounts.check_target import CheckTarget, target_of
from mailconfig.exceptions import Throttled
from mailconfig.hostnames import check_host
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, Tenant
from mailconfig.values import CheckResult, ErrorCode, StageResult

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("mailconfig.checks")

MARGIN_SECONDS = 30.0
"""A check that runs so much longer than its deadline has lost its worker."""
FORGOTTEN_SECONDS = 900.0
"""A check that nobody ran for so long is given up: who asked for it has gone."""


def begin(
    *,
    kind: CheckKind,
    account: Account,
    requested_by: AbstractBaseUser | None,
    tenant: Tenant | None = None,
    stored: bool = True,
    recipient: str = "",
    state: CheckState = CheckState.RUNNING,
    looks_only: bool = False,
    counts_for: Account | None = None,
) -> ConnectionCheck:
    """Insert a check and count it; the row is committed when this returns, if nobody else opened a transaction.

    Args:
        stored: the account's stored values are checked, so the row belongs to it.
        looks_only: what comes of it changes nothing for sending.
        state: ``RUNNING`` if the caller goes on to connect, which must not be done inside a transaction.
        counts_for: a stored account with the same login, if it is not ``account``.

    Raises:
        Throttled: nothing was inserted.
        RuntimeError: a transaction is open although the caller is about to connect.
    """
    running = state == CheckState.RUNNING
    host, port = _server_of(target_of(account, kind))
    login = logins.key_of(account, kind)
    person_id = requested_by.pk if requested_by else None
    is_claimed = partial(logins.is_claimed, login, counts_for or account, kind=kind, person_id=person_id)
    with transaction.atomic(durable=running):
        throttle.queue_up()
        check = ConnectionCheck.objects.create(
            kind=kind,
            state=state,
            account_id=account.pk if stored else None,
            tenant_id=tenant.pk if tenant else account.tenant_id,
            requested_by_id=person_id,
            host=host,
            port=port,
            login=login,
            recipient=recipient,
            looks_only=looks_only,
            started_at=Now() if running else None,
        )
        throttle.charge(check, is_claimed=is_claimed)
    return check


def claim(check_id: int) -> ConnectionCheck | None:
    """The waiting check, now running and the caller's.

    Returns:
        ``None`` if somebody else took it, it is over, or it has to wait until another one of the same person ends.
    """
    waiting = ConnectionCheck.objects.filter(pk=check_id, state=CheckState.PENDING)
    try:
        with transaction.atomic():
            throttle.queue_up()
            if not waiting.update(state=CheckState.RUNNING, started_at=Now()):
                return None
            rows = ConnectionCheck.objects.select_related("account", "requested_by", "tenant")
            check = rows.get(pk=check_id)
            throttle.charge_running(check)
    except Throttled:
        return None
    return check


def finish(
    check: ConnectionCheck, result: CheckResult, *, username: str = "", revision: int | None = None
) -> ConnectionCheck:
    """Write what came of a running check. One that was given up meanwhile stays so.

    Args:
        username: it was made with; noted if the server let it log in.
        revision: of the account, if its stored values were checked.

    Returns:
        The row as it is now.
    """
    ConnectionCheck.objects.filter(pk=check.pk, state=CheckState.RUNNING).update(
        state=CheckState.PASSED if result.ok else CheckState.FAILED,
        stage=str(result.stage or ""),
        code=str(result.code or ""),
        guilty_field=result.guilty_field,
        message=result.message,
        hint=result.hint,
        server_text=cleaned(result.server_text, 600),
        stages=_stored(result.stages),
        revision=revision,
        username=cleaned(username, 255) if logins.was_accepted(result) else "",
        login=check.login if logins.was_made(result) else "",
        finished_at=Now(),
    )
    check.refresh_from_db()
    return check


def note_stages(check: ConnectionCheck, stages: tuple[StageResult, ...]) -> None:
    """Write how far a running check has come, for whoever watches it. The check goes on where that cannot be written."""
    running = ConnectionCheck.objects.filter(pk=check.pk, state=CheckState.RUNNING)
    try:
        running.update(stages=_stored(stages))
    except DatabaseError:
        logger.warning("check %s: how far it has come was not stored", check.pk)


def _stored(stages: tuple[StageResult, ...]) -> list[dict[str, object]]:
    return [
        {
            "stage": str(stage.stage),
            "outcome": stage.outcome,
            "milliseconds": stage.milliseconds,
            "detail": cleaned(stage.detail, 500),
            "says": sentences.of_detail(stage.detail),
        }
        for stage in stages
    ]


def waiting_ids(*, older_than: float, limit: int = 100) -> list[int]:
    """Checks that wait for a worker for longer than so many seconds and may run now, the oldest first."""
    running: Counter[int | None] = Counter(
        throttle.running_checks().values_list("requested_by_id", flat=True)
    )
    rows = ConnectionCheck.objects.filter(
        state=CheckState.PENDING, created_at__lt=Now() - timedelta(seconds=older_than)
    )
    found: list[int] = []
    # All at once, for they are given up before long: a cursor of the server's is lost behind a pooler that lends
    # connections by transaction.
    for pk, person_id in rows.order_by("created_at", "pk").values_list("pk", "requested_by_id"):
        running[person_id] += 1
        if not person_id or running[person_id] <= throttle.RUNNING_OF_ONE:
            found.append(pk)
        if len(found) == limit:
            break
    return found


def next_waiting_id(person_id: int | None) -> int | None:
    """The check that this person has waited for longest; ``None``: there is none."""
    rows = ConnectionCheck.objects.filter(state=CheckState.PENDING, requested_by_id=person_id)
    return rows.order_by("created_at", "pk").values_list("pk", flat=True).first()


def give_up() -> int:
    """Fail the checks whose worker is gone, and those that nobody ran in time.

    Returns:
        How many.
    """
    lost_after = get_settings().probe_seconds + MARGIN_SECONDS
    lost = Q(state=CheckState.RUNNING, started_at__lt=Now() - timedelta(seconds=lost_after))
    forgotten = Q(state=CheckState.PENDING, created_at__lt=Now() - timedelta(seconds=FORGOTTEN_SECONDS))
    return ConnectionCheck.objects.filter(lost | forgotten).update(
        state=CheckState.FAILED, code=str(ErrorCode.TIMEOUT), message=sentences.GIVEN_UP, finished_at=Now()
    )


def cleaned(text: str, length: int) -> str:
    """Printable, and not longer than ``length``: what any database takes."""
    return "".join(character for character in text if character.isprintable())[:length]


def _server_of(target: CheckTarget) -> tuple[str, int | None]:
    """Host and port as they are noted: another spelling is not another server, and no column overflows."""
    try:
        host = check_host(target.host, listed=get_settings().allowed_hosts)
    except ValueError:
        host = cleaned(target.host, 255)
    return host, target.port if target.port and 1 <= target.port <= 65535 else None
