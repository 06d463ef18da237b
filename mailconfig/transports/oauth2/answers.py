"""Answers of a token endpoint (RFC 6749 §5), and those of services that do not quite keep to it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from mailconfig.exceptions import TokenAnswerBroken, TokenRefused, TokenUnavailable
from mailconfig.transports.http import HttpAnswer
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer, ErrorCode, Remedy, Secret, Stage

USUAL_SECONDS = 300
"""How long a token is taken to last of which nobody said so."""
MOST_SECONDS = 86_400
LONGEST_TOKEN = 8192
"""What a login in base64 can carry (RFC 4954 §4), with room for the user name."""
LONGEST_REFRESH_TOKEN = 16 * 1024
MOST_RETRY_SECONDS = 3600.0
"""Bound on how long a service may send us away."""

NOT_VALID = "The permission to use the mailbox is not valid any more."
REGISTRATION_REFUSED = "The sign-in service refuses the app registration."
CONNECT_AGAIN = "Connect the account again: somebody has to sign in and agree."
CHECK_REGISTRATION = "Check the app registration: its id, its secret, which may have expired, and its rights."

_ACCESS_TOKEN = re.compile(r"[!-~]+")
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FOR_NOW = frozenset(
    {"temporarily_unavailable", "server_error", "internal_failure", "slow_down", "rate_limit_exceeded"}
)
_OF_CONSENT = frozenset(
    {
        "invalid_grant",
        "interaction_required",
        "consent_required",
        "login_required",
        "account_selection_required",
        "access_denied",
    }
)
"""Words that somebody has to sign in again (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6, Microsoft). The numbers in
Microsoft's texts are not for programs, it says; all else that is refused is the app's affair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A token, and what came with it."""

    access_token: Secret
    expires_in: int
    """Seconds, from when it was asked for."""
    refresh_token: Secret | None = None
    """From now on this one counts; ``None``: the one there is goes on."""
    scope: str = ""
    """What was granted, where that is not what was asked for."""


def read_answer(answer: HttpAnswer, scrubber: Scrubber) -> TokenAnswer:
    """Return the token of an answer.

    Raises:
        TokenUnavailable, TokenRefused, TokenAnswerBroken: see :func:`.asking.request_token`.
    """
    if answer.status == 429 or answer.status >= 500:
        raise _not_now(answer, scrubber)
    if answer.status != 200:
        raise _refusal(answer, scrubber)
    found = _json(answer)
    if found is None:
        raise _broken("The sign-in service's answer is none.", answer)
    if "error" in found and "access_token" not in found:
        raise _refusal(answer, scrubber)
    if str(found.get("token_type", "")).lower() != "bearer":
        raise _broken("The sign-in service gives out tokens of a kind that cannot be used here.", answer)
    return TokenAnswer(
        access_token=_token(found, "access_token", LONGEST_TOKEN, answer),
        expires_in=_seconds(found.get("expires_in"), answer),
        refresh_token=(
            _token(found, "refresh_token", LONGEST_REFRESH_TOKEN, answer)
            if found.get("refresh_token")
            else None
        ),
        scope=scrubber.clean(found["scope"]) if isinstance(found.get("scope"), str) else "",
    )


def _json(answer: HttpAnswer) -> dict[str, Any] | None:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _token(found: dict[str, Any], name: str, longest: int, answer: HttpAnswer) -> Secret:
    if not isinstance(found.get(name), str) or not _ACCESS_TOKEN.fullmatch(found[name]):
        raise _broken("The sign-in service's answer has no token that can be used.", answer)
    if len(found[name]) > longest:
        raise _broken("The sign-in service's token is too long.", answer)
    return Secret(found[name])


def _seconds(said: object, answer: HttpAnswer) -> int:
    if said is None:
        return USUAL_SECONDS
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 20:
        said = int(said)  # as Microsoft's older endpoints have it
    if isinstance(said, bool) or not isinstance(said, int | float) or not said >= 0:
        raise _broken("The sign-in service does not say properly how long its token lasts.", answer)
    return int(min(said, MOST_SECONDS))


def _not_now(answer: HttpAnswer, scrubber: Scrubber) -> TokenUnavailable:
    return TokenUnavailable(
        "The sign-in service gives out no tokens now.",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        reply=Answer(answer.status, _words(_json(answer) or {}, scrubber)),
        retry_after=_retry_after(answer.headers.get("retry-after"), answer.headers.get("date")),
        is_of_client=answer.status in {429, 503},
    )


def _refusal(answer: HttpAnswer, scrubber: Scrubber) -> TokenRefused | TokenUnavailable:
    found = _json(answer) or {}
    error = found.get("error")
    code = error if isinstance(error, str) and _ERROR_CODE.fullmatch(error) else ""
    if code in _FOR_NOW or answer.status == 408:
        return _not_now(answer, scrubber)
    words = " ".join(filter(None, [code, _words(found, scrubber)]))
    return refusal_of(code or f"http_{answer.status}", Answer(answer.status, words))


def refusal_of(error: str, reply: Answer | None = None) -> TokenRefused:
    """Return the refusal for a service's word (RFC 6749 §5.2), said just now or a moment ago."""
    is_of_consent = error in _OF_CONSENT
    return TokenRefused(
        NOT_VALID if is_of_consent else REGISTRATION_REFUSED,
        remedy=Remedy.CONNECT if is_of_consent else Remedy.REGISTRATION,
        error=error,
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        reply=reply,
        hint=CONNECT_AGAIN if is_of_consent else CHECK_REGISTRATION,
        temporary=False,
    )


def _words(found: dict[str, Any], scrubber: Scrubber) -> str:
    """Return the service's own description, without what only its support needs."""
    said = found.get("error_description")
    if not isinstance(said, str):
        return ""
    return scrubber.clean(re.split(r"[\r\n]+|\s(?=Trace ID:)", said[:2000].strip(), maxsplit=1)[0])


def _retry_after(said: str, date: str) -> float | None:
    """Return for how many seconds the service wants to be left alone (RFC 9110 §10.2.3); ``None``: it does not say.

    A time counts from the service's own, so that its clock and ours need not agree.
    """
    if said.isascii() and said.isdigit() and len(said) < 20:
        return min(float(said), MOST_RETRY_SECONDS)
    until = _time(said)
    if until is None:
        return None
    seconds = (until - (_time(date) or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), MOST_RETRY_SECONDS)


def _time(said: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _broken(message: str, answer: HttpAnswer) -> TokenAnswerBroken:
    return TokenAnswerBroken(
        message,
        stage=Stage.LOGIN,
        code=ErrorCode.PROTOCOL_ERROR,
        field="authentication",
        detail=f"HTTP {answer.status}",
    )
