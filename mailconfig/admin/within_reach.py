"""Pages that show of each table what is within somebody's reach, and offer nothing else: see :mod:`mailconfig.models.access`."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from mailconfig.models import Account, Tenant
from mailconfig.models.access import has_rule, reach_of, within_reach

from .themes import dress
from .typed import AnyModelAdmin, user_of

MOST_NAMED = 500
"""Up to so many accounts within reach are named one by one; of more, the database looks them up."""
_NAMED = "_mailconfig_named_accounts"
LISTED_TENANTS = 100
"""Tenants of one person that are listed; of more, one is searched for."""


class TenantChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A choice of one's own tenants; where there is one only, it is that one."""

    is_sole = False

    def clean(self, value: Any) -> Any:
        """Return the chosen tenant, or the only one."""
        if self.is_sole and self.required and value in self.empty_values:
            return self.queryset.first()  # type: ignore[union-attr]
        return super().clean(value)


class WithinReach(AnyModelAdmin):
    """Base of all our admins: rows, choices and labels of what is out of reach are not there, whatever is asked for."""

    names_accounts = False
    """Whether these rows, of which there may be millions, are found by ``account_id`` with few accounts named."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows within reach; every list, action, page and history starts from here."""
        rows = super().get_queryset(request)
        if self.names_accounts:
            return _rows_of_named_accounts(rows, request)
        return rows_within_reach(rows, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return a form that keeps a row where it belongs, and makes new ones of one's own tenant."""
        made = partial(self._field_of, request, obj)
        return super().get_form(request, obj, change=change, **{"formfield_callback": made, **kwargs})

    def _field_of(self, request: HttpRequest, obj: Any, db_field: Any, **kwargs: Any) -> Any:
        field = self.formfield_for_dbfield(db_field, request=request, **kwargs)
        if isinstance(field, TenantChoice):
            _fit(field, request, obj)
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and take, what is within reach."""
        other: type[Model] = db_field.remote_field.model
        if has_rule(other):
            given = kwargs.get("queryset")
            rows = other._default_manager.all() if given is None else given
            kwargs["queryset"] = rows_within_reach(rows, request)
        if other is Tenant and chooses_among_own(request):
            kwargs |= {"form_class": TenantChoice}
            if len(reach_of(user_of(request)).tenants) <= LISTED_TENANTS:
                kwargs["widget"] = forms.Select()
                dress(kwargs["widget"])
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def rows_within_reach(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """Return those of these rows that this person may have to do with."""
    rule = within_reach(rows.model, user_of(request))
    return rows.filter(rule) if rule else rows


def _rows_of_named_accounts(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    """Return those within reach, by the keys of their accounts where these are few: one query more for each request.

    The database knows of a key how many rows it has, and of a query that finds keys nothing: to list the newest mail of a
    tenant with a fifth of a million it would read and sort all of it.
    """
    reach = reach_of(user_of(request))
    if reach.is_all:
        return rows
    keys: list[int] | None = getattr(request, _NAMED, None)
    if keys is None:
        accounts = Account._base_manager.filter(within_reach(Account, user_of(request))).order_by()
        keys = list(accounts.values_list("pk", flat=True)[: MOST_NAMED + 1])
        setattr(request, _NAMED, keys)
    if len(keys) > MOST_NAMED:
        return rows_within_reach(rows, request)
    return rows.filter(account_id__in=keys)


def sees_deployment(request: HttpRequest) -> bool:
    """Return whether what belongs to no tenant, such as the workers, is this person's business."""
    reach = reach_of(user_of(request))
    return reach.is_all or reach.without_tenant


def chooses_among_own(request: HttpRequest) -> bool:
    """Return whether this person makes things of tenants of their own only."""
    reach = reach_of(user_of(request))
    return not reach.is_all and not reach.without_tenant


def _fit(field: TenantChoice, request: HttpRequest, obj: Any) -> None:
    """A row keeps the tenant that it has, or that it has none; a new one is of one's own."""
    tenants = reach_of(user_of(request)).tenants
    stored = cast("int | None", getattr(obj, "tenant_id", None))
    field.required = obj is None or stored is not None
    if stored is not None and stored not in tenants:
        tenants = (*tenants, stored)
        field.queryset = Tenant.objects.filter(pk__in=tenants)
    field.is_sole = len(tenants) == 1
    if field.is_sole and field.required:
        field.empty_label = None
        field.initial = field.initial or tenants[0]
