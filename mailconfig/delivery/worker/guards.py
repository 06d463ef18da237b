"""Guards that may keep a whole account from sending, asked one after another before anything is read."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.exceptions import ValidationError

from mailconfig.delivery.accounts.opening import transport_of
from mailconfig.delivery.failures import CONFIG_RETRY, LOOK_AGAIN, Wait
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.exceptions import SecretUnreadable, TransportMissing
from mailconfig.models import Account, AccountKind, Lane, Purpose, WaitReason

STORAGE_RETRY = timedelta(seconds=10)


def find_obstacle(account: Account, lane: Lane, *, now: datetime) -> Wait | None:
    """The first thing that keeps the account from sending; ``None``: nothing does."""
    for guard in (
        _is_disabled,
        _still_waits,
        _is_paused_by_person,
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


def _is_paused_by_person(account: Account, lane: Lane, now: datetime) -> Wait | None:
    """Asked behind what it waits for by itself, so that this is not forgotten meanwhile."""
    return None if lane.paused_at is None else Wait(WaitReason.PAUSED_BY_PERSON)


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


def after_storage(error: StorageAway, lane: Lane, *, now: datetime) -> Wait:
    """The wait for a storage: longer the longer that is away, and bounded for the sake of mail that needs none."""
    since = lane.wait_since if lane.wait_reason == WaitReason.STORAGE_AWAY and lane.wait_since else now
    rest = min(max(now - since, STORAGE_RETRY), LOOK_AGAIN)
    return Wait(WaitReason.STORAGE_AWAY, now + rest, str(error), "storage_away")
