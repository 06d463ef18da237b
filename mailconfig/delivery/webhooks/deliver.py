"""Telling an endpoint what waits for it, one event after another, for one turn.

No transaction is open during a request. An event counts as delivered once that is committed: a worker that is killed in
between leaves it waiting, and it is sent again under the same id.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, transaction

from mailconfig import crash, signals
from mailconfig.delivery import telling
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.webhooks.leases import Lease, take
from mailconfig.delivery.webhooks.posting import Result, post
from mailconfig.models import (
    DeliveryState,
    DisabledReason,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookProblem,
)

logger = logging.getLogger("mailconfig.webhooks")

TURN_SECONDS = 10.0
"""So long an endpoint is told one event after another before others have their turn."""
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000)
"""From each try of an event to the next one: ten tries in about three days."""
JITTER = 0.2
REST_SECONDS = (5, 30, 120, 300, 600)
"""How long an endpoint is left alone after each request in a row that it did not take, whatever else waits for it."""
SECRET_REST_SECONDS = 300
MOST_REST = 86_400.0
"""Seconds, of those that an endpoint asks for."""
AGAIN_AT_ONCE = 3
"""An endpoint that takes something again after so many failures in a row is told at once what waits."""
DISABLED_AFTER = timedelta(days=3)
_MOST_COUNTED = 32_767


def never() -> bool:
    """Return that nothing is to end."""
    return False


def deliver_events(*, endpoint_id: int, should_stop: Callable[[], bool] = never) -> bool:
    """Tell an endpoint what is due, until nothing is any more, it fails, or its turn is over.

    Args:
        endpoint_id: its key.
        should_stop: asked between events.

    Returns:
        Whether there may be more to tell it now.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
        DatabaseError, InterfaceError: the database does not answer.
    """
    ensure_this_installation()
    lease = take(endpoint_id)
    if lease is None:
        return False
    crash.point("webhook_taken")
    ends_at = time.monotonic() + TURN_SECONDS
    goes_on = True
    try:
        while goes_on and not should_stop() and time.monotonic() < ends_at:
            goes_on = _deliver_next(lease)
    finally:
        lease.give_back()
    return goes_on


def _deliver_next(lease: Lease) -> bool:
    """Tell one event. Returns whether the endpoint may be told another one."""
    endpoint, now = lease.read(), database_now()
    if endpoint is None:
        return False
    due = endpoint.deliveries.filter(state=DeliveryState.WAITING, due_at__lte=now)
    row = due.order_by("due_at", "pk").first()
    if row is None:
        return False
    try:
        result = post(row, endpoint, at=now)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        logger.exception("event %s of webhook %s: an error of our own", row.event_id, endpoint.pk)
        result = Result(WebhookProblem.INTERNAL)
    crash.point("webhook_sent")
    with transaction.atomic():
        goes_on = _note(lease, endpoint, row, result, database_now())
    _log(endpoint, row, result)
    return goes_on


def _note(
    lease: Lease, endpoint: WebhookEndpoint, row: WebhookDelivery, result: Result, now: datetime
) -> bool:
    """Write what came of a request, and return whether the endpoint may be told another event."""
    mine = WebhookDelivery.objects.filter(pk=row.pk, state=DeliveryState.WAITING)
    if result.problem == WebhookProblem.SECRET:
        # Nobody was asked anything: the event keeps its tries, and the endpoint is not to blame.
        rest_until = now + timedelta(seconds=SECRET_REST_SECONDS)
        lease.note(problem=result.problem, rest_until=rest_until)
        return False
    if not result.problem:
        mine.update(**_tried(row, result, now), state=DeliveryState.DELIVERED, settled_at=now)
        return _note_success(lease, endpoint, result, now)
    mine.update(**_tried(row, result, now), **_after_failure(row, result, now))
    if result.problem == WebhookProblem.INTERNAL:
        return True
    return _note_failure(lease, endpoint, result, now)


def _tried(row: WebhookDelivery, result: Result, now: datetime) -> dict[str, object]:
    return {
        "attempts": row.attempts + 1,
        "attempted_at": now,
        "problem": result.problem,
        "http_status": result.status,
        "answer": result.answer,
    }


def _after_failure(row: WebhookDelivery, result: Result, now: datetime) -> dict[str, object]:
    if row.attempts >= len(RETRY_SECONDS) or result.problem == WebhookProblem.GONE:
        return {"state": DeliveryState.FAILED, "settled_at": now}
    seconds = RETRY_SECONDS[row.attempts] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no cryptography
    return {"due_at": now + timedelta(seconds=max(seconds, _asked_for(result)))}


def _asked_for(result: Result) -> float:
    return min(result.retry_after or 0.0, MOST_REST)


def _note_success(lease: Lease, endpoint: WebhookEndpoint, result: Result, now: datetime) -> bool:
    if endpoint.failures >= AGAIN_AT_ONCE:
        endpoint.deliveries.filter(state=DeliveryState.WAITING).update(due_at=now)
    return lease.note(
        failures=0,
        failing_since=None,
        problem="",
        http_status=result.status,
        last_success_at=now,
        rest_until=None,
    )


def _note_failure(lease: Lease, endpoint: WebhookEndpoint, result: Result, now: datetime) -> bool:
    since = endpoint.failing_since or now
    reason = ""
    if result.problem == WebhookProblem.GONE:
        reason = DisabledReason.GONE
    elif since <= now - DISABLED_AFTER:
        reason = DisabledReason.FAILING
    seconds = REST_SECONDS[min(endpoint.failures, len(REST_SECONDS) - 1)]
    values: dict[str, object] = {
        "failures": min(endpoint.failures + 1, _MOST_COUNTED),
        "failing_since": since,
        "problem": result.problem,
        "http_status": result.status,
        "rest_until": now + timedelta(seconds=max(seconds, _asked_for(result))),
    }
    if reason:
        values |= {"is_enabled": False, "disabled_reason": reason, "disabled_at": now}
    if lease.note(**values) and reason:
        _tell_disabled(endpoint, reason)
    return False


def _tell_disabled(endpoint: WebhookEndpoint, reason: str) -> None:
    telling.forget()
    logger.warning("webhook %s of tenant %s is disabled: %s", endpoint.pk, endpoint.tenant_id, reason)
    endpoint_id, tenant_id = endpoint.pk, endpoint.tenant_id

    def tell() -> None:
        signals.webhook_disabled.send_robust(
            sender=WebhookEndpoint, endpoint_id=endpoint_id, tenant_id=tenant_id, reason=str(reason)
        )

    transaction.on_commit(tell, robust=True)


def _log(endpoint: WebhookEndpoint, row: WebhookDelivery, result: Result) -> None:
    """Log it by numbers: a URL may hold what only its owner is to know."""
    logger.info(
        "event %s of webhook %s, try %s: %s %s",
        row.event_id,
        endpoint.pk,
        row.attempts + 1,
        result.problem or "delivered",
        result.status or "",
    )
