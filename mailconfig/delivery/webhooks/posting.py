"""One request to an endpoint, and what its answer says. Only the status counts; redirects are not followed."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mailconfig.conf import get_settings
from mailconfig.delivery.web import webhook_surroundings
from mailconfig.exceptions import (
    ConnectionFailed,
    SecretUnreadable,
    TLSFailed,
    TransportError,
    UrlNotAllowed,
)
from mailconfig.models import WebhookDelivery, WebhookEndpoint, WebhookProblem
from mailconfig.transports.http import HttpHeaders, HttpRequest, OpenAnswer, open_request
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import ErrorCode, Secret

from .signing import signed_headers

MOST_ANSWER = 64 * 1024
_READ_OF_ANSWER = 1024
"""Octets of an answer that people may want to see: enough for what goes wrong to be said."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a request.

    Attributes:
        problem: a :class:`WebhookProblem`; empty: the endpoint took it.
        status: HTTP status; ``None``: no answer came.
        answer: the beginning of an answer that is no success, cleaned.
        retry_after: seconds for which the endpoint asks to be left alone.
    """

    problem: str = ""
    status: int | None = None
    answer: str = ""
    retry_after: float | None = None


def body_of(row: WebhookDelivery, endpoint: WebhookEndpoint) -> bytes:
    """Return what is sent: the same octets each time, as long as the tenant keeps its short name."""
    told = {
        "id": str(row.event_id),
        "type": row.kind,
        "created_at": row.created_at.astimezone(UTC).isoformat(),
        "tenant": endpoint.tenant.slug,
        "data": row.data,
    }
    return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def post(row: WebhookDelivery, endpoint: WebhookEndpoint, *, at: datetime) -> Result:
    """Send an event, and return what came of it.

    Args:
        row: the event.
        endpoint: with its tenant.
        at: now, by the database's clock.
    """
    try:
        keys = [_opened(endpoint, endpoint.secret)]
    except SecretUnreadable:
        return Result(WebhookProblem.SECRET)
    if endpoint.earlier_secret_until is not None and endpoint.earlier_secret_until > at:
        with suppress(SecretUnreadable):
            keys.append(_opened(endpoint, endpoint.earlier_secret))
    body = body_of(row, endpoint)
    headers = signed_headers(event_id=str(row.event_id), at=at, body=body, keys=keys)
    request = HttpRequest(
        method="POST",
        url=endpoint.url,
        headers=(("Content-Type", "application/json"), *headers),
        body=body,
    )
    surroundings = webhook_surroundings(within=get_settings().webhook_seconds)
    try:
        with open_request(request, surroundings, most_bytes=MOST_ANSWER) as answer:
            return _judged(answer, keys)
    except TransportError as error:
        return Result(_problem_of(error))


def _opened(endpoint: WebhookEndpoint, secret: Secret | None) -> Secret:
    """Return the secret in the clear, where it can be opened at all.

    Raises:
        SecretUnreadable: it cannot, or there is none.
    """
    if secret is None:
        msg = "the webhook has no secret"
        raise SecretUnreadable(msg)
    bound = secret.bound_to(endpoint.secret_binding("secret"))  # type: ignore[attr-defined]  # of a row that was read
    return Secret(bound.reveal())


def _judged(answer: OpenAnswer, keys: list[Secret]) -> Result:
    status = answer.status
    if 200 <= status < 300:
        return Result(status=status)  # whatever its body is: nobody reads that
    problem = WebhookProblem.GONE if status == 410 else WebhookProblem.STATUS
    return Result(problem, status, _beginning(answer, keys), _retry_after(answer.headers))


def _beginning(answer: OpenAnswer, keys: list[Secret]) -> str:
    said = b""
    # Compressed, endless, broken off: what came until then is enough.
    with suppress(TransportError):
        for chunk in answer.chunks():
            said += chunk
            if len(said) >= _READ_OF_ANSWER:
                break
    text = " ".join(said[:_READ_OF_ANSWER].decode("utf-8", "replace").split())
    return Scrubber([key.reveal() for key in keys]).clean(text)


def _retry_after(headers: HttpHeaders) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 §10.2.3); its other form, a date, goes by a clock that is not ours."""
    value = headers.get("retry-after").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,7}", value) else None


def _problem_of(error: TransportError) -> WebhookProblem:
    """Return the same for an unknown name, a closed port and an address that is not allowed: nobody looks around by us."""
    if isinstance(error, UrlNotAllowed):
        return WebhookProblem.URL
    if isinstance(error, TLSFailed):
        return WebhookProblem.TLS
    if isinstance(error, ConnectionFailed):
        return WebhookProblem.UNREACHABLE
    return WebhookProblem.TIMEOUT if error.code is ErrorCode.TIMEOUT else WebhookProblem.PROTOCOL
