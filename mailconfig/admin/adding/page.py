"""The page on which an account of some kind is added."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from mailconfig.admin.typed import AccountModelAdmin

from .answers import answer
from .watching import newest_check_of


class AddingPage(AccountModelAdmin):
    """Shows it, and answers the page's own script as well as a browser that has none."""

    asked_first: ClassVar[tuple[str, ...]] = ()
    """Fields that come before all others: without them there is no account of this kind."""

    @method_decorator(sensitive_post_parameters("secret", "imap_secret", "sendgrid_secret"))
    @transaction.non_atomic_requests
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show or take the form, outside any transaction of the request."""
        context = {"newest_check": newest_check_of(request), **(extra_context or {})}
        return answer(request, super().add_view(request, form_url, context))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """No account is added or edited in a window beside the choice of one that it fails over to."""
        if db_field.name == "failover":
            return self.formfield_for_foreignkey(db_field, request, **kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)
