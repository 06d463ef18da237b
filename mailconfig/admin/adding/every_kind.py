"""The one list over all kinds of account, and the choice of the kind that is added."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.admin.account_files.exporting import ACTIONS, AccountExports
from mailconfig.admin.account_files.importing import AccountImports
from mailconfig.admin.account_links import MODEL_OF_KIND, account_url
from mailconfig.admin.account_list import AccountChangeList, AccountColumns
from mailconfig.admin.health import HealthFilter
from mailconfig.admin.key_fields import KeyFields
from mailconfig.admin.lookups import is_key
from mailconfig.admin.tenant_filter import TenantFilter
from mailconfig.admin.typed import AccountModelAdmin, user_of
from mailconfig.admin.words import words_page
from mailconfig.models import Account, AccountKind

from .kinds import SENTENCES, kinds_allowed
from .watching import watch


class KindFilter(admin.SimpleListFilter):
    """Accounts by their kind, of those that this person may see."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        kinds = kinds_allowed(user_of(request), "view", "change")
        return [(kind, str(AccountKind(kind).label)) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Account]) -> QuerySet[Account]:
        """Return those of the chosen kind."""
        value = self.value()
        return queryset.filter(kind=value) if value in AccountKind.values else queryset


class EveryKindChangeList(AccountChangeList):
    """Leads from each row to the page of its own kind."""

    def url_for_result(self, result: Any) -> str:
        """Return the address of the account's page."""
        return account_url(result, self.model_admin.admin_site)


@admin.register(Account)
class EveryAccountAdmin(AccountExports, AccountImports, AccountColumns, KeyFields, AccountModelAdmin):
    """All accounts, whatever their kind. What is done with one is done on the page of its kind."""

    list_display: Any = ("label", "kind_name", "health", "quota", "queue", "whose", "is_enabled")
    list_filter: ClassVar[Any] = (
        KindFilter,
        HealthFilter,
        "is_enabled",
        "serves_project",
        TenantFilter,
    )
    list_select_related = ("owner", "tenant")
    search_fields = ("name", "from_email", "username", "host")
    search_help_text = gettext_lazy("Name, from address, user name or server")
    actions = ACTIONS
    change_list_template = "admin/mailconfig/account/change_list.html"

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_name(self, account: Account) -> str:
        """Return the kind in words."""
        return account.get_kind_display()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EveryKindChangeList]:
        """With what stands beside the rows."""
        return EveryKindChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return those not deleted, of the kinds that this person may see."""
        kinds = kinds_allowed(user_of(request), "view", "change")
        return super().get_queryset(request).filter(deleted_at=None, kind__in=kinds)

    # Who may what

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether any kind concerns this person."""
        return bool(kinds_allowed(user_of(request), "view", "change", "add", "delete"))

    def has_view_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return whether this person may see accounts of that kind, or of any."""
        return self._may(request, obj, "view", "change")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether there is a kind to choose."""
        return self._may(request, None, "add")

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return false: that is done on the page of its kind."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return whether an account may go with what it belongs to; here none is deleted."""
        return obj is not None and self._may(request, obj, "delete")

    @staticmethod
    def _may(request: HttpRequest, account: Account | None, *verbs: str) -> bool:
        kinds = kinds_allowed(user_of(request), *verbs)
        return bool(kinds) if account is None else account.kind in kinds

    # Pages

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        watched = path("watch/", self.admin_site.admin_view(watch), name="mailconfig_account_watch")
        words = path("words/", self.admin_site.admin_view(self.words_view), name="mailconfig_account_words")
        return [watched, words, *super().get_urls()]

    def words_view(self, request: HttpRequest) -> HttpResponse:
        """Explain the words of all our pages."""
        return words_page(request, self.admin_site, self.opts)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask which kind; where this person may add one only, go there."""
        kinds = kinds_allowed(user_of(request), "add")
        if not kinds:
            return super().add_view(request, form_url, extra_context)  # which refuses
        choices: list[dict[str, Any]] = [
            {
                "name": AccountKind(kind).label,
                "sentence": SENTENCES[AccountKind(kind)],
                "url": self._url_of_kind(kind, "add"),
            }
            for kind in kinds
        ]
        if len(choices) == 1:
            return HttpResponseRedirect(choices[0]["url"])
        context = {
            **self.admin_site.each_context(request),
            "title": _("Which kind of account?"),
            "opts": self.opts,
            "media": self.media,
            "choices": choices,
        }
        return TemplateResponse(request, "admin/mailconfig/account_kinds.html", context)

    def _url_of_kind(self, kind: str, page: str) -> str:
        name = f"admin:mailconfig_{MODEL_OF_KIND[kind]}_{page}"
        return reverse(name, current_app=self.admin_site.name)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Go to the account's page."""
        return self._go(request, object_id)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Go to the account's page: only there an account is deleted as accounts are."""
        return self._go(request, object_id)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Go to the account's page, which leads to its history."""
        return self._go(request, object_id)

    def _go(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = unquote(object_id)
        found = self.get_queryset(request).filter(pk=key).first() if is_key(key) else None
        if found is None:
            raise Http404
        return HttpResponseRedirect(account_url(found, self.admin_site))
