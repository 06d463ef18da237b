"""Spans of time in words."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import ngettext

_STEPS = (
    (86400, lambda n: ngettext("%(n)s day", "%(n)s days", n)),
    (3600, lambda n: ngettext("%(n)s hour", "%(n)s hours", n)),
    (60, lambda n: ngettext("%(n)s minute", "%(n)s minutes", n)),
    (1, lambda n: ngettext("%(n)s second", "%(n)s seconds", n)),
)


def span_text(seconds: float) -> str:
    """A span in its largest fitting unit, rounded up: "20 seconds", "3 minutes"."""
    whole = max(1, round(seconds))
    for size, words in _STEPS:
        if whole >= size * 2 or size == 1 or whole == size:
            count = -(-whole // size)
            return words(count) % {"n": count}
    return ""


def moment_text(moment: datetime, now: datetime) -> str:
    """A moment as somebody would say it: with seconds within a minute, without the date on the same day."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() != today.date():
        return formats.date_format(local, "SHORT_DATETIME_FORMAT")
    near = abs((moment - now).total_seconds()) < 600
    return local.strftime("%H:%M:%S") if near else formats.time_format(local, "TIME_FORMAT")


def date_text(moment: datetime) -> str:
    """A date and a time, short."""
    return formats.date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")
