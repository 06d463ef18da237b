"""History of accounts: who changed what from which value to which, in words; beside what Django's own history says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Account, AccountChange, AccountChangeKind, Mailbox
from mailconfig.presets import PRESETS

from .account_links import account_link
from .durations import date_text
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .typed import AccountModelAdmin, AnyModelAdmin

if TYPE_CHECKING:
    from django.db.models import Field

SHOWN_CHANGES = 100


def changes_of(account: Account) -> list[dict[str, Any]]:
    """Return the latest changes of an account for its history's page."""
    rows = AccountChange.objects.filter(account_id=account.pk).order_by("-pk")[:SHOWN_CHANGES]
    return [
        {
            "at": date_text(row.at),
            "by": by_text(row),
            "what": row.get_kind_display(),
            "fields": fields_html(row),
        }
        for row in rows
    ]


def by_text(change: AccountChange) -> str:
    """Say who made it."""
    return change.by_name or _("the project's own code")


def fields_html(change: AccountChange) -> SafeString:
    """Draw the fields with their old and new values, a line each."""
    lines = (_line(entry, is_new=change.kind == AccountChangeKind.ADDED) for entry in change.fields)
    return format_html_join("", '<div class="mc-change"><b>{}</b>: {}</div>', lines)


def _line(entry: dict[str, Any], *, is_new: bool) -> tuple[str, SafeString | str]:
    field = _field(entry["field"])
    label = str(getattr(field, "verbose_name", entry["field"]))
    if "secret" in entry:
        words = {"set": _("set"), "changed": _("changed"), "removed": _("removed")}
        return label, words.get(entry["secret"], "")
    old, new = _value(field, entry["old"]), _value(field, entry["new"])
    if is_new:
        return label, new
    return label, format_html("<del>{}</del> → <ins>{}</ins>", old, new)


def _field(name: str) -> Field[Any, Any] | None:
    """Return the column, of any kind of account; ``None``: it is gone since."""
    found = {field.name: field for field in Mailbox._meta.concrete_fields}
    return found.get(name)


def _value(field: Field[Any, Any] | None, value: Any) -> str:
    """Say a value as forms do."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if field is not None and field.name == "preset" and value in PRESETS:
        return str(PRESETS[value].label)
    choices = dict(getattr(field, "flatchoices", ()))
    return str(choices.get(value, value))


class HistoryOfAccount(AccountModelAdmin):
    """Adds the changes to the page of an account's history."""

    object_history_template = "admin/mailconfig/account_history.html"

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Show them above what was done besides: tests, test mails, pauses."""
        account = self.get_object(request, object_id)
        changes = changes_of(account) if account is not None else []
        return super().history_view(request, object_id, {**(extra_context or {}), "changes": changes})


@admin.register(AccountChange)
class AccountChangeAdmin(ReadOnlyAdmin, AnyModelAdmin):
    """Changes of all accounts, the newest first; also of those that are deleted."""

    list_display = ("when", "account_name_link", "kind", "who", "what")
    list_display_links = ("when",)
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("account_name", "by_name")
    search_help_text = gettext_lazy("A part of the account's name or of who changed it")
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ("when", "account_name_link", "kind", "who", "what")

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the accounts' secrets."""
        return super().get_queryset(request).select_related("account").defer("account__secret")

    @admin.display(description=gettext_lazy("time"))
    def when(self, change: AccountChange) -> str:
        """When it was changed."""
        return date_text(change.at)

    @admin.display(description=gettext_lazy("account"))
    def account_name_link(self, change: AccountChange) -> SafeString | str:
        """Draw the account as it was called then, as a link where it has a page."""
        if change.account is None or change.account.deleted_at is not None:
            return change.account_name
        return account_link(change.account, self.admin_site)

    @admin.display(description=gettext_lazy("by"))
    def who(self, change: AccountChange) -> str:
        """Say who made it."""
        return by_text(change)

    @admin.display(description=gettext_lazy("old → new"))
    def what(self, change: AccountChange) -> SafeString:
        """Draw the fields with their old and new values."""
        return fields_html(change)
