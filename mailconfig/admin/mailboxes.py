"""The pages of mailboxes: accounts that read what comes in as well."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from mailconfig.delivery import may_choose_addresses, note_activity
from mailconfig.models import Account, MailAlias, Mailbox

from . import send_methods
from .accounts import AccountAdmin
from .entering_secrets import may_enter_secrets, without_secrets
from .mailbox_form import MailboxForm
from .sync_health import SyncColumns
from .sync_test import SyncTest

RECEIVING = (
    "is_sync_enabled",
    "reads_by_gmail",
    "imap_host",
    "imap_ssl",
    "imap_port",
    "imap_username",
    "imap_secret",
)
SEEN_EXCHANGE = ("ews_endpoint", "exchange_version", "ews_verify_mode", "ews_saves_copy")
EXCHANGE = ("finds_exchange", *SEEN_EXCHANGE, "autodiscover_url")
SEEN_RECEIVING = ("is_sync_enabled", "imap_host", "imap_ssl", "imap_port")
SYNCING = (
    ("sync_interval", "active_sync_interval"),
    "sends_only_when_synced",
    "syncs_outreach_folder",
    "sync_exclusions",
)
TEXTS = ("signature", "opt_out_message", "opt_out_signature")


class MailAliasFormSet(BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Aliases of one mailbox, entered together."""

    def clean(self) -> None:
        """Refuse an address that stands there twice: no row knows of another that is not stored yet."""
        super().clean()
        seen: set[str] = set()
        for form in self.forms:
            data = getattr(form, "cleaned_data", {})
            address = data.get("email", "").lower()
            if not address or data.get("DELETE"):
                continue
            if address in seen and not form.errors:
                form.add_error(
                    "email", ValidationError(_("The mailbox has this alias already."), code="unique")
                )
            seen.add(address)


class MailAliasInline(admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Further addresses of a mailbox."""

    model = MailAlias
    formset = MailAliasFormSet
    fields = ("email", "can_send")
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return whether aliases may be added: an alias that may send draws the project's or a tenant's mail to the mailbox."""
        return super().has_add_permission(request, obj) and _may_choose(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return whether they may be changed, by the same rule."""
        return super().has_change_permission(request, obj) and _may_choose(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Return whether they may be taken away, by the same rule."""
        return super().has_delete_permission(request, obj) and _may_choose(request, obj)


def _may_choose(request: HttpRequest, mailbox: Account | None) -> bool:
    return mailbox is None or may_choose_addresses(account=mailbox, by=request.user)


@admin.register(Mailbox)
class MailboxAdmin(SyncColumns, SyncTest, AccountAdmin):
    """Mailboxes."""

    form = MailboxForm
    finds_exchange = True
    inlines = (MailAliasInline,)
    list_display: Any = ("label", "health", "sync", "quota", "queue", "whose", "is_enabled")
    seen_besides: ClassVar[tuple[str, ...]] = ("state_of_sync",)
    keys_of_services: ClassVar[tuple[str, ...]] = (send_methods.KEY_FIELD,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return the rows, and note who looks at them: whoever does sees what comes in soon."""
        note_activity(request.user)
        return super().get_queryset(request)

    @staticmethod
    def _name_of_connection() -> str:
        return _("Sending (SMTP)")

    def _fieldsets_beside_connection(
        self, request: HttpRequest, account: Account | None, *, editable: bool
    ) -> list[Any]:
        about = _("Where what comes in is read. Without a server here, the mailbox only sends.")
        receiving = RECEIVING if editable else SEEN_RECEIVING
        exchange = EXCHANGE if editable else SEEN_EXCHANGE
        if editable and not may_enter_secrets(request, account):
            receiving, exchange = without_secrets(receiving), without_secrets(exchange)
        return [
            (_("Receiving (IMAP)"), {"fields": receiving, "description": about}),
            (
                _("Exchange's web service (EWS)"),
                {
                    "fields": exchange,
                    "classes": ("collapse",),
                    "description": _(
                        "It sends where no server is named for sending, and is read where none is named for receiving."
                    ),
                },
            ),
            (_("How it is synced"), {"fields": SYNCING, "classes": ("collapse",)}),
            (_("Signature"), {"fields": TEXTS, "classes": ("collapse",)}),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With a way to the mail that came in."""
        mailbox: Account | None = context.get("original")
        if mailbox is not None:
            url = reverse("admin:mailconfig_syncedmessage_changelist", current_app=self.admin_site.name)
            context["synced_url"] = f"{url}?mailbox__id__exact={mailbox.pk}"
        return super().render_change_form(request, context, *args, **kwargs)
