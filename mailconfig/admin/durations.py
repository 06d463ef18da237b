"""Spans and moments of time in words."""

from __future__ import annotations

from datetime import datetime

from django.utils import formats, timezone
from django.utils.translation import ngettext


def span_text(seconds: int) -> str:
    """Return a span in the largest unit that fits without a rest: "20 seconds", "90 seconds", "2 minutes"."""
    if seconds % 86400 == 0:
        return ngettext("%(n)s day", "%(n)s days", seconds // 86400) % {"n": seconds // 86400}
    if seconds % 3600 == 0:
        return ngettext("%(n)s hour", "%(n)s hours", seconds // 3600) % {"n": seconds // 3600}
    if seconds % 60 == 0:
        return ngettext("%(n)s minute", "%(n)s minutes", seconds // 60) % {"n": seconds // 60}
    return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds}


def moment_text(moment: datetime, now: datetime) -> str:
    """Return a moment as somebody would say it: with seconds within ten minutes, without the date on the same day."""
    local, today = _local(moment), _local(now)
    if local.date() != today.date():
        return formats.date_format(local, "SHORT_DATETIME_FORMAT")
    near = abs((moment - now).total_seconds()) < 600
    return formats.time_format(local, _with_seconds() if near else "TIME_FORMAT")


def exact_text(moment: datetime, *, has_date: bool = True) -> str:
    """Return a date and a time with seconds, or the time alone."""
    local = _local(moment)
    time = formats.time_format(local, _with_seconds())
    return f"{formats.date_format(local, 'SHORT_DATE_FORMAT')} {time}" if has_date else time


def _with_seconds() -> str:
    """Return the language's format of a time, with seconds."""
    spoken = formats.get_format("TIME_FORMAT")
    if "P" in spoken:  # "4:50 a.m.", "noon"
        return str(spoken.replace("P", "g:i:s a"))
    return str(spoken if "s" in spoken else spoken.replace("i", "i:s"))


def date_text(moment: datetime) -> str:
    """Return a date and a time, short."""
    return formats.date_format(_local(moment), "SHORT_DATETIME_FORMAT")


def _local(moment: datetime) -> datetime:
    """Return the local time; at the end of all time, which some time zones have left already, as it stands."""
    try:
        return timezone.localtime(moment)
    except OverflowError:
        return moment
