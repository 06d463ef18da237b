"""Comparison of an account's limits with those of its mail service."""

from __future__ import annotations

from django.utils.translation import gettext as _

from mailconfig.models import Account
from mailconfig.presets import PRESETS


def service_limit_warning(account: Account) -> str:
    """Return a warning where the account's limits lie above its service's; ``""`` where they do not."""
    preset = PRESETS.get(account.preset)
    if preset is None:
        return ""
    service = {"service": preset.label}
    if preset.per_minute and (account.limit_count is None or _per_minute(account) > preset.per_minute):
        text = _("%(service)s takes at most %(count)s mails a minute: a lower limit avoids refusals.")
        return text % {**service, "count": preset.per_minute}
    if preset.per_day and (account.limit_per_day is None or account.limit_per_day > preset.per_day):
        text = _("%(service)s takes at most %(count)s recipients a day: a lower limit avoids refusals.")
        return text % {**service, "count": preset.per_day}
    if preset.sessions and (account.max_sessions or 0) > preset.sessions:
        text = _("%(service)s takes mail over at most %(count)s connections at once: fewer avoid refusals.")
        return text % {**service, "count": preset.sessions}
    return ""


def _per_minute(account: Account) -> float:
    """Return the most recipients that may go out in any minute."""
    if account.limit_count is None or not account.limit_period:
        return 0.0
    return account.limit_count * max(1.0, 60 / account.limit_period)
