"""Cloning: the form of a new account, filled in with what another one has, except for its secrets."""

from __future__ import annotations

from typing import Any

from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailconfig.admin.lookups import is_key
from mailconfig.admin.typed import AccountModelAdmin
from mailconfig.models.account_destination import SECRET_COLUMNS

LIKE = "like"
OWN = frozenset({*SECRET_COLUMNS.values(), "is_default", "serves_project", "scope", "oauth2_client"})
"""Not taken over: secrets were entered for one account, and what there is one of stays where it is."""


class Cloning(AccountModelAdmin):
    """Fills the form in where the address names an account that this person may see (``?like=``)."""

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the address says, or what that account has."""
        like = request.GET.get(LIKE, "")
        account = self.get_object(request, like) if is_key(like) else None
        if account is None or not self.has_view_permission(request, account):
            return dict(super().get_changeform_initial_data(request))
        found = model_to_dict(account)
        taken = {name: value for name, value in found.items() if name not in OWN and "secret" not in name}
        return {**taken, "name": _("Copy of %(account)s") % {"account": account}}
