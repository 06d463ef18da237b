"""The dashboard: the figures of the last day, on the app's index and on a page of its own, as JSON and as CSV."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import Dashboard, dashboard_data, export_figures, read_dashboard
from mailconfig.models import Account, HourFigures
from mailconfig.models.access import within_reach
from mailconfig.models.account_queries import AccountQuerySet

from .account_links import MODEL_OF_KIND, account_url
from .durations import moment_text
from .readonly import ReadOnlyAdmin
from .typed import user_of
from .within_reach import WithinReach, sees_deployment

CHARTS = (
    ("sent", gettext_lazy("Sent")),
    ("failed", gettext_lazy("Failed")),
    ("waiting", gettext_lazy("Waiting")),
)


def may_see(request: HttpRequest) -> bool:
    """Return whether this person may see the dashboard at all."""
    return user_of(request).has_perm("mailconfig.view_hourfigures")


def visible_accounts(request: HttpRequest) -> AccountQuerySet | None:
    """Return the accounts whose figures this person may see: those within reach; ``None``: all."""
    rule = within_reach(Account, user_of(request))
    return Account.objects.kept().filter(rule) if rule else None


def figures_for(request: HttpRequest, site: AdminSite, *, is_page: bool = False) -> dict[str, Any]:
    """Return what the template shows; empty for those who may not see the dashboard."""
    if not may_see(request):
        return {}
    account = _chosen(request) if is_page else None
    figures = _read(request, account)
    page_url = reverse("admin:mailconfig_hourfigures_changelist", current_app=site.name)
    query = f"?{urlencode({'account': account.pk})}" if account else ""
    return {
        "figures": figures,
        "account": account,
        "is_page": is_page,
        "page_url": page_url,
        "here": f"{page_url}{query}" if is_page else request.path,
        "fragment_url": f"{_url('fragment', site)}{query or ('' if is_page else '?index=1')}",
        "json_url": f"{_url('json', site)}{query}",
        "csv_url": f"{_url('csv', site)}{query}",
        "sums": {
            name: sum(getattr(hour, name) for hour in figures.hours) for name in ("sent", "put_off", "failed")
        },
        "oldest": _moment(figures.waiting.oldest_due_at, figures.at),
        "swept": _moment(figures.swept_at, figures.at),
        "pace": sum(worker.mails_a_minute for worker in figures.workers),
        "latest": figures.hours[::-1],
        **_charts(figures),
        **_lists(figures, request, site, page_url),
    }


def _url(name: str, site: AdminSite) -> str:
    return reverse(f"admin:mailconfig_hourfigures_{name}", current_app=site.name)


def _moment(at: datetime | None, now: datetime) -> str:
    return moment_text(at, now) if at else ""


def _chosen(request: HttpRequest) -> Account | None:
    """Return the account that the address names, if this person may see it."""
    number = request.GET.get("account", "")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    visible = visible_accounts(request)
    rows = Account.objects.kept() if visible is None else visible
    return rows.filter(pk=int(number)).defer("secret").first()


def _scope(request: HttpRequest, account: Account | None) -> AccountQuerySet | None:
    return visible_accounts(request) if account is None else Account.objects.filter(pk=account.pk)


def _read(request: HttpRequest, account: Account | None) -> Dashboard:
    return read_dashboard(_scope(request, account), deployment=account is None and sees_deployment(request))


def _charts(figures: Dashboard) -> dict[str, Any]:
    """Return the numbers to draw, and what somebody hears who does not see them."""
    charts = []
    for name, label in CHARTS:
        numbers = [getattr(hour, name) for hour in figures.hours]
        most = max(numbers)
        text = _("%(what)s by hour: %(now)s in the last one, %(most)s at most.")
        charts.append(
            {"name": name, "label": label, "text": text % {"what": label, "now": numbers[-1], "most": most}}
        )
    data: dict[str, Any] = {"at": [int(hour.at.timestamp()) for hour in figures.hours]}
    data |= {name: [getattr(hour, name) for hour in figures.hours] for name, _label in CHARTS}
    return {"charts": charts, "data": data}


def _lists(figures: Dashboard, request: HttpRequest, site: AdminSite, page_url: str) -> dict[str, Any]:
    lists = [
        {
            "title": title,
            "rows": [
                {
                    "account": sums.account,
                    "url": f"{page_url}?{urlencode({'account': sums.account.pk})}",
                    "sent": sums.sent,
                    "put_off": sums.put_off,
                    "failed": sums.failed,
                }
                for sums in rows
            ],
        }
        for title, rows in ((_("Most failures"), figures.worst), (_("Most mail"), figures.busiest))
    ]
    paused = [
        {
            "account": stopped.account,
            "url": account_url(stopped.account, site) if _may_open(request, stopped.account) else "",
            "text": stopped.reason.label,
            "since": _moment(stopped.since, figures.at),
        }
        for stopped in figures.paused
    ]
    return {"lists": lists, "paused": paused}


def _may_open(request: HttpRequest, account: Account) -> bool:
    user, model = user_of(request), MODEL_OF_KIND.get(account.kind)
    return any(user.has_perm(f"mailconfig.{verb}_{model}") for verb in ("view", "change"))


@admin.register(HourFigures)
class DashboardAdmin(ReadOnlyAdmin, WithinReach):
    """The dashboard's page, to which its entry in the lists of the admin leads. It has no rows to look at."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows have no pages: with one in hand, nobody may."""
        return obj is None and may_see(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Stand in the lists of those who may see it."""
        return may_see(request)

    def get_urls(self) -> list[URLPattern]:
        """The page alone, and what it is exported as."""
        views = {
            "": self.changelist_view,
            "fragment": self.fragment_view,
            "json": self.json_view,
            "csv": self.csv_view,
        }
        return [
            path(
                f"{name}/" if name else "",
                self.admin_site.admin_view(view),
                name=f"mailconfig_hourfigures_{name or 'changelist'}",
            )
            for name, view in views.items()
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the page."""
        return self._page(request, "admin/mailconfig/dashboard.html", is_page=True, **self._around(request))

    def fragment_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the figures alone, for the page that refreshes itself."""
        return self._page(
            request, "admin/mailconfig/dashboard_figures.html", is_page="index" not in request.GET
        )

    def json_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the figures as JSON."""
        self._require(request)
        figures = _read(request, _chosen(request))
        response = JsonResponse(dashboard_data(figures), encoder=DjangoJSONEncoder)
        response["Cache-Control"] = "no-store"
        return response

    def csv_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Answer the figures by hour and account as a file."""
        self._require(request)
        lines = export_figures(_scope(request, _chosen(request)))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="mail-figures.csv"'
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "no-store"
        return response

    def _around(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": _("Dashboard"), "opts": self.opts}

    def _page(self, request: HttpRequest, template: str, *, is_page: bool, **context: Any) -> HttpResponse:
        self._require(request)
        request.current_app = self.admin_site.name
        figures = figures_for(request, self.admin_site, is_page=is_page)
        if not is_page:
            figures["here"] = reverse("admin:app_list", args=["mailconfig"], current_app=self.admin_site.name)
        response = TemplateResponse(request, template, context | figures)
        response["Cache-Control"] = "no-store"
        return response

    @staticmethod
    def _require(request: HttpRequest) -> None:
        if not may_see(request):
            raise PermissionDenied
