"""The list of workers at work: to look at only."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mailconfig.models import Worker

from .readonly import ReadOnlyAdmin
from .typed import AnyModelAdmin


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin, AnyModelAdmin):
    """Processes that send: where, since when, and how much."""

    list_display = (
        "host",
        "pid",
        "started_at",
        "seen_at",
        "lanes",
        "waiting",
        "concurrency",
        "mails_a_minute",
    )
    ordering = ("started_at", "pk")
    sortable_by = ()
    fields = list_display
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; an empty one says who would be in it."""
        context = dict(extra_context or {})
        if not Worker.objects.exists():
            context["subtitle"] = _(
                "No worker says that it is at work. Processes of Celery do so while they have mail in hand,"
                " and not at all on SQLite."
            )
        return super().changelist_view(request, context)
