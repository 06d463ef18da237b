"""Check rows: made and counted, claimed, finished, given up. None of them ever holds a secret."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig.conf import get_settings
from mailconfig.delivery.probing import sentences, throttle
from mailconfig.hostnames import check_host
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, Tenant
from mailconfig.values import CheckResult, ErrorCode

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

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
) -> ConnectionCheck:
    """Insert a check and count it; the row is committed when this returns, if nobody else opened a transaction.

    Args:
        stored: the account's stored values are checked, so the row belongs to it.
        looks_only: what comes of it changes nothing for sending.
        state: ``RUNNING`` if the caller goes on to connect, which must not be done inside a transaction.

    Raises:
        Throttled: nothing was inserted.
        RuntimeError: a transaction is open although the caller is about to connect.
    """
    running = state == CheckState.RUNNING
    host, port = _server_of(account)
    with transaction.atomic(durable=running):
        throttle.queue_up()
        check = ConnectionCheck.objects.create(
            kind=kind,
            state=state,
            account_id=account.pk if stored else None,
            tenant_id=tenant.pk if tenant else account.tenant_id,
            requested_by_id=requested_by.pk if requested_by else None,
            host=host,
            port=port,
            username=cleaned(account.username, 255),
            recipient=recipient,
            looks_only=looks_only,
            started_at=Now() if running else None,
        )
        throttle.charge(check)
    return check


def claim(check_id: int) -> ConnectionCheck | None:
    """The waiting check, now running and the caller's; ``None`` if somebody else took it or it is over."""
    waiting = ConnectionCheck.objects.filter(pk=check_id, state=CheckState.PENDING)
    if not waiting.update(state=CheckState.RUNNING, started_at=Now()):
        return None
    return ConnectionCheck.objects.select_related("account", "requested_by", "tenant").get(pk=check_id)


def finish(check: ConnectionCheck, result: CheckResult, *, revision: int | None = None) -> ConnectionCheck:
    """Write what came of a running check. One that was given up meanwhile stays so.

    Args:
        revision: of the account, if its stored values were checked.

    Returns:
        The row as it is now.
    """
    stages = [
        {
            "stage": str(stage.stage),
            "outcome": stage.outcome,
            "milliseconds": stage.milliseconds,
            "detail": cleaned(stage.detail, 500),
        }
        for stage in result.stages
    ]
    ConnectionCheck.objects.filter(pk=check.pk, state=CheckState.RUNNING).update(
        state=CheckState.PASSED if result.ok else CheckState.FAILED,
        stage=str(result.stage or ""),
        code=str(result.code or ""),
        guilty_field=result.guilty_field,
        message=result.message,
        hint=result.hint,
        server_text=cleaned(result.server_text, 600),
        stages=stages,
        revision=revision,
        finished_at=Now(),
    )
    check.refresh_from_db()
    return check


def waiting_ids(*, older_than: float, limit: int = 100) -> list[int]:
    """Checks that wait for a worker for longer than so many seconds, the oldest first."""
    rows = ConnectionCheck.objects.filter(
        state=CheckState.PENDING, created_at__lt=Now() - timedelta(seconds=older_than)
    )
    return list(rows.order_by("created_at", "pk").values_list("pk", flat=True)[:limit])


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


def _server_of(account: Account) -> tuple[str, int | None]:
    """Host and port as they are noted: another spelling is not another server, and no column overflows."""
    try:
        server = account.server()
    except ValidationError:  # an override without the system account; the check will say so
        return "", None
    try:
        host = check_host(server.host, listed=get_settings().allowed_hosts)
    except ValueError:
        host = cleaned(server.host, 255)
    return host, server.port if 1 <= server.port <= 65535 else None
