"""Filter by tenant that draws a few of them, however many there are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import Tenant

from .lookups import is_key
from .within_reach import rows_within_reach

LISTED = 50
NONE = "none"


class TenantFilter(admin.SimpleListFilter):
    """The tenants by name; beyond a number of them one searches for the name."""

    title = gettext_lazy("tenant")
    parameter_name = "tenant__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The first by name, the chosen one, and none."""
        tenants = rows_within_reach(Tenant.objects.all(), request).order_by("name", "pk")
        rows = list(tenants[:LISTED])
        chosen = request.GET.get(self.parameter_name, "")
        if is_key(chosen) and all(str(tenant.pk) != chosen for tenant in rows):
            rows += tenants.filter(pk=chosen)
        found = [(str(tenant.pk), tenant.name) for tenant in rows]
        return [*found, (NONE, str(gettext_lazy("accounts without tenant")))] if found else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow down to the choice."""
        value = self.value() or ""
        if value == NONE:
            return queryset.filter(tenant=None)
        return queryset.filter(tenant_id=int(value)) if is_key(value) else queryset
