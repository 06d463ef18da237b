"""What somebody has to see to: accounts that stopped, and mail that nobody sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.worker.steps import troubles as failing_steps
from mailconfig.models import (
    PAUSES,
    Account,
    AccountKind,
    Installation,
    Lane,
    Message,
    MessageState,
    Purpose,
    WaitReason,
)

from .account_links import MODEL_OF_KIND, account_url
from .durations import moment_text
from .typed import user_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SHOWN = 5
SILENCE = timedelta(seconds=60)
ADVICE: dict[str, _StrPromise] = {
    WaitReason.PAUSED_LOGIN: gettext_lazy(
        "Enter the right password and save, or test the connection once the server accepts it."
    ),
    WaitReason.PAUSED_CONFIG: gettext_lazy("Test the connection to see what is wrong, and correct it."),
    WaitReason.PAUSED_SENDER: gettext_lazy(
        "Use an address that this account may send from, or have the server allow it."
    ),
    WaitReason.PAUSED_PROTOCOL: gettext_lazy("Check server and port, then test the connection."),
    WaitReason.SECRET_UNREADABLE: gettext_lazy("Then save."),
    WaitReason.INTERNAL_ERROR: gettext_lazy("The log says more. All other accounts go on."),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """An account that stopped, and what helps."""

    account: Account
    url: str
    text: str
    advice: str
    since: str
    words: str
    """What the mail server said."""


def troubles_for(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """What the template shows, as far as this person may see accounts. A handful of queries."""
    kinds = _visible_kinds(request)
    if not kinds:
        return {}
    lanes = Lane.objects.filter(
        purpose=Purpose.SEND,
        wait_reason__in=[*PAUSES, WaitReason.INTERNAL_ERROR],
        account__deleted_at=None,
        account__is_enabled=True,
        account__kind__in=kinds,
    )
    count = lanes.count()
    found = (
        lanes.select_related("account").defer("account__secret").order_by("-wait_since")[:SHOWN]
        if count
        else ()
    )
    now = database_now()
    return {
        "troubles": [
            _trouble(lane, site, moment_text(lane.wait_since, now) if lane.wait_since else "")
            for lane in found
        ],
        "count": count,
        "hidden": max(0, count - SHOWN),
        "is_standing_still": _is_standing_still(),
        "failing_steps": [
            {"name": trouble.step, "since": moment_text(trouble.since, now), "text": trouble.text}
            for trouble in failing_steps()
        ],
    }


def _trouble(lane: Lane, site: AdminSite, since: str) -> Trouble:
    advice = str(ADVICE.get(lane.wait_reason, ""))
    text = str(WaitReason(lane.wait_reason).label)
    return Trouble(lane.account, account_url(lane.account, site), text, advice, since, lane.wait_text)


def _visible_kinds(request: HttpRequest) -> list[str]:
    user = user_of(request)
    return [
        kind
        for kind in AccountKind.values
        if any(user.has_perm(f"mailconfig.{verb}_{MODEL_OF_KIND[kind]}") for verb in ("view", "change"))
    ]


def _is_standing_still() -> bool:
    """Whether mail has been due for a while and nobody looks for it."""
    now = database_now()
    if Installation.objects.filter(swept_at__gt=now - SILENCE).exists():
        return False
    unowned = Q(lease_until=None) | Q(lease_until__lt=now)
    lanes = Lane.objects.filter(unowned, wait_reason="", account__is_enabled=True, due_at__lt=now - SILENCE)
    waiting = Message.objects.filter(state=MessageState.QUEUED, not_before__lt=now - SILENCE)
    return waiting.filter(account_id__in=lanes.values("account_id")).exists()
