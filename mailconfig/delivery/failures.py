"""Failures of an account's connection, and of our own: what they mean for its lane, a rest or a pause."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict

from django.db import DatabaseError

from mailconfig.conf import Settings, get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import in_words, require_database
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.exceptions import (
    AddressBlocked,
    HostNotAllowed,
    LoginRefused,
    MailconfigError,
    ProtocolError,
    SecretUnreadable,
    TokenAnswerBroken,
    TokenRefused,
    TokenUnavailable,
    TransportError,
)
from mailconfig.models import Lane, WaitReason
from mailconfig.values import Remedy

logger = logging.getLogger("mailconfig.drain")

CONFIG_RETRY = timedelta(hours=1)
LOOK_AGAIN = timedelta(minutes=1)
"""What nobody tells us of when it is mended, and costs nothing to look at."""
LOGIN_BACKOFF = timedelta(minutes=10)
LEAST_REST = 1.0
_REMEDIES = {
    Remedy.CONNECT: WaitReason.PAUSED_CONSENT,
    Remedy.REGISTRATION: WaitReason.PAUSED_REGISTRATION,
}
PROTOCOL_STRIKES = 5
"""Breaches of the protocol in a row that pause the account."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A reason for an account to wait, and until when; ``until`` ``None``: until somebody acts."""

    reason: WaitReason
    until: datetime | None = None
    text: str = ""
    error_code: str = ""
    failures: int | None = None
    strikes: int | None = None
    breaches: int | None = None

    def as_values(self) -> WaitValues:
        """The arguments of :func:`lanes.wait` that it stands for."""
        return WaitValues(
            reason=self.reason,
            until=self.until,
            text=self.text,
            error_code=self.error_code,
            failures=self.failures,
            strikes=self.strikes,
            breaches=self.breaches,
        )


class WaitValues(TypedDict):
    """A :class:`Wait`, spelled out."""

    reason: WaitReason
    until: datetime | None
    text: str
    error_code: str
    failures: int | None
    strikes: int | None
    breaches: int | None


def after_failure(error: MailconfigError, lane: Lane, *, now: datetime, settings: Settings) -> Wait:
    """Return what a failed connection means for the account (the table of reply classes, phase A)."""
    text = _words(error)
    failures = lane.failures + 1
    if isinstance(error, SecretUnreadable):
        reason = WaitReason.SECRET_UNREADABLE if error.remedy is None else _REMEDIES[error.remedy]
        return Wait(reason, now + LOOK_AGAIN, text, "secret_unreadable")
    if not isinstance(error, TransportError):
        raise error
    code = str(error.code)
    backoff = timedelta(seconds=backoff_seconds(failures, settings))
    if isinstance(error, (HostNotAllowed, AddressBlocked)):
        return Wait(WaitReason.PAUSED_CONFIG, None, text, code)
    if isinstance(error, TokenRefused):
        return Wait(_REMEDIES[error.remedy], None, text, code)
    if isinstance(error, (TokenUnavailable, TokenAnswerBroken)):
        return _without_token(error, now, backoff, Wait(WaitReason.TOKEN_AWAY, None, text, code, failures))
    if isinstance(error, LoginRefused):
        if error.temporary:
            return Wait(WaitReason.SERVER_AWAY, now + max(backoff, LOGIN_BACKOFF), text, code, failures)
        refused_before = lane.wait_reason in {WaitReason.LOGIN_RETRY, WaitReason.PAUSED_LOGIN}
        # Two refused AUTH in all: servers count them, and lock accounts.
        if refused_before or error.tries > 1:
            return Wait(WaitReason.PAUSED_LOGIN, None, text, code)
        return Wait(WaitReason.LOGIN_RETRY, now + timedelta(seconds=settings.login_retry_seconds), text, code)
    if isinstance(error, ProtocolError):
        return after_strike(lane, now=now, settings=settings, text=text)
    if error.temporary:
        return Wait(WaitReason.SERVER_AWAY, now + backoff, text, code, failures)
    return Wait(WaitReason.PAUSED_CONFIG, now + CONFIG_RETRY, text, code)


def _without_token(
    error: TokenUnavailable | TokenAnswerBroken, now: datetime, backoff: timedelta, wait: Wait
) -> Wait:
    """Return the wait for a service that gives out no tokens, with its end: the mail server has nothing to do with it."""
    if isinstance(error, TokenUnavailable) and error.retry_after is not None:
        return replace(wait, until=now + timedelta(seconds=max(LEAST_REST, error.retry_after)))
    if isinstance(error, TokenUnavailable) and not error.temporary:
        return replace(wait, reason=WaitReason.PAUSED_REGISTRATION, until=now + CONFIG_RETRY, failures=None)
    return replace(wait, until=now + backoff)


def after_strike(lane: Lane, *, now: datetime, settings: Settings, text: str) -> Wait:
    """Return what broken protocol means: a rest, and after five times in a row a pause."""
    breaches, failures = lane.breaches + 1, lane.failures + 1
    if breaches >= PROTOCOL_STRIKES:
        return Wait(WaitReason.PAUSED_PROTOCOL, None, text, "protocol_error", breaches=0)
    until = now + timedelta(seconds=backoff_seconds(failures, settings))
    return Wait(WaitReason.SERVER_AWAY, until, text, "protocol_error", failures, breaches=breaches)


def rest(ownership: Ownership, error: Exception, *, what: str) -> datetime:
    """Log what nobody expected with its traceback, and let the account rest, longer each time.

    Args:
        ownership: of the lane.
        error: whatever it is.
        what: what could not be done with the account, for the log: ``drained``, say.

    Returns:
        Until when.

    Raises:
        LeaseLost, DatabaseError: it could not be noted.
    """
    logger.error("account %s cannot be %s", ownership.account_id, what, exc_info=error)
    if isinstance(error, DatabaseError):
        require_database()
    lane = Lane.objects.get(pk=ownership.lane_id)
    failures, now = lane.failures + 1, ownership.clock.now()
    until = now + timedelta(seconds=backoff_seconds(failures, get_settings()))
    lanes.wait(
        lane,
        token=ownership.token,
        reason=WaitReason.INTERNAL_ERROR,
        until=until,
        now=now,
        text=in_words(error),
        error_code="internal_error",
        failures=failures,
    )
    return until


def _words(error: MailconfigError) -> str:
    reply = error.reply if isinstance(error, TransportError) else None
    detail = getattr(error, "detail", "")
    if reply is not None:
        return " — ".join(filter(None, [str(error), reply.words, detail]))
    return f"{error} {detail}".strip()
