"""Guards that may keep a whole account from sending, asked one after another before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from django.core.exceptions import ValidationError

from mailconfig.conf import Settings
from mailconfig.delivery.accounts.opening import transport_of
from mailconfig.delivery.queue import retry
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.exceptions import (
    AddressBlocked,
    HostNotAllowed,
    LoginRefused,
    MailconfigError,
    ProtocolError,
    SecretUnreadable,
    TransportError,
    TransportMissing,
)
from mailconfig.models import Account, AccountKind, Lane, Purpose, WaitReason

CONFIG_RETRY = timedelta(hours=1)
LOOK_AGAIN = timedelta(minutes=1)
"""What nobody tells us of when it is mended, and costs nothing to look at."""
STORAGE_RETRY = timedelta(seconds=10)
LOGIN_BACKOFF = timedelta(minutes=10)
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


def find_obstacle(account: Account, lane: Lane, *, now: datetime) -> Wait | None:
    """The first thing that keeps the account from sending; ``None``: nothing does."""
    for guard in (
        _is_disabled,
        _still_waits,
        _lacks_server,
        _lacks_transport,
        _lacks_sender,
        _lacks_secret,
        _lacks_sync,
    ):
        obstacle = guard(account, lane, now)
        if obstacle:
            return obstacle
    return None


def _is_disabled(account: Account, lane: Lane, now: datetime) -> Wait | None:
    usable = account.is_enabled and account.deleted_at is None
    return None if usable else Wait(WaitReason.DISABLED)


def _still_waits(account: Account, lane: Lane, now: datetime) -> Wait | None:
    if not lane.wait_reason or (lane.wait_until is None and not lane.is_paused):
        return None
    if lane.wait_until is not None and lane.wait_until <= now:
        return None
    return Wait(WaitReason(lane.wait_reason), lane.wait_until, lane.wait_text)


def _lacks_server(account: Account, lane: Lane, now: datetime) -> Wait | None:
    """Credentials over the system's server are of no use without one."""
    try:
        account.server()
    except ValidationError as error:
        return Wait(WaitReason.PAUSED_CONFIG, now + CONFIG_RETRY, " ".join(error.messages), "connect_failed")
    return None


def _lacks_transport(account: Account, lane: Lane, now: datetime) -> Wait | None:
    """A way to send may come with the next release, or go with it."""
    try:
        transport_of(account)
    except TransportMissing as error:
        return Wait(WaitReason.PAUSED_CONFIG, now + CONFIG_RETRY, str(error), "connect_failed")
    return None


def _lacks_sender(account: Account, lane: Lane, now: datetime) -> Wait | None:
    return None if account.sender else Wait(WaitReason.NO_SENDER, now + LOOK_AGAIN)


def _lacks_secret(account: Account, lane: Lane, now: datetime) -> Wait | None:
    """Opening it needs no network, so a restored key is noticed soon."""
    secret = account.transport_settings().secret
    try:
        if secret is not None:
            secret.reveal()
    except SecretUnreadable as error:
        return Wait(WaitReason.SECRET_UNREADABLE, now + LOOK_AGAIN, str(error), "secret_unreadable")
    return None


def _lacks_sync(account: Account, lane: Lane, now: datetime) -> Wait | None:
    if account.kind != AccountKind.MAILBOX:
        return None
    rows = Account.objects.filter(pk=account.pk, mailbox__sends_only_when_synced=True)
    interval = rows.values_list("mailbox__sync_interval", flat=True).first()
    if interval is None:
        return None
    synced = Lane.objects.filter(account_id=account.pk, purpose=Purpose.SYNC)
    synced_at = synced.values_list("last_success_at", flat=True).first()
    fresh_for = timedelta(seconds=2 * interval)
    if synced_at and synced_at + fresh_for > now:
        return None
    return Wait(WaitReason.SYNC_STALE, now + timedelta(seconds=60))


def after_failure(error: MailconfigError, lane: Lane, *, now: datetime, settings: Settings) -> Wait:
    """Return what a failed connection means for the account (the table of reply classes, phase A)."""
    text = _words(error)
    failures = lane.failures + 1
    if isinstance(error, SecretUnreadable):
        return Wait(WaitReason.SECRET_UNREADABLE, now + LOOK_AGAIN, text, "secret_unreadable")
    if not isinstance(error, TransportError):
        raise error
    code = str(error.code)
    backoff = timedelta(seconds=retry.backoff_seconds(failures, settings))
    if isinstance(error, (HostNotAllowed, AddressBlocked)):
        return Wait(WaitReason.PAUSED_CONFIG, None, text, code)
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


def after_strike(lane: Lane, *, now: datetime, settings: Settings, text: str) -> Wait:
    """Return what broken protocol means: a rest, and after five times in a row a pause."""
    breaches, failures = lane.breaches + 1, lane.failures + 1
    if breaches >= PROTOCOL_STRIKES:
        return Wait(WaitReason.PAUSED_PROTOCOL, None, text, "protocol_error", breaches=0)
    until = now + timedelta(seconds=retry.backoff_seconds(failures, settings))
    return Wait(WaitReason.SERVER_AWAY, until, text, "protocol_error", failures, breaches=breaches)


def after_storage(error: StorageAway, lane: Lane, *, now: datetime) -> Wait:
    """The wait for a storage: longer the longer that is away, and bounded for the sake of mail that needs none."""
    since = lane.wait_since if lane.wait_reason == WaitReason.STORAGE_AWAY and lane.wait_since else now
    rest = min(max(now - since, STORAGE_RETRY), LOOK_AGAIN)
    return Wait(WaitReason.STORAGE_AWAY, now + rest, str(error), "storage_away")


def _words(error: MailconfigError) -> str:
    reply = error.reply if isinstance(error, TransportError) else None
    detail = getattr(error, "detail", "")
    if reply is not None:
        return f"{error} — {reply.code} {reply.enhanced} {reply.text}".strip()
    return f"{error} {detail}".strip()
