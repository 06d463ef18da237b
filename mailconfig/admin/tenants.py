"""The pages of tenants."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import CASCADE, Count, ManyToOneRel, ProtectedError, QuerySet, RestrictedError
from django.db.models.deletion import Collector
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Account, OAuth2Grant, Tenant

from .key_fields import KeyFields
from .typed import TenantModelAdmin
from .within_reach import chooses_among_own

SHOWN_MEMBERS = 100


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

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return its members by name to those who may not see users: they choose none of them."""
        if self._may_see(get_user_model(), request):
            return self.fields
        return [name if name != "members" else "member_names" for name in self.fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what the page only shows."""
        return () if self._may_see(get_user_model(), request) else ("member_names",)

    @admin.display(description=gettext_lazy("members"))
    def member_names(self, tenant: Tenant) -> str:
        """Name them."""
        members = [] if tenant._state.adding else list(tenant.members.all()[: SHOWN_MEMBERS + 1])
        names = [str(member) for member in members[:SHOWN_MEMBERS]]
        return ", ".join([*names, *(["…"] if len(members) > SHOWN_MEMBERS else [])]) or "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether tenants may be added: not by who is held to a tenant, and would belong to another one by it."""
        return super().has_add_permission(request) and not chooses_among_own(request)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return the tenants by name, and what goes with them by number: of suppressed addresses there may be a million."""
        tenants = list(objs)
        counts = {self.opts.verbose_name_plural: len(tenants)}
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        for relation in self.opts.related_objects:
            if not isinstance(relation, ManyToOneRel) or relation.on_delete is not CASCADE:
                continue
            model = relation.related_model
            count = model._base_manager.filter(**{f"{relation.field.name}__in": tenants}).count()
            if not count:
                continue
            counts[model._meta.verbose_name_plural] = count
            of_model = self.admin_site._registry.get(model)
            if of_model is not None and not of_model.has_delete_permission(request):
                missing.add(model._meta.verbose_name)
        return [str(tenant) for tenant in tenants], counts, missing, self._protected(tenants)

    @staticmethod
    def _protected(tenants: list[Tenant]) -> list[str]:
        """Say what keeps them: accounts, registrations by which others' accounts log in, and rows of the project's own tables."""
        protected = []
        accounts = Account.objects.filter(tenant__in=tenants, deleted_at=None).count()
        if accounts:
            protected.append(_("Accounts that belong to it: %(count)d") % {"count": accounts})
        if OAuth2Grant.objects.filter(client__tenant__in=tenants).exists():
            protected.append(_("Accounts log in by its app registrations."))
        return protected or _kept_by_others(tenants)

    @admin.display(description=gettext_lazy("members"), ordering="_members")
    def member_count(self, tenant: Tenant) -> int:
        """Return the number of people who belong to it."""
        count: int = getattr(tenant, "_members", 0)
        return count


def _kept_by_others(tenants: list[Tenant]) -> list[str]:
    """Say what else does not let tenants go, by asking as their deletion does, which reads no row that it need not."""
    try:
        Collector(using=router.db_for_write(Tenant)).collect(tenants)
    except ProtectedError as error:
        kept = error.protected_objects
    except RestrictedError as error:
        kept = error.restricted_objects
    else:
        return []
    counts = Counter(str(row._meta.verbose_name_plural) for row in kept)
    return [f"{name}: {count}" for name, count in sorted(counts.items())]
