"""Fields that name users, tenants and accounts: searched for where that is possible, else chosen among what is one's own to name."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.admin.widgets import ManyToManyRawIdWidget
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest

from mailconfig.models import Account, Tenant

from .lookups import OfferedLookups
from .themes import RawIdWidget, dress
from .typed import user_of


class PersonChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A choice between oneself and whoever is stored, for those who may not see users: no key can be tried."""


class KeyFields(OfferedLookups):
    """Works with any user model, registered in the admin or not, and for those who may not see users."""

    user_fields: ClassVar[tuple[str, ...]] = ()
    tenant_fields: ClassVar[tuple[str, ...]] = ()
    account_fields: ClassVar[tuple[str, ...]] = ()

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Return those whose other side can be searched by this person."""
        found = list(super().get_autocomplete_fields(request))
        named = (
            (get_user_model(), self.user_fields),
            (Tenant, self.tenant_fields),
            (Account, self.account_fields),
        )
        for model, names in named:
            other: Any = self.admin_site._registry.get(model)
            if other is not None and other.get_search_fields(request) and other.has_view_permission(request):
                found += names
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """By its key where it cannot be searched, as a list of all may be endless; a choice for those who may not see all."""
        searched = db_field.name in self.get_autocomplete_fields(request)
        if not searched and "widget" not in kwargs:
            model = db_field.remote_field.model
            if self._may_see(model, request):
                kwargs["widget"] = RawIdWidget(db_field.remote_field, self.admin_site)
            else:
                kwargs["widget"] = forms.Select()
                dress(kwargs["widget"])
                if model is get_user_model():
                    kwargs["form_class"] = PersonChoice
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _field_of(self, request: HttpRequest, obj: Any, db_field: Any, **kwargs: Any) -> Any:
        field = super()._field_of(request, obj, db_field, **kwargs)
        if isinstance(field, PersonChoice):
            stored = getattr(obj, db_field.attname, None)
            people = get_user_model()._default_manager
            field.queryset = people.filter(Q(pk=user_of(request).pk) | Q(pk=stored))
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The same for many."""
        if db_field.name in self.user_fields and db_field.name not in self.get_autocomplete_fields(request):
            kwargs["widget"] = ManyToManyRawIdWidget(db_field.remote_field, self.admin_site)
            dress(kwargs["widget"])
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _may_see(self, model: Any, request: HttpRequest) -> bool:
        other: Any = self.admin_site._registry.get(model)
        if other is not None:
            return bool(other.has_view_permission(request))
        return user_of(request).has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
