"""The list of checks and test mails: to look at only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.delivery import translate_stored
from mailconfig.models import ConnectionCheck

from .account_actions import as_shown, field_label, stage_name
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .typed import CheckModelAdmin


@admin.register(ConnectionCheck)
class ConnectionCheckAdmin(ReadOnlyAdmin, CheckModelAdmin):
    """Checks and test mails: who asked, what was tried, the outcome."""

    list_display = ("created_at", "kind", "state", "account", "host", "username", "result", "requested_by")
    list_filter = ("state", "kind")
    list_select_related = ("account", "requested_by")
    search_fields = ("host", "username", "recipient")
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/mailconfig/check_change_form.html"
    fields = (
        "kind",
        "state",
        "account",
        "host",
        "port",
        "username",
        "recipient",
        "requested_by",
        "created_at",
    )

    class Media:
        css = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the accounts' secrets."""
        return super().get_queryset(request).defer("account__secret")

    @admin.display(description=gettext_lazy("result"))
    def result(self, check: ConnectionCheck) -> str:
        """Say the failing stage and its sentence."""
        failed_at = stage_name(check.stage) if check.stage else field_label(check.guilty_field)
        return ": ".join(part for part in (failed_at, translate_stored(check.message)) if part)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With the stages."""
        check: ConnectionCheck | None = context.get("original")
        if check is not None:
            context["check"] = as_shown(check)
        return super().render_change_form(request, context, *args, **kwargs)
