"""Fields that name users and tenants: searched for where that is possible, else by their key."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.widgets import ManyToManyRawIdWidget
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from mailconfig.models import Tenant

from .lookups import OfferedLookups
from .themes import RawIdWidget, dress
from .typed import user_of


class UnlabelledKeyWidget(RawIdWidget):
    """A key and nothing else, or anybody could read off it whose it is by trying all keys."""

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """Give neither."""
        return "", ""


class KeyFields(OfferedLookups):
    """Works with any user model, registered in the admin or not, and for those who may not see users."""

    user_fields: ClassVar[tuple[str, ...]] = ()
    tenant_fields: ClassVar[tuple[str, ...]] = ()

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Return those whose other side can be searched by this person."""
        found = list(super().get_autocomplete_fields(request))
        for model, names in ((get_user_model(), self.user_fields), (Tenant, self.tenant_fields)):
            other = self.admin_site._registry.get(model)
            if other is not None and other.get_search_fields(request) and other.has_view_permission(request):
                found += names
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """By its key, where it cannot be searched: a list of all users may be endless."""
        if db_field.name not in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", self._by_key(db_field, request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The same for many."""
        if db_field.name in self.user_fields and db_field.name not in self.get_autocomplete_fields(request):
            kwargs["widget"] = ManyToManyRawIdWidget(db_field.remote_field, self.admin_site)
            dress(kwargs["widget"])
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _by_key(self, db_field: Any, request: HttpRequest) -> Any:
        model = db_field.remote_field.model
        other = self.admin_site._registry.get(model)
        if other is not None:
            may_see = other.has_view_permission(request)
        else:
            may_see = user_of(request).has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")
        widget = RawIdWidget if may_see else UnlabelledKeyWidget
        return widget(db_field.remote_field, self.admin_site)
