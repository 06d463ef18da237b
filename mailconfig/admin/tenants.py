"""The pages of tenants."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import Tenant

from .key_fields import KeyFields
from .typed import TenantModelAdmin
from .within_reach import chooses_among_own


@admin.register(Tenant)
class TenantAdmin(KeyFields, TenantModelAdmin):
    """Tenants and who belongs to them."""

    list_display = ("name", "slug", "is_active", "member_count")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    ordering = ("name", "pk")  # also where counting members leaves out the model's own
    fields = ("name", "slug", "is_active", "members")
    prepopulated_fields = {"slug": ("name",)}
    user_fields = ("members",)

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """With the number of members."""
        rows: QuerySet[Tenant] = super().get_queryset(request)
        return rows.annotate(_members=Count("members"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether tenants may be added: not by who is held to a tenant, and would belong to another one by it."""
        return super().has_add_permission(request) and not chooses_among_own(request)

    @admin.display(description=gettext_lazy("members"), ordering="_members")
    def member_count(self, tenant: Tenant) -> int:
        """Return the number of people who belong to it."""
        count: int = getattr(tenant, "_members", 0)
        return count
