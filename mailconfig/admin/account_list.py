"""The list of accounts: health, quota and queue of all rows on the page in a fixed number of queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from mailconfig.delivery import AccountOverview, WindowUsage, overview_of
from mailconfig.models import Account, Mailbox, WaitReason

from .account_links import MODEL_OF_KIND, account_link
from .durations import moment_text, span_text
from .health import HealthText, health_text
from .synced_rows import NOT_SHOWN
from .typed import ChangeList, user_of

FIELD_OF_WINDOW = {
    "period": "limit_count",
    "day": "limit_per_day",
    "week": "limit_per_week",
    "in_out_day": "limit_in_out_per_day",
}
_OVERVIEW = "_mailconfig_overview"
_CHANGEABLE = "_mailconfig_changeable"


class AccountChangeList(ChangeList):
    """Loads the overview of the accounts on the page, and never their secrets."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Leave the secrets out: they are not needed and cost."""
        rows = super().get_queryset(request, exclude_parameters)
        return rows.defer("secret", *(NOT_SHOWN if rows.model is Mailbox else ()))

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page with their overview."""
        super().get_results(request)
        rows: list[Account] = list(self.result_list)
        found, user = overview_of(rows), user_of(request)
        for row in rows:
            setattr(row, _OVERVIEW, found[row.pk])
            setattr(row, _CHANGEABLE, user.has_perm(f"mailconfig.change_{MODEL_OF_KIND.get(row.kind)}"))
        self.result_list = rows


def overview_for(account: Account) -> AccountOverview:
    """Return the account's overview: the list's, else asked for this one, once."""
    if not hasattr(account, _OVERVIEW):
        setattr(account, _OVERVIEW, overview_of([account])[account.pk])
    overview: AccountOverview = getattr(account, _OVERVIEW)
    return overview


def is_paused_by_person(account: Account) -> bool:
    """Return whether somebody has to press Resume before it sends."""
    return overview_for(account).health.reason == WaitReason.PAUSED_BY_PERSON


def health_text_of(account: Account) -> HealthText:
    """Return the account's health in words."""
    overview = overview_for(account)
    return health_text(overview.health, overview.at, has_lane=overview.lane is not None)


def health_html(health: HealthText) -> SafeString:
    """Draw the state with a mark that needs no colour to be told apart, and its details."""
    lines = [line for line in (health.text, health.detail) if line]
    return format_html(
        '<span class="mc-health mc-{}">{}</span>{}{}',
        health.state.value,
        health.state.label,
        format_html_join("", '<span class="mc-note">{}</span>', ((line,) for line in lines)),
        words_html(health.words),
    )


def words_html(words: str) -> SafeString:
    """Draw the mail server's words as a quotation of one line or a few."""
    return format_html('<q class="mc-words">{}</q>', words) if words else SafeString("")


def quota_html(windows: tuple[WindowUsage, ...], url: str) -> SafeString:
    """Draw a bar and words for each window; its name leads to the field at ``url``, if that is not empty."""
    if not windows:
        return format_html('<span class="mc-note">{}</span>', _("no limit"))
    rows = format_html_join("", "{}", ((_window_html(window, url),) for window in windows))
    return format_html('<div class="mc-quota">{}</div>', rows)


def _window_html(window: WindowUsage, url: str) -> SafeString:
    values = {"used": window.used, "limit": window.window.limit, "left": window.left}
    text = _("%(used)s of %(limit)s used, %(left)s left") % values
    if window.window.limit == 0:
        text = _("0: nothing is sent")
    name, field = window_name(window), FIELD_OF_WINDOW.get(window.window.name)
    return format_html(
        '<div class="mc-window"><span class="mc-span">{}</span><span class="mc-left">{}</span>'
        '<progress max="{}" value="{}" class="{}">{}</progress></div>',
        format_html('<a href="{}#id_{}">{}</a>', url, field, name) if url and field else name,
        text,
        max(1, window.window.limit),
        min(window.used, window.window.limit) if window.window.limit else 1,
        "" if window.left else "mc-full",
        text,
    )


def window_name(window: WindowUsage) -> str:
    """Return the name of a window: "in 60 seconds", "in a day"."""
    names = {"day": _("a day"), "week": _("a week"), "in_out_day": _("a day, in and out")}
    return names.get(window.window.name) or _("in %(span)s") % {"span": span_text(window.window.seconds)}


class AccountColumns:
    """The columns of the list that show an account's overview."""

    if TYPE_CHECKING:
        admin_site: admin.AdminSite

    @admin.display(description=gettext_lazy("account"), ordering="name")
    def label(self, account: Account) -> SafeString | str:
        """Draw its name, and where its mail comes from."""
        name = str(account)
        if account.from_email in {"", name}:
            return name
        return format_html('{} <span class="mc-note">{}</span>', name, account.from_email)

    @admin.display(description=gettext_lazy("owner, tenant"), ordering="owner")
    def whose(self, account: Account) -> SafeString:
        """Draw its owner and tenant."""
        tenant = format_html('<span class="mc-note">{}</span>', account.tenant) if account.tenant else ""
        return format_html("{}{}", account.owner or "–", tenant)

    @admin.display(description=gettext_lazy("health"))
    def health(self, account: Account) -> SafeString:
        """Draw its health, and who sends its mail meanwhile."""
        url = "" if is_paused_by_person(account) else self._change_url(account, "pause")
        pause = format_html(' <a href="{}">{}</a>', url, pgettext("sending", "Pause")) if url else ""
        return format_html("{}{}{}", health_html(health_text_of(account)), self._stand_in(account), pause)

    def _change_url(self, account: Account, page: str = "change") -> str:
        """Return the address of a page that changes the account; empty for those who may not."""
        model = MODEL_OF_KIND.get(account.kind)
        if model is None or not getattr(account, _CHANGEABLE, False):
            return ""
        name = f"admin:mailconfig_{model}_{page}"
        return reverse(name, args=[account.pk], current_app=self.admin_site.name)

    def _stand_in(self, account: Account) -> SafeString:
        overview = overview_for(account)
        stand_in = overview.stand_in
        if stand_in is None:
            return SafeString("")
        if stand_in.refused:
            text = _("The account that it fails over to may not send its mail; its server says so.")
            return format_html('<span class="mc-note">{}</span>{}', text, words_html(stand_in.refused))
        if stand_in.account is None:
            return format_html(
                '<span class="mc-note">{}</span>', _("No account that it fails over to can send.")
            )
        since = _("sends its mail since %(time)s") % {"time": moment_text(stand_in.since, overview.at)}
        link = account_link(stand_in.account, self.admin_site)
        return format_html('<span class="mc-note">{} {}</span>', link, since)

    @admin.display(description=gettext_lazy("quota"))
    def quota(self, account: Account) -> SafeString:
        """Draw used and left slots of each window."""
        return quota_html(overview_for(account).windows, self._change_url(account))

    @admin.display(description=gettext_lazy("queue"))
    def queue(self, account: Account) -> SafeString | str:
        """Draw the number of waiting mails, as a link to them."""
        waiting = overview_for(account).unsent
        if not waiting:
            return "0"
        return format_html('<a href="{}">{}</a>', self.queue_url(account), waiting)

    def queue_url(self, account: Account) -> str:
        """Return the URL of the list of this account's mail."""
        url = reverse("admin:mailconfig_message_changelist", current_app=self.admin_site.name)
        return f"{url}?account__id__exact={account.pk}&state=waiting"
