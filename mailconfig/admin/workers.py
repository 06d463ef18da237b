"""The list of workers at work: to look at only."""

from __future__ import annotations

from django.contrib import admin

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
