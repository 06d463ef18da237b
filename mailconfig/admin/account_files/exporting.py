"""The actions that write chosen accounts, or all that a list shows, into a file without secrets."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext_lazy

from mailconfig.admin.typed import AccountModelAdmin
from mailconfig.delivery import export_accounts_csv, export_accounts_yaml
from mailconfig.models import Account

ACTIONS = ("export_as_csv", "export_as_yaml")
_CHUNK = 500


class AccountExports(AccountModelAdmin):
    """Base of the lists of accounts. Whoever may see an account may export what its page shows."""

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_as_csv(self, request: HttpRequest, queryset: QuerySet[Account]) -> StreamingHttpResponse:
        """Answer a file for a spreadsheet."""
        return _file(export_accounts_csv(_rows(queryset)), "accounts.csv", "text/csv")

    @admin.action(description=gettext_lazy("Export as YAML"), permissions=["view"])
    def export_as_yaml(self, request: HttpRequest, queryset: QuerySet[Account]) -> StreamingHttpResponse:
        """Answer a file for a repository."""
        return _file(export_accounts_yaml(_rows(queryset)), "accounts.yaml", "application/yaml")


def _rows(queryset: QuerySet[Account]) -> Iterator[Account]:
    """Read them in chunks, with what stands in the file, and no secret."""
    beside = ("mailbox",) if queryset.model is Account else ()
    rows = queryset.defer(None).defer("secret").select_related("owner", "tenant", *beside)
    return rows.order_by("pk").iterator(chunk_size=_CHUNK)


def _file(lines: Iterator[str], name: str, content_type: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
