"""Status of the installation: waiting mail by account, with reason and time, for a person or for monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.monitoring.attention import STALE
from mailconfig.delivery.monitoring.standing_in import StandIn, stand_ins
from mailconfig.delivery.monitoring.workers import WorkerStatus, workers_at_work
from mailconfig.delivery.worker.steps import FailingStep, failing_steps
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import (
    AWAY,
    PAUSES,
    Account,
    Installation,
    Lane,
    Message,
    MessageState,
    Preparation,
    Purpose,
    WaitReason,
    WebhookEndpoint,
)
from mailconfig.models.webhook import waiting_events, waiting_since

OURS = frozenset({WaitReason.INTERNAL_ERROR, WaitReason.STORAGE_AWAY})
"""Reasons that lie with us or the deployment, and that somebody has to see to."""
STALLED = timedelta(minutes=10)
"""Due mail of an account that tries and tries, and gets nothing out for so long, is for somebody to look at."""
_SAYS_NOTHING = frozenset({"", *AWAY, WaitReason.LOGIN_RETRY})
"""Reasons that come and go with each try, so that none of them says how long it has been so."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account with mail that waits, or that is paused."""

    account_id: int
    name: str
    queued: int
    preparing: int
    held: int
    handing_over: int
    oldest_due_at: datetime | None
    reason: str
    since: datetime | None
    until: datetime | None
    words: str
    """What the mail server said, or what failed, behind the reason."""
    last_error_at: datetime | None
    last_error_code: str
    is_paused: bool
    is_stuck: bool
    """Its mail is due for a minute, nothing holds it back (any more), and nobody takes it."""
    makes_no_progress: bool = False
    """Its mail is due for ten minutes, it is tried again and again, and nothing has gone out since."""
    sends_over: str = ""
    """The name of the account that sends its mail now; empty: itself, or nobody."""
    sends_over_since: datetime | None = None

    @property
    def needs_somebody(self) -> bool:
        """Somebody has to act, or to read the log."""
        return self.is_paused or self.held > 0 or self.reason in OURS or self.makes_no_progress


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """A mailbox that is not synced as it should be."""

    account_id: int
    name: str
    reason: str
    """What holds it back; empty: nothing, and nobody takes it."""
    since: datetime | None
    until: datetime | None
    words: str
    """What the mail server said behind the reason."""
    due_at: datetime | None
    is_paused: bool
    """Until somebody acts."""
    is_late: bool
    """It is due for a minute, nothing holds it back (any more), and nobody takes it."""


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """A webhook for which events wait, that fails, or that was disabled by itself."""

    endpoint_id: int
    tenant: str
    """Its short name."""
    name: str
    waiting: int
    oldest_at: datetime | None
    """When the first event happened that waits."""
    problem: str
    """The :class:`mailconfig.models.WebhookProblem` of its last request."""
    failing_since: datetime | None
    disabled_reason: str
    dropped: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole installation."""

    accounts: tuple[AccountStatus, ...]
    swept_at: datetime | None
    is_stale: bool
    """Nothing moves: no sweep for a minute while mail waits, or a lane that is stuck."""
    wrong_installation: str
    failed_today: int
    failing_steps: tuple[FailingStep, ...] = ()
    """The steps of the house-keeping that throw."""
    workers: tuple[WorkerStatus, ...] = ()
    """Those that are at work. Celery's show themselves while they have mail in hand, and a minute after."""
    syncs: tuple[SyncStatus, ...] = ()
    """Mailboxes whose sync waits for its server, is paused or late."""
    webhooks: tuple[WebhookStatus, ...] = ()
    """Those that have something to be told, fail, or were disabled by themselves: an affair of their tenants."""

    @property
    def exit_code(self) -> int:
        """0: all is well; 1: somebody has to act on an account; 2: nothing moves."""
        if self.is_stale or self.wrong_installation:
            return 2
        if self.failing_steps:
            return 1
        is_sync_stopped = any(sync.is_paused or sync.is_late for sync in self.syncs)
        return int(is_sync_stopped or any(account.needs_somebody for account in self.accounts))


def status() -> Status:
    """Describe the whole installation, in a handful of queries.

    Returns:
        The accounts with mail that waits or that are paused, and what keeps anything from being sent.
    """
    now = database_now()
    try:
        ensure_this_installation()
        wrong = ""
    except WrongInstallation as error:
        wrong = str(error)
    accounts = tuple(_accounts(now))
    swept_at = Installation.objects.filter(id=1).values_list("swept_at", flat=True).first()
    unswept = swept_at is None or swept_at < now - STALE
    waits = any(account.oldest_due_at and account.oldest_due_at < now - STALE for account in accounts)
    stuck = any(account.is_stuck for account in accounts) or (
        any(account.preparing for account in accounts) and _files_are_stuck(now)
    )
    day = now - timedelta(days=1)
    failed = Message.objects.filter(settled_at__gt=day, state=MessageState.FAILED).count()
    is_stale = (unswept and waits) or stuck
    return Status(
        accounts,
        swept_at,
        is_stale,
        wrong,
        failed,
        tuple(failing_steps()),
        workers=workers_at_work(now),
        syncs=tuple(_syncs(now)),
        webhooks=tuple(_webhooks()),
    )


def _files_are_stuck(now: datetime) -> bool:
    """Return whether files are due to be fetched for a minute, and nobody fetches them."""
    free = Q(lease_until=None) | Q(lease_until__lt=now - STALE)
    return Preparation.objects.filter(free, due_at__lt=now - STALE).exists()


def _webhooks() -> list[WebhookStatus]:
    rows = WebhookEndpoint.objects.select_related("tenant").defer("secret", "earlier_secret").order_by("pk")
    counted = rows.annotate(waiting=waiting_events(), oldest_at=waiting_since())
    return [
        WebhookStatus(
            endpoint_id=endpoint.pk,
            tenant=endpoint.tenant.slug,
            name=str(endpoint),
            waiting=endpoint.waiting,
            oldest_at=endpoint.oldest_at,
            problem=endpoint.problem,
            failing_since=endpoint.failing_since,
            disabled_reason=endpoint.disabled_reason,
            dropped=endpoint.dropped,
        )
        for endpoint in counted.filter(Q(waiting__gt=0) | ~Q(problem="") | ~Q(disabled_reason=""))
    ]


def _syncs(now: datetime) -> list[SyncStatus]:
    late = Q(due_at__lt=now - STALE) & (Q(lease_until=None) | Q(lease_until__lt=now))
    lanes = Lane.objects.filter(late | ~Q(wait_reason=""), purpose=Purpose.SYNC, account__deleted_at=None)
    lanes = lanes.filter(account__mailbox__is_sync_enabled=True)
    return [_sync(lane, now) for lane in lanes.select_related("account").defer("account__secret")]


def _sync(lane: Lane, now: datetime) -> SyncStatus:
    owned = lane.lease_until is not None and lane.lease_until > now
    return SyncStatus(
        account_id=lane.account_id,
        name=str(lane.account),
        reason=lane.wait_reason,
        since=lane.wait_since,
        until=lane.wait_until,
        words=lane.wait_text,
        due_at=lane.due_at,
        is_paused=lane.is_paused,
        is_late=bool(lane.due_at and lane.due_at < now - STALE and not owned),
    )


def _accounts(now: datetime) -> list[AccountStatus]:
    counts: dict[int, Mapping[str, Any]] = {
        row["account_id"]: row
        for row in Message.objects.filter(
            state__in=[MessageState.QUEUED, MessageState.HELD, MessageState.PREPARING]
        )
        .order_by()
        .values("account_id")
        .annotate(
            queued=Count("pk", filter=Q(state=MessageState.QUEUED, hand_over=None)),
            held=Count("pk", filter=Q(state=MessageState.HELD)),
            preparing=Count("pk", filter=Q(state=MessageState.PREPARING)),
            handing_over=Count("pk", filter=Q(hand_over__isnull=False)),
            oldest=Min("not_before", filter=Q(state=MessageState.QUEUED, hand_over=None)),
        )
    }
    stopped = Q(wait_reason__in=PAUSES) | ~Q(paused_at=None)
    lanes = Lane.objects.filter(Q(account_id__in=counts) | stopped, purpose=Purpose.SEND)
    lanes = lanes.filter(account__deleted_at=None).select_related("account").defer("account__secret")
    found = list(lanes)
    over = stand_ins([lane.account for lane in found], {lane.account_id: lane for lane in found}, now)
    return [
        _account(lane.account, lane, counts.get(lane.account_id, {}), over.get(lane.account_id), now)
        for lane in found
    ]


def _account(
    account: Account, lane: Lane, counts: Mapping[str, Any], over: StandIn | None, now: datetime
) -> AccountStatus:
    oldest: datetime | None = counts.get("oldest")
    oldest_due_at = oldest if oldest and oldest <= now else None
    reason = WaitReason.DISABLED if not account.is_enabled else lane.waits_because
    is_paused_by_person = lane.paused_at is not None
    owned = lane.lease_until is not None and lane.lease_until > now
    waits = bool(reason) and (is_paused_by_person or lane.wait_until is None or lane.wait_until > now - STALE)
    is_stuck = bool(oldest_due_at and oldest_due_at < now - STALE and not waits and not owned)
    if is_stuck and lane.last_success_at and lane.last_success_at > now - STALE:
        is_stuck = False
    return AccountStatus(
        account_id=account.pk,
        name=str(account),
        queued=counts.get("queued", 0),
        preparing=counts.get("preparing", 0),
        held=counts.get("held", 0),
        handing_over=counts.get("handing_over", 0),
        oldest_due_at=oldest_due_at,
        reason=str(reason),
        since=lane.paused_at or lane.wait_since,
        until=None if is_paused_by_person else lane.wait_until,
        words=(lane.paused_because if is_paused_by_person else lane.wait_text) if account.is_enabled else "",
        last_error_at=lane.last_error_at,
        last_error_code=lane.last_error_code,
        is_paused=lane.is_paused and account.is_enabled,
        is_stuck=is_stuck,
        makes_no_progress=_stalls(lane, str(reason), oldest_due_at, now),
        sends_over=str(over.account) if over and over.account else "",
        sends_over_since=over.since if over and over.account else None,
    )


def _stalls(lane: Lane, reason: str, due_since: datetime | None, now: datetime) -> bool:
    if due_since is None or due_since > now - STALLED or reason not in _SAYS_NOTHING:
        return False
    return lane.last_success_at is None or lane.last_success_at < due_since
