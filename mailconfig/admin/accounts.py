"""The pages of the four kinds of account: one base, a few fields apart."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, Select
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from mailconfig.delivery import (
    count_unsent,
    delete_account,
    leaves_checks_to_workers,
    save_account,
)
from mailconfig.exceptions import DeliveryError, MailconfigError
from mailconfig.models import (
    Account,
    CheckState,
    OutboundEmail,
    SMTPProvider,
    TenantMailConfig,
    account_fields,
)

from . import oauth2_login, send_methods
from .account_actions import A_WORKER_CHECKS, AccountActions, as_shown
from .account_files.exporting import ACTIONS as EXPORTS
from .account_files.exporting import AccountExports
from .account_list import (
    AccountChangeList,
    AccountColumns,
    is_paused_by_person,
    overview_for,
    words_html,
)
from .account_page.arrival import ArrivalActions
from .account_page.bulk import ACTIONS as IN_BULK
from .account_page.bulk import BulkActions
from .account_page.cloning import LIKE, Cloning
from .account_page.glance import glance_context
from .account_page.pausing import PauseActions
from .adding.answers import remember
from .adding.layout import first_things_first
from .adding.page import AddingPage
from .connecting import connect_context
from .durations import date_text
from .entering_secrets import may_enter_secrets, without_secrets
from .event_webhooks import webhooks_context
from .forms import AccountForm
from .health import HealthFilter
from .key_fields import KeyFields
from .lookups import LONGEST_VALUE
from .proof import errors_of, proof_of, prove, refuse
from .service_limits import service_limit_warning
from .tenant_filter import TenantFilter
from .typed import user_of

UNTESTED = "_save_untested"

IDENTITY = (
    "name",
    "from_email",
    "from_name",
    "is_enabled",
    "is_default",
    "serves_project",
    "owner",
    "tenant",
)
FOR_PROJECT = frozenset({"is_default", "serves_project"})
"""Shown to those who may choose the accounts that send for the project."""
ADDRESSES = (("reply_to_email", "reply_to_name"), "envelope_from")
CONNECTION = ("preset", *account_fields.CONNECTION, "secret", "clear_secret", "seen_revision")
SEEN_CONNECTION = ("preset", *account_fields.CONNECTION, "password")
FAILOVER = gettext_lazy(
    "Another account can send this one's mail while this one is paused or disabled, has reached a limit, or its server"
    " is away. Only the limits and the login of the account that sends count. The mail itself does not change: it keeps"
    " its From address. So the other server must be allowed to send for that address: it must let the other account"
    " write in this name (“send as”), and the domain's SPF and DKIM records must name it. Else it refuses the mail, or"
    " the mail lands in spam. Reports that mail could not be delivered go to the other account's bounce address."
)
LIMITS = (
    ("limit_count", "limit_period"),
    "limit_per_day",
    "limit_per_week",
    "limit_in_out_per_day",
    "max_retries",
    "max_sessions",
)


class AccountAdmin(
    AddingPage,
    AccountExports,
    AccountColumns,
    KeyFields,
    BulkActions,
    ArrivalActions,
    Cloning,
    AccountActions,
):
    """Base of all kinds. Saving connects first; deleting leaves the row and wipes the secret."""

    form = AccountForm
    actions: Any = (*PauseActions.actions, *IN_BULK, *EXPORTS)
    list_display: Any = ("label", "health", "quota", "queue", "whose", "is_enabled")
    list_filter: ClassVar[Any] = (
        HealthFilter,
        "is_enabled",
        "serves_project",
        TenantFilter,
    )
    list_select_related = ("owner", "tenant")
    list_per_page = 50
    search_fields = ("name", "from_email", "username", "host")
    search_help_text = gettext_lazy("Name, from address, user name or server")
    user_fields = ("owner",)
    tenant_fields = ("tenant",)
    change_form_template = "admin/mailconfig/account_change_form.html"
    delete_confirmation_template = "admin/mailconfig/account_delete_confirmation.html"
    delete_selected_confirmation_template = "admin/mailconfig/account_delete_selected_confirmation.html"
    identity: ClassVar[tuple[Any, ...]] = IDENTITY
    seen_besides: ClassVar[tuple[str, ...]] = ()
    """Read-only fields of a kind, beside the health of what sends."""
    keys_of_services: ClassVar[tuple[str, ...]] = ()
    """Fields for keys of mail services that a kind has beside its password."""

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}
        js: ClassVar = ["mailconfig/account_form.js", "mailconfig/adding.js"]

    # What is shown

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AccountChangeList]:
        """With what stands beside the rows."""
        return AccountChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return those not deleted."""
        return super().get_queryset(request).filter(deleted_at=None)

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        """Identity, addresses, connection, limits, and what the kind adds; on a page to look at, no controls."""
        editable = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        connection_fields: tuple[str, ...] = CONNECTION if editable else SEEN_CONNECTION
        if obj is None or not obj.has_secret:
            connection_fields = tuple(name for name in connection_fields if name != "clear_secret")
        if editable and send_methods.is_offered(obj or self.model()):
            connection_fields = (send_methods.FIELD, *connection_fields, *self.keys_of_services)
        if editable and oauth2_login.is_offered(user_of(request)):
            connection_fields = (*connection_fields, *oauth2_login.FIELDS)
        if editable and not may_enter_secrets(request, obj):
            connection_fields = without_secrets(connection_fields)
        fieldsets: list[Any] = [
            (_("Identity"), {"fields": self._identity_for(request)}),
            (self._name_of_connection(), {"fields": connection_fields}),
            *self._fieldsets_beside_connection(request, obj, editable=editable),
            (
                _("Limits"),
                {
                    "fields": LIMITS,
                    "description": _(
                        "Each recipient counts as one mail. Empty: no limit. 0: nothing is sent."
                    ),
                },
            ),
            (_("Replies and bounces"), {"fields": ADDRESSES, "classes": ("collapse",)}),
        ]
        failover = {"fields": ("failover",), "description": FAILOVER, "classes": ("collapse",)}
        fieldsets.insert(-1, (_("Failover"), failover))
        if obj is not None:
            now = (*self.seen_besides, "history")
            fieldsets.insert(0, (None, {"fields": now}))
        elif editable:
            return first_things_first(fieldsets, *self.asked_first)
        return fieldsets

    @staticmethod
    def _name_of_connection() -> str:
        return _("Connection")

    def _fieldsets_beside_connection(
        self, request: HttpRequest, account: Account | None, *, editable: bool
    ) -> list[Any]:
        """Return those that a kind adds behind its connection."""
        return []

    def _identity_for(self, request: HttpRequest) -> tuple[Any, ...]:
        if user_of(request).has_perm("mailconfig.choose_project_accounts"):
            return self.identity
        return tuple(name for name in self.identity if name not in FOR_PROJECT)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str, ...]:
        """Return what the page only shows."""
        shown = (*self.seen_besides, "history", "password")
        return shown if obj else ()

    def last_error(self, account: Account) -> str:
        """The account's own last error, its time and the server's words; empty: there was none."""
        lane = overview_for(account).lane
        if lane is None or lane.last_error_at is None:
            return ""
        at, words = date_text(lane.last_error_at), words_html(lane.last_error_text)
        return format_html("{}, {}{}", lane.last_error_code, at, words)

    @admin.display(description=gettext_lazy("Changed"))
    def history(self, account: Account) -> str:
        """Say who made it and who changed it last, and when."""
        values = {
            "created": date_text(account.created_at),
            "creator": account.created_by or _("somebody"),
            "changed": date_text(account.updated_at),
            "changer": account.updated_by or _("somebody"),
        }
        return _("%(changed)s by %(changer)s; added %(created)s by %(creator)s") % values

    @admin.display(description=gettext_lazy("Password"))
    def password(self, account: Account) -> str:
        """Say whether there is one."""
        return _("set") if account.has_secret else _("not set")

    # Saving

    def get_form(
        self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """A form that knows what came of trying its values."""
        # The fieldsets, whose fields these are, have asked already whether there is something to choose.
        offers_oauth2 = not set(oauth2_login.FIELDS).isdisjoint(kwargs.get("fields") or ())
        form = super().get_form(request, obj, change=change, **kwargs)
        of_request = {
            "proof": proof_of(request),
            "by": user_of(request),
            "offers_oauth2": offers_oauth2,
            "offers_send_methods": send_methods.FIELD in (kwargs.get("fields") or ()),
            "may_enter_secrets": may_enter_secrets(request, obj),
        }
        return type(form.__name__, (form,), of_request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The account that it fails over to is chosen by name; its form knows which there are to choose from."""
        if db_field.name == "failover":
            kwargs.setdefault("widget", Select())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Account | None:
        """The account; no value longer than a key is looked for."""
        if len(object_id) > LONGEST_VALUE:
            return None
        return super().get_object(request, object_id, from_field)

    @method_decorator(sensitive_post_parameters("secret", "imap_secret", "sendgrid_secret"))
    @transaction.non_atomic_requests
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show or take the form, outside any transaction of the request."""
        return super().change_view(request, object_id, form_url, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Try the values first, with no transaction open; then as Django does, with a form that knows."""
        if request.method == "POST" and not self._skips_proof(request) and not leaves_checks_to_workers():
            self._prove(request, object_id)
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (MailconfigError, ValidationError) as error:
            refuse(request, error)
            return super().changeform_view(request, object_id, form_url, extra_context)

    @staticmethod
    def _may_skip_proof(request: HttpRequest) -> bool:
        return user_of(request).has_perm("mailconfig.test_account")

    def _skips_proof(self, request: HttpRequest) -> bool:
        return UNTESTED in request.POST and self._may_skip_proof(request)

    def _prove(self, request: HttpRequest, object_id: str | None) -> None:
        account = self.get_object(request, object_id) if object_id else None
        allowed = (
            self.has_change_permission(request, account) if object_id else self.has_add_permission(request)
        )
        if not allowed or (object_id and account is None):
            return
        fields = admin.utils.flatten_fieldsets(self.get_fieldsets(request, account))
        form = self.get_form(request, account, change=account is not None, fields=fields)(
            request.POST, instance=account
        )
        if not form.is_valid():
            return
        sending, syncing = form.connects_anew(), form.syncs_anew()
        if sending or syncing:
            prove(request, form.instance, sending=sending, syncing=syncing)

    def save_model(self, request: HttpRequest, obj: Account, form: ModelForm[Account], change: bool) -> None:
        """Store it as every interface does; a check that proved it becomes the account's own."""
        proof = proof_of(request)
        proved = proof.proved if proof else None
        sending = isinstance(form, AccountForm) and form.connects_anew()
        syncing = isinstance(form, AccountForm) and form.syncs_anew()
        is_tried = not self._skips_proof(request)
        check = save_account(
            account=obj,
            by=user_of(request),
            prove=sending and is_tried,
            prove_sync=syncing and is_tried,
            proved=proved,
        )
        if check is not None and check.state == CheckState.PENDING:
            remember(request, check)
            self.message_user(request, A_WORKER_CHECKS, messages.INFO)
        elif check is not None:
            self.message_user(request, _("The connection was tried: it works."), messages.SUCCESS)
        elif sending or syncing:
            self.log_change(request, obj, _("Saved without trying the connection."))
            self.message_user(request, _("Saved without trying the connection."), messages.WARNING)
        if warning := service_limit_warning(obj):
            self.message_user(request, warning, messages.WARNING)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With what came of trying, the latest checks, and the buttons this person may press."""
        account: Account | None = context.get("original")
        proof = proof_of(request)
        context["proof"] = as_shown(proof.check) if proof and proof.check else None
        context["may_skip_proof"] = self._may_skip_proof(request)
        context["clone_by"] = LIKE if self.has_add_permission(request) else ""
        context["may_pause"] = account is not None and self.has_change_permission(request, account)
        context["is_paused"] = account is not None and is_paused_by_person(account)
        context["may_test"] = account is not None and self.may_test(request, account)
        context["may_send_test_mail"] = account is not None and self.may_send_test_mail(request, account)
        if account is not None:
            context |= self.check_context(request, account) | connect_context(request, account)
            context |= webhooks_context(request, account, self.admin_site)
            context |= glance_context(request, account, self.admin_site)
            context |= {"glance_health": self.health(account), "last_error": self.last_error(account)}
        return super().render_change_form(request, context, *args, **kwargs)

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The accounts; protected are those whose mail still waits."""
        accounts = list(objs)
        waiting = count_unsent([account.pk for account in accounts])
        protected = [
            _("%(account)s: %(count)s mails wait to be sent")
            % {"account": account, "count": waiting[account.pk]}
            for account in accounts
            if account.pk in waiting
        ]
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return (
            [str(account) for account in accounts],
            {self.opts.verbose_name_plural: len(accounts)},
            missing,
            protected,
        )

    def delete_model(self, request: HttpRequest, obj: Account) -> None:
        """Wipe the secret and put the account away."""
        delete_account(account_id=obj.pk, by=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        """All of them or none."""
        with transaction.atomic():
            for account_id in list(queryset.values_list("pk", flat=True)):
                delete_account(account_id=account_id, by=user_of(request))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask, then delete; mail that came in meanwhile is a reason to refuse, not an error."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except DeliveryError as error:
            return self._stay(request, error)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list or act on it; an action that is refused changes nothing and leaves no trace in the history."""
        if request.method != "POST":
            return super().changelist_view(request, extra_context)
        try:
            with transaction.atomic():
                return super().changelist_view(request, extra_context)
        except DeliveryError as error:
            return self._stay(request, error)

    def _stay(self, request: HttpRequest, error: DeliveryError) -> HttpResponse:
        self.message_user(request, " ".join(errors_of(error).messages), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


@admin.register(OutboundEmail)
class OutboundEmailAdmin(AccountAdmin):
    """Each user's own way to send."""

    identity = ("name", "scope", *IDENTITY[1:])


@admin.register(SMTPProvider)
class SMTPProviderAdmin(AccountAdmin):
    """The back office's connections."""


@admin.register(TenantMailConfig)
class TenantMailConfigAdmin(AccountAdmin):
    """Each tenant's one connection."""

    asked_first = ("tenant",)
    identity = ("tenant", *(name for name in IDENTITY if name not in {"tenant", "owner"}))
