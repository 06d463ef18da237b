"""Health of the half of a mailbox that reads, in words, for its row in the list and for its page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import HealthState, is_sync_method
from mailconfig.models import Account, Lane, Mailbox, WaitReason

from .account_list import overview_for, words_html
from .durations import date_text, moment_text


def sync_state(mailbox: Mailbox, lane: Lane | None) -> HealthState | None:
    """Return the one state that the reading half is in; ``None``: there is none."""
    if not is_sync_method(mailbox.sync_method):
        return None
    if not (mailbox.is_enabled and mailbox.is_sync_enabled):
        return HealthState.DISABLED
    if lane is None:
        return HealthState.UNPROVED
    if lane.wait_reason:
        return HealthState.PAUSED if lane.is_paused else HealthState.WAITS
    return HealthState.OK if lane.last_success_at or lane.validated_at else HealthState.UNPROVED


def sync_html(mailbox: Mailbox, lane: Lane | None, now: datetime) -> SafeString | str:
    """Draw the state, the last success, and when it is read next."""
    state = sync_state(mailbox, lane)
    if state is None:
        return "–"
    lines: list[str] = []
    if lane is not None and state != HealthState.DISABLED:
        if lane.wait_reason:
            lines.append(str(WaitReason(lane.wait_reason).label))
        if lane.last_success_at is not None:
            lines.append(_("last success %(time)s") % {"time": moment_text(lane.last_success_at, now)})
        if (due := _next_text(lane, now)) and state != HealthState.PAUSED:
            lines.append(due)
    notes = [format_html('<span class="mc-note">{}</span>', line) for line in lines]
    words = words_html(lane.wait_text) if lane is not None and lane.wait_reason else SafeString("")
    mark = format_html('<span class="mc-health mc-{}">{}</span>', state.value, state.label)
    return _together([mark, *notes, words])


def _together(pieces: Iterable[SafeString | str]) -> SafeString:
    """Draw one behind the other; joined as text they would be text."""
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _next_text(lane: Lane, now: datetime) -> str:
    due = lane.due_at
    if due is None:
        return ""
    return _("next: now") if due <= now else _("next: %(time)s") % {"time": moment_text(due, now)}


class SyncColumns:
    """The columns and fields that show what reads a mailbox."""

    @admin.display(description=gettext_lazy("sync"))
    def sync(self, account: Account) -> SafeString | str:
        """Draw its state, for the list."""
        overview = overview_for(account)
        return sync_html(cast("Mailbox", account), overview.sync_lane, overview.at)

    @admin.display(description=gettext_lazy("Sync"))
    def state_of_sync(self, account: Account) -> SafeString | str:
        """Draw its state, when it came to an end last, and its last error, for its page."""
        overview = overview_for(account)
        lane = overview.sync_lane
        mailbox = cast("Mailbox", account)
        drawn = [sync_html(mailbox, lane, overview.at)]
        if lane is not None and lane.finished_at is not None:
            finished = _("last finished %(time)s") % {"time": date_text(lane.finished_at)}
            drawn.append(format_html('<span class="mc-note">{}</span>', finished))
        if (
            lane is not None
            and lane.notice_queued_at is not None
            and sync_state(mailbox, lane) == HealthState.PAUSED
        ):
            time = moment_text(lane.notice_queued_at, overview.at)
            told = _("A mail that tells of it was queued %(time)s") % {"time": time}
            drawn.append(format_html('<span class="mc-note">{}</span>', told))
        if lane is not None and lane.last_error_at is not None:
            values = {"time": date_text(lane.last_error_at), "code": lane.last_error_code}
            error = _("last error %(time)s: %(code)s") % values
            drawn.append(format_html('<span class="mc-note">{}</span>', error))
            drawn.append(words_html(lane.last_error_text))
        return _together(drawn)
