"""The sync of a mailbox: owns its lane, reads what came in, stores it, and leaves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models.functions import Now

from mailconfig import crash
from mailconfig.conf import Settings, get_settings
from mailconfig.delivery import failures, lanes
from mailconfig.delivery.accounts.opening import open_sync_session
from mailconfig.delivery.failures import CONFIG_RETRY, Wait
from mailconfig.delivery.lanes import Renewal
from mailconfig.delivery.mishaps import is_everybodys
from mailconfig.delivery.sync import schedule, taking
from mailconfig.delivery.sync.folder import FolderSync
from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.sync.storing import Edited
from mailconfig.delivery.sync.taking import Taken
from mailconfig.delivery.wake import ring
from mailconfig.exceptions import FolderRefused, LeaseLost, SecretUnreadable, TransportError, TransportMissing
from mailconfig.models import Lane, Purpose, WaitReason

logger = logging.getLogger("mailconfig.sync")

SLICE_SECONDS = 60.0
"""How long a mailbox keeps a worker while there is more to read."""


def _never() -> bool:
    return False


def _nothing() -> None:
    """Nobody asks."""


def sync_account(
    *, account_id: int, should_stop: Callable[[], bool] = _never, slice_seconds: float | None = None
) -> SyncReport:
    """Read what came into a mailbox and store it, for one slice of time.

    Args:
        account_id: of the mailbox.
        should_stop: asked between batches; true ends the sync, and the next one goes on there.
        slice_seconds: instead of a minute.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was connected.
    """
    return sync_lane(
        account_id=account_id, should_stop=should_stop, slice_seconds=slice_seconds, on_batch=_nothing
    )


def sync_lane(
    *,
    account_id: int,
    should_stop: Callable[[], bool],
    slice_seconds: float | None,
    on_batch: Callable[[], object],
) -> SyncReport:
    """Do what :func:`sync_account` does, and call ``on_batch`` after each step that its server has answered."""
    settings = get_settings()
    taken = taking.take(account_id, lease=settings.lease_seconds)
    if taken is None:
        return SyncReport(owned=False)
    crash.point("after_lane")
    sync = _Sync(taken, settings, should_stop, slice_seconds or SLICE_SECONDS, on_batch)
    ownership = taken.ownership
    due_at: datetime | None = ownership.clock.now() + timedelta(seconds=settings.sweep_seconds)
    try:
        due_at = sync.run()
    except LeaseLost:
        logger.warning("the lane of mailbox %s was lost to another worker", account_id)
    except Exception as error:  # whatever it is, it costs this mailbox its turn and nobody else
        if is_everybodys(error):
            raise
        due_at = failures.rest(ownership, error, what="synced")
        sync.finished_at, sync.error_code = ownership.clock.now(), "internal_error"
    finally:
        crash.point("before_free")
        lanes.free(ownership, due_at=due_at, succeeded_at=sync.succeeded_at, finished_at=sync.finished_at)
    if sync.succeeded_at is not None and taken.mailbox.sends_only_when_synced:
        let_send(account_id)
    return sync.report(due_at)


def let_send(account_id: int) -> None:
    """Let a mailbox send that waited to be synced."""
    waiting = Lane.objects.filter(
        account_id=account_id, purpose=Purpose.SEND, wait_reason=WaitReason.SYNC_STALE
    )
    if waiting.update(
        wait_reason="", wait_since=None, wait_until=None, wait_text="", due_at=Now(), rung_at=Now()
    ):
        ring(account_id)


class _Sync:
    """One sync of one mailbox. Not to be used again after :meth:`run`."""

    def __init__(
        self,
        taken: Taken,
        settings: Settings,
        should_stop: Callable[[], bool],
        slice_seconds: float,
        on_batch: Callable[[], object],
    ) -> None:
        self.succeeded_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.error_code = ""
        self._taken, self._settings, self._should_stop = taken, settings, should_stop
        self._clock = taken.ownership.clock
        self._started_at = self._clock.now()
        self._ends_at = time.monotonic() + slice_seconds
        self._on_batch = on_batch
        self._folder = FolderSync(taken, settings, is_over=self._is_over, on_batch=on_batch)

    def run(self) -> datetime | None:
        """Sync.

        Returns:
            When the lane is due again; ``None``: once somebody has acted.
        """
        if not self._may_sync():
            return None
        lane = self._taken.lane
        if lane.is_paused and lane.wait_until is None:
            return None
        if lane.wait_until is not None and lane.wait_until > self._started_at:
            return lane.wait_until
        try:
            is_complete = self._read()
        except (TransportError, SecretUnreadable, TransportMissing) as error:
            return self._after_failure(error)
        except Edited:
            return self._clock.now()
        if not is_complete:
            return self._clock.now()
        return self._after_success()

    def report(self, due_at: datetime | None) -> SyncReport:
        """Return what it came to."""
        folder = self._folder
        return SyncReport(
            owned=True,
            stored=folder.stored,
            moved=folder.moved,
            excluded=folder.excluded,
            bounces=folder.bounces,
            is_complete=self.succeeded_at is not None,
            error_code=self.error_code,
            is_due=due_at is not None and due_at <= self._clock.now(),
            due_at=due_at,
        )

    def _may_sync(self) -> bool:
        mailbox = self._taken.mailbox
        return mailbox.is_sync_enabled and mailbox.deleted_at is None and bool(mailbox.sync_method)

    def _is_over(self) -> bool:
        return self._should_stop() or time.monotonic() >= self._ends_at

    def _read(self) -> bool:
        renewal = Renewal(self._taken.ownership)
        session = open_sync_session(self._taken.mailbox, on_wait=renewal.renew_while_waiting)
        try:
            self._on_batch()
            is_complete = self._folder.run(session)
            session.quit()
        finally:
            session.close()
        return is_complete

    @property
    def _interval(self) -> timedelta:
        return schedule.interval_of(self._taken.mailbox, seen_at=self._taken.seen_at, now=self._started_at)

    def _after_success(self) -> datetime:
        lane, now = self._taken.lane, self._clock.now()
        if lane.wait_reason or lane.failures or lane.breaches:
            revision = self._taken.mailbox.revision
            lanes.clear(lane, token=self._taken.ownership.token, revision=revision, succeeded_at=now)
        self.succeeded_at = self.finished_at = now
        return max(now, schedule.next_at(self._started_at, self._interval))

    def _after_failure(self, error: TransportError | SecretUnreadable | TransportMissing) -> datetime | None:
        """Note what a failure means for the lane, by the same rules as for sending, and return when to try again."""
        lane, now = self._taken.lane, self._clock.now()
        if isinstance(error, TransportMissing):
            wait = Wait(WaitReason.PAUSED_CONFIG, now + CONFIG_RETRY, str(error), "connect_failed")
        else:
            wait = failures.after_failure(error, lane, now=now, settings=self._settings)
        if isinstance(error, FolderRefused) and not error.temporary:
            # It may have been renamed, or be made yet: that is looked at as often as anything in it.
            wait = Wait(wait.reason, schedule.next_at(now, self._interval), wait.text, wait.error_code)
        self.finished_at, self.error_code = now, wait.error_code
        is_noted = lanes.wait(
            lane,
            token=self._taken.ownership.token,
            **wait.as_values(),
            now=now,
            revision=self._taken.mailbox.revision,
        )
        return lane.wait_until if is_noted else now
