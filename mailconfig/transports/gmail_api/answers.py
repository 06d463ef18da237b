"""Answers of Gmail, read with caps, and what they mean for a mail or for the login."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from mailconfig.transports.contract import Judgement, Matter, Verdict
from mailconfig.transports.http import HttpAnswer
from mailconfig.transports.http.statuses import leaves_in_doubt
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer

from . import hints

RATES = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", "limitExceeded"}
)
"""Reasons of a status 403 or 429 that is about how much was asked, and not about who asks."""
TOO_FEW_RIGHTS = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
SWITCHED_OFF = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
MOST_REST = 24 * 3600.0
_RETRY_AFTER = re.compile(r"retry after (\d{4}-\d\d-\d\dT[\d:.]{8,16}Z)", re.IGNORECASE)
_OF_RECIPIENTS = re.compile(r"recipient|\b(?:to|cc|bcc) header", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    data: Mapping[str, Any] | None = field(repr=False)
    """The JSON object; ``None``: it is none, so it is not Gmail's."""
    reasons: frozenset[str] = frozenset()
    """Gmail's words for what is wrong, of all its vocabularies."""
    message: str = ""
    """Its sentence, cleaned."""
    retry_after: float | None = None
    """Seconds for which it wants to be left alone, where it says so."""

    @property
    def is_success(self) -> bool:
        """Return whether it did what was asked, in words that are understood."""
        return 200 <= self.status < 300 and self.data is not None

    @property
    def is_of_rate(self) -> bool:
        """Return whether too much was asked."""
        return self.status == 429 or (self.status == 403 and bool(self.reasons & RATES))

    @property
    def answer(self) -> Answer:
        """Return it for people."""
        words = " ".join(sorted(self.reasons))
        return Answer(
            self.status, f"{words}: {self.message}" if words and self.message else words or self.message
        )


def read_reply(answer: HttpAnswer, scrubber: Scrubber) -> Reply:
    """Return an answer in its parts; one that is not Gmail's has no data."""
    try:
        found = json.loads(answer.body) if answer.body else None
    except (ValueError, RecursionError):
        found = None
    data = found if isinstance(found, dict) else None
    error = data.get("error") if data is not None else None
    error = error if isinstance(error, dict) else {}
    message = error.get("message")
    message = message if isinstance(message, str) else ""
    return Reply(
        status=answer.status,
        data=data,
        reasons=frozenset(scrubber.clean(reason) for reason in _reasons(error)),
        message=scrubber.clean(message),
        retry_after=_rest(answer.headers.get("retry-after"), message),
    )


def _reasons(error: Mapping[str, Any]) -> list[str]:
    """Return the reasons of ``errors`` (the older vocabulary) and of ``details`` (google.rpc.ErrorInfo)."""
    listed = [each for key in ("errors", "details") for each in _list(error.get(key))]
    found = [each.get("reason") for each in listed if isinstance(each, dict)]
    return [reason[:100] for reason in found if isinstance(reason, str) and reason][:10]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rest(field_value: str, message: str) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 §10.2.3), or those until the moment that stands in the sentence."""
    text = field_value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), MOST_REST)
    try:
        until = parsedate_to_datetime(text) if text else None
        if until is None and (found := _RETRY_AFTER.search(message)):
            until = dt.datetime.fromisoformat(found[1])
        if until is None:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        return min(max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds()), MOST_REST)
    except (ValueError, OverflowError, TypeError):
        return None


def judgement_of(reply: Reply) -> Judgement:
    """Return what the answer to a mail means. One in doubt is for the caller: see :func:`is_in_doubt`."""
    answer, reasons = reply.answer, reply.reasons
    if reply.is_success:
        return Judgement(Verdict.ACCEPTED, answer)
    if reply.is_of_rate:
        return Judgement(Verdict.SERVER_LIMIT, answer, temporary=True, rest_seconds=reply.retry_after)
    if reply.status in {401, 403}:
        return Judgement(Verdict.ACCOUNT_REFUSED, answer, matter=Matter.LOGIN, hint=hint_for(reply))
    if reply.status == 400 and "failedPrecondition" in reasons:
        return Judgement(Verdict.ACCOUNT_REFUSED, answer, matter=Matter.LOGIN, hint=hints.NO_MAILBOX)
    if reply.status in {400, 413} and reply.data is not None:
        is_of_recipient = reply.status == 400 and _OF_RECIPIENTS.search(reply.message)
        return Judgement(Verdict.FAIL, answer, matter=Matter.RECIPIENT if is_of_recipient else None)
    if reply.status == 413:
        return Judgement(Verdict.FAIL, answer)
    if reply.status >= 500:
        return Judgement(Verdict.RETRY, answer, temporary=True, rest_seconds=reply.retry_after)
    return Judgement(Verdict.PROTOCOL, answer)


def hint_for(reply: Reply) -> str:
    """Return what probably helps against a refusal of the login; ``""``: to connect the account again."""
    if reply.reasons & SWITCHED_OFF:
        return hints.SWITCH_ON
    if "domainPolicy" in reply.reasons:
        return hints.ALLOW_APP
    return ""


def is_in_doubt(reply: Reply) -> bool:
    """Return whether the mail may be out, whatever the answer says.

    See :func:`mailconfig.transports.http.statuses.leaves_in_doubt`. A success that makes no sense says nothing either.
    """
    return leaves_in_doubt(reply.status) or (200 <= reply.status < 400 and not _tells_id(reply))


def _tells_id(reply: Reply) -> bool:
    return reply.is_success and isinstance((reply.data or {}).get("id"), str)
