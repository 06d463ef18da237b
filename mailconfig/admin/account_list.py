"""The list of accounts: health, quota and queue of all rows on the page in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery.accounts.save import unsent
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import WindowUsage, usage
from mailconfig.models import Account, Lane, Purpose

from .durations import span_text
from .health import Health, health_of
from .typed import ChangeList

_STANDING = "_mailconfig_standing"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about an account beside its own row."""

    health: Health
    windows: tuple[WindowUsage, ...]
    waiting: int
    lane: Lane | None


def standings(accounts: list[Account], now: datetime) -> dict[int, Standing]:
    """For each account by primary key; the number of queries does not depend on how many there are."""
    ids = [account.pk for account in accounts]
    lanes = {lane.account_id: lane for lane in Lane.objects.filter(account_id__in=ids, purpose=Purpose.SEND)}
    windows = usage(accounts, now=now)
    waiting = unsent(ids)
    return {
        account.pk: Standing(
            health_of(account, lanes.get(account.pk), now),
            windows[account.pk],
            waiting.get(account.pk, 0),
            lanes.get(account.pk),
        )
        for account in accounts
    }


class AccountChangeList(ChangeList):
    """Loads the standing of the accounts on the page, and never their secrets."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Without the secrets: they are not needed and cost."""
        return super().get_queryset(request, exclude_parameters).defer("secret")

    def get_results(self, request: HttpRequest) -> None:
        """The rows of the page with their standing."""
        super().get_results(request)
        rows: list[Account] = list(self.result_list)
        found = standings(rows, database_now())
        for row in rows:
            setattr(row, _STANDING, found[row.pk])
        self.result_list = rows


def standing_of(account: Account) -> Standing:
    """The account's standing: the list's, else asked for this one, once."""
    if not hasattr(account, _STANDING):
        setattr(account, _STANDING, standings([account], database_now())[account.pk])
    standing: Standing = getattr(account, _STANDING)
    return standing


def health_html(health: Health) -> SafeString:
    """The word with a mark that needs no colour to be told apart, and what there is to say."""
    lines = [line for line in (health.text, health.detail) if line]
    return format_html(
        '<span class="mc-health mc-{}">{}</span>{}{}',
        health.state.value,
        health.state.label,
        format_html_join("", '<span class="mc-note">{}</span>', ((line,) for line in lines)),
        words_html(health.words),
    )


def words_html(words: str) -> SafeString:
    """The mail server's words, as a quotation of one line or a few."""
    return format_html('<q class="mc-words">{}</q>', words) if words else SafeString("")


def quota_html(windows: tuple[WindowUsage, ...]) -> SafeString:
    """A bar and words for each window."""
    if not windows:
        return format_html('<span class="mc-note">{}</span>', _("no limit"))
    rows = format_html_join("", "{}", ((_window_html(window),) for window in windows))
    return format_html('<div class="mc-quota">{}</div>', rows)


def _window_html(window: WindowUsage) -> SafeString:
    values = {"used": window.used, "limit": window.window.limit, "left": window.left}
    text = _("%(used)s of %(limit)s used, %(left)s left") % values
    if window.window.limit == 0:
        text = _("0: nothing is sent")
    return format_html(
        '<div class="mc-window"><span class="mc-span">{}</span><span class="mc-left">{}</span>'
        '<progress max="{}" value="{}" class="{}">{}</progress></div>',
        window_name(window),
        text,
        max(1, window.window.limit),
        min(window.used, window.window.limit) if window.window.limit else 1,
        "" if window.left else "mc-full",
        text,
    )


def window_name(window: WindowUsage) -> str:
    """What a window is called: "in 60 seconds", "in a day"."""
    names = {"day": _("a day"), "week": _("a week"), "in_out_day": _("a day, in and out")}
    return names.get(window.window.name) or _("in %(span)s") % {"span": span_text(window.window.seconds)}


class AccountColumns:
    """The columns of the list that show an account's standing."""

    if TYPE_CHECKING:
        admin_site: admin.AdminSite

    @admin.display(description=gettext_lazy("account"), ordering="name")
    def label(self, account: Account) -> SafeString | str:
        """What it is called, and where its mail comes from."""
        name = str(account)
        if account.from_email in {"", name}:
            return name
        return format_html('{} <span class="mc-note">{}</span>', name, account.from_email)

    @admin.display(description=gettext_lazy("owner, tenant"), ordering="owner")
    def whose(self, account: Account) -> SafeString:
        """Whom it belongs to."""
        tenant = format_html('<span class="mc-note">{}</span>', account.tenant) if account.tenant else ""
        return format_html("{}{}", account.owner or "–", tenant)

    @admin.display(description=gettext_lazy("health"))
    def health(self, account: Account) -> SafeString:
        """How it is."""
        return health_html(standing_of(account).health)

    @admin.display(description=gettext_lazy("quota"))
    def quota(self, account: Account) -> SafeString:
        """What is used and left in each window."""
        return quota_html(standing_of(account).windows)

    @admin.display(description=gettext_lazy("queue"))
    def queue(self, account: Account) -> SafeString | str:
        """How many mails wait, as a link to them."""
        waiting = standing_of(account).waiting
        if not waiting:
            return "0"
        return format_html('<a href="{}">{}</a>', self.queue_url(account), waiting)

    def queue_url(self, account: Account) -> str:
        """The list of this account's mail."""
        url = reverse("admin:mailconfig_message_changelist", current_app=self.admin_site.name)
        return f"{url}?account__id__exact={account.pk}&state=waiting"
