"""The top of an account's page: how it is doing, drawn without a script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from mailconfig.admin.account_list import FIELD_OF_WINDOW, overview_for, window_name
from mailconfig.admin.durations import moment_text
from mailconfig.admin.typed import user_of
from mailconfig.delivery import AccountGlance, HourSums, WindowUsage, glance_at
from mailconfig.models import Account, Attempt

BAR, GAP, ABOVE, BELOW = 8, 2, 40, 16
"""Units of the picture: width of an hour, between two of them, and the most that is drawn above and below the line."""


@dataclass(frozen=True, slots=True)
class Bar:
    """An hour in the picture. Numbers are texts: a language's way to write them would be none of SVG's."""

    x: str
    up_y: str
    up: str
    down: str
    hour: str
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class QuotaBar:
    """A window of the account's limits."""

    name: str
    used: int
    limit: int
    left: int
    field: str
    """Of the form, where the limit is raised."""
    opens: str


def glance_context(request: HttpRequest, account: Account, site: AdminSite) -> dict[str, Any]:
    """Return what the template shows. Mails and attempts are for those who may see mails."""
    found = glance_at(account)
    overview = overview_for(account)
    may_see_mail = user_of(request).has_perm("mailconfig.view_message")
    mails = reverse("admin:mailconfig_message_changelist", current_app=site.name)
    mine = f"{mails}?account__id__exact={account.pk}"
    oldest = found.waiting.oldest_due_at
    noticed_at = overview.lane.notice_queued_at if overview.lane and account.is_enabled else None
    return {
        "glance": found,
        "noticed": moment_text(noticed_at, found.at) if noticed_at else "",
        "bars": bars_of(found.hours),
        "picture_width": str(len(found.hours) * (BAR + GAP)),
        "picture_height": str(ABOVE + BELOW),
        "line_y": str(ABOVE),
        "quota_bars": [_quota_bar(window, found) for window in overview.windows],
        "queue_url": f"{mine}&state=waiting" if may_see_mail else "",
        "mails_url": mine if may_see_mail else "",
        "oldest": moment_text(oldest, found.at) if oldest else "",
        "answer": _answer(found.attempts[0], found.at) if found.attempts else None,
        "attempts": [_answer(one, found.at) for one in found.attempts] if may_see_mail else [],
        "mails": [
            {
                "subject": message.subject or message.message_id,
                "url": reverse("admin:mailconfig_message_change", args=[message.pk], current_app=site.name),
                "state": message.get_state_display(),
                "at": moment_text(message.created_at, found.at),
            }
            for message in (found.messages if may_see_mail else ())
        ],
    }


def bars_of(hours: tuple[HourSums, ...]) -> list[Bar]:
    """Return the bars, sent mails above the line and failed ones below it, each as high as its share of the highest."""
    most = max([1, *(hour.sent for hour in hours)])
    worst = max([1, *(hour.failed for hour in hours)])
    found = []
    for number, hour in enumerate(hours):
        up = _height(hour.sent, most, ABOVE)
        found.append(
            Bar(
                x=str(number * (BAR + GAP)),
                up_y=str(ABOVE - up),
                up=str(up),
                down=str(_height(hour.failed, worst, BELOW)),
                hour=_hour_text(hour.at),
                sent=hour.sent,
                failed=hour.failed,
            )
        )
    return found


def _height(count: int, most: int, room: int) -> int:
    """Return a height that is seen as soon as there is anything."""
    return max(2, round(room * count / most)) if count else 0


def _hour_text(at: datetime) -> str:
    return formats.time_format(timezone.localtime(at), "TIME_FORMAT")


def _quota_bar(window: WindowUsage, found: AccountGlance) -> QuotaBar:
    name, limit = window.window.name, window.window.limit
    opens = ""
    if limit and name in found.opens:
        at = found.opens[name]
        opens = _("next slot at %(time)s") % {"time": moment_text(at, found.at)} if at else ""
    return QuotaBar(
        name=window_name(window),
        used=min(window.used, limit) if limit else 1,
        limit=max(1, limit),
        left=window.left,
        field=FIELD_OF_WINDOW.get(name, ""),
        opens=opens,
    )


def _answer(attempt: Attempt, now: datetime) -> dict[str, Any]:
    codes = " ".join(str(code) for code in (attempt.reply_code, attempt.enhanced_code) if code)
    return {
        "outcome": attempt.get_outcome_display(),
        "is_good": attempt.outcome in {"sent", "partial"},
        "at": moment_text(attempt.ended_at, now),
        "codes": codes,
        "words": attempt.reply_text,
        "message_id": attempt.message_id,
    }
