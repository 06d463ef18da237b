"""The page on which an account of some kind is added."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from mailconfig.admin.connecting import connect_context
from mailconfig.admin.entering_secrets import may_enter_secrets
from mailconfig.admin.typed import AccountModelAdmin
from mailconfig.models import Account

from .answers import answer
from .filling_in import CONNECT, fill_in, fill_in_address_of_exchange, filled_in
from .finding_exchange import asks_for_exchange
from .signing_in import sign_ins_for
from .watching import newest_check_of


class AddingPage(AccountModelAdmin):
    """Shows it, and answers the page's own script as well as a browser that has none."""

    asked_first: ClassVar[tuple[str, ...]] = ()
    """Fields that come before all others: without them there is no account of this kind."""

    finds_exchange: ClassVar[bool] = False
    """Whether accounts of this kind have an address of Exchange's web service."""

    @method_decorator(sensitive_post_parameters("secret", "imap_secret", "sendgrid_secret"))
    @transaction.non_atomic_requests
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show or take the form, outside any transaction of the request."""
        if request.method == "POST" and self.has_add_permission(request):
            fill_in(request, finds_exchange=self.finds_exchange)
        context = {
            "newest_check": newest_check_of(request),
            "filled_in": filled_in(request),
            "sign_ins": sign_ins_for(request),
            **(extra_context or {}),
        }
        return answer(request, super().add_view(request, form_url, context))

    @method_decorator(sensitive_post_parameters("secret", "imap_secret", "sendgrid_secret"))
    @transaction.non_atomic_requests
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show or take the form of one that is stored; of what is left empty only Exchange's address is found."""
        # With an address of the person's own choice this connects, so it takes the right to change this very account.
        if request.method == "POST" and self.finds_exchange and asks_for_exchange(request):
            account = self.get_object(request, unquote(object_id))
            if (
                account is not None
                and may_enter_secrets(request, account)
                and self.has_change_permission(request, account)
            ):
                fill_in_address_of_exchange(request)
        return super().change_view(request, object_id, form_url, extra_context)

    def response_add(
        self, request: HttpRequest, obj: Account, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to where somebody signs in, if that was chosen instead of a password."""
        response = super().response_add(request, obj, post_url_continue)
        connect_url = connect_context(request, obj).get("connect_url") if CONNECT in request.POST else ""
        return HttpResponseRedirect(connect_url) if connect_url else response

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """No account is added or edited in a window beside the choice of one that it fails over to."""
        if db_field.name == "failover":
            return self.formfield_for_foreignkey(db_field, request, **kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)
