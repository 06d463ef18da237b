"""Fields that name users and tenants: searched for where that is possible, else by their key."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.widgets import ManyToManyRawIdWidget
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from mailconfig.models import Tenant

from .lookups import OfferedLookups
from .themes import RawIdWidget, dress


class PeopleFields(OfferedLookups):
    """Works with any user model, registered in the admin or not, and for those who may not see users."""

    person_fields: ClassVar[tuple[str, ...]] = ()
    tenant_fields: ClassVar[tuple[str, ...]] = ()

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Those whose other side can be searched by this person."""
        found = list(super().get_autocomplete_fields(request))
        for model, names in ((get_user_model(), self.person_fields), (Tenant, self.tenant_fields)):
            other = self.admin_site._registry.get(model)
            if other is not None and other.get_search_fields(request) and other.has_view_permission(request):
                found += names
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """By its key, where it cannot be searched: a list of all users may be endless."""
        if db_field.name not in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", self._by_key(db_field))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The same for many."""
        if db_field.name in self.person_fields and db_field.name not in self.get_autocomplete_fields(request):
            kwargs["widget"] = ManyToManyRawIdWidget(db_field.remote_field, self.admin_site)
            dress(kwargs["widget"])
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _by_key(self, db_field: Any) -> Any:
        return RawIdWidget(db_field.remote_field, self.admin_site)
