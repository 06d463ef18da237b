"""Answers of mail services: what their words are, and what follows from them for a mail, its recipients or the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from mailconfig.transports.contract import Judgement, Matter, Verdict
from mailconfig.transports.http import HttpAnswer, HttpHeaders
from mailconfig.values import Answer

MOST_WORDS = 4096
LONGEST_REST = 24 * 3600.0
"""Seconds: who asks for more is left alone for so long, and asked again then."""
_WORDS = frozenset(
    {"message", "error", "errors", "detail", "description", "title", "name", "ErrorMessage", "Message"}
)
SENDER = "The service does not let this account send from this address."
KEY = "The API key was refused: it may be revoked, or may not send."
_LIMITS = ("maximum credits exceeded", "not_enough_credits", "daily_quota_exceeded", "monthly_quota_exceeded")
_WRONG_KEYS = ("invalid_key",)
_SENDERS = (
    "from address",
    "sender identity",
    "sender signature",
    "unverified sender",
    "domain is not verified",
)


def words_of(body: bytes) -> str:
    """Return what an answer says, as text that nobody cleaned: the sentences of its JSON, else its beginning."""
    text = body.decode("utf-8", "replace")
    try:
        found = list(_sentences(json.loads(text)))
    except (ValueError, RecursionError):
        found = []
    return "; ".join(dict.fromkeys(found))[:MOST_WORDS] or text[:MOST_WORDS]


def _sentences(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _sentences(one) if not isinstance(one, str) else [one]
    elif isinstance(value, dict):
        for name, one in value.items():
            if isinstance(one, str) and name in _WORDS:
                yield one
            elif isinstance(one, list | dict):
                yield from _sentences(one)


def judged(answer: HttpAnswer, words: str) -> Judgement:
    """Return what a status means that is not 2xx, with the service's cleaned words (RFC 9110 §15)."""
    said = Answer(answer.status, words)
    lower = words.lower()
    if any(word in lower for word in _LIMITS):
        return Judgement(
            Verdict.SERVER_LIMIT, said, temporary=True, rest_seconds=rest_seconds(answer.headers)
        )
    if any(word in lower for word in _WRONG_KEYS):
        return Judgement(Verdict.ACCOUNT_REFUSED, said, matter=Matter.LOGIN, hint=KEY)
    match answer.status:
        case 429:
            rest = rest_seconds(answer.headers)
            return Judgement(Verdict.SERVER_LIMIT, said, temporary=True, rest_seconds=rest)
        case 400 | 403 | 422 if any(word in lower for word in _SENDERS):
            return Judgement(Verdict.SENDER_REFUSED, said, matter=Matter.SENDER, hint=SENDER)
        case 401 | 402 | 403:
            return Judgement(Verdict.ACCOUNT_REFUSED, said, matter=Matter.LOGIN, hint=KEY)
        case 404 | 405 | 410:
            return Judgement(Verdict.ACCOUNT_REFUSED, said)
        case 408 | 409 | 423 | 425:
            return Judgement(Verdict.RETRY, said, temporary=True)
        case status if 400 <= status < 500:
            return Judgement(Verdict.FAIL, said)
        case status if status >= 500:
            return Judgement(Verdict.RETRY, said, temporary=True)
        case _:
            return Judgement(Verdict.PROTOCOL, said)


def rest_seconds(headers: HttpHeaders) -> float | None:
    """Return for how long the service wants to be left alone; ``None``: it does not say.

    ``Retry-After`` (RFC 9110 §10.2.3), else the moment in ``X-RateLimit-Reset``, where SendGrid and others write it, as
    seconds since 1970 or from now on.
    """
    text = headers.get("retry-after").strip()
    seconds: float | None = None
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            seconds = None
    if seconds is None:
        reset = headers.get("x-ratelimit-reset").strip()
        if not (reset.isascii() and reset.isdigit()):
            return None
        seconds = float(reset[:12])
        seconds -= time() if seconds > 10 * 365 * 86400 else 0
    return min(max(seconds, 1.0), LONGEST_REST)
