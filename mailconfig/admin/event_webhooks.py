"""The pages of addresses at which mail services report."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from mailconfig.delivery import event_webhook_url, rotate_event_webhook
from mailconfig.models import Account, EventWebhook
from mailconfig.secrets.forms import SecretFormField

from .durations import moment_text
from .key_fields import KeyFields
from .themes import dress
from .typed import AnyModelAdmin, user_of

SHOWN_EVENTS = 100
KEYS = ("public_key", "secret")
"""All that a person changes of one that is stored."""


class EventWebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """An address and the keys of its service; a signing key is never shown."""

    clear_secret = forms.BooleanField(label=gettext_lazy("Delete the stored signing key"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("secret")
        if isinstance(field, SecretFormField):
            dress(self.fields["secret"].widget)
            field.help_text = (
                _("Of Mailgun and Resend. With a key only what is signed counts.")
                if self.instance.secret is None
                else _("A signing key is stored. Leave this empty to keep it; it is never shown.")
            )
        if self.instance.secret is None:
            self.fields.pop("clear_secret", None)

    def clean(self) -> dict[str, Any]:
        """Take the stored key away, if that is wanted and no other was entered."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("clear_secret") and not cleaned.get("secret"):
            self.instance.secret = None
        return cleaned


@admin.register(EventWebhook)
class EventWebhookAdmin(KeyFields, AnyModelAdmin):
    """Addresses, one for each service of an account."""

    form = EventWebhookForm
    list_display = ("account", "service", "is_signed", "received", "taken", "refused")
    list_display_links = ("account", "service")
    list_filter = ("service",)
    list_select_related = ("account",)
    search_fields = ("account__name", "account__from_email")
    ordering = ("account", "service")
    account_fields = ("account",)
    actions = ("replace",)

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventWebhook]:
        """Return those of accounts that are not deleted, without what their rows hold besides."""
        rows: QuerySet[EventWebhook] = super().get_queryset(request)
        return rows.filter(account__deleted_at=None).defer("account__secret")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether one may be added: by who can search for its account."""
        return super().has_add_permission(request) and "account" in self.get_autocomplete_fields(request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and take, the accounts that this person sees in their list."""
        accounts = self.admin_site._registry.get(Account)
        if db_field.name == "account" and accounts is not None:
            kwargs["queryset"] = accounts.get_queryset(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the account and service, and once both are stored the address and the keys."""
        what: list[Any] = [(None, {"fields": ("account", "service")})]
        if obj is None:
            return [*what, (_("Signatures"), {"fields": ("public_key", "secret")})]
        keys = ("public_key", "secret", "clear_secret")
        if not self.has_change_permission(request, obj):
            keys = ("is_signed",)  # type: ignore[assignment]
        elif obj.secret is None:
            keys = keys[:2]  # type: ignore[assignment]
        seen = ("received_at", "taken", "refused_at", "refused_because")
        address = ("address",) if self.has_change_permission(request, obj) else ()
        what[0][1]["fields"] = (*what[0][1]["fields"], *address)
        return [*what, (_("Signatures"), {"fields": keys}), (_("What came in"), {"fields": seen})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what the page only shows: an address is of one account and one service for good."""
        seen = ("address", "is_signed", "received_at", "taken", "refused_at", "refused_because")
        return ("account", "service", *seen) if obj else seen

    @admin.display(description=gettext_lazy("address"))
    def address(self, webhook: EventWebhook) -> str:
        """Draw the address that the service has to be told."""
        url = event_webhook_url(webhook)
        if not url:
            return _("none: PUBLIC_BASE_URL does not say where the world reaches this site")
        return format_html("<code>{}</code>", url)

    @admin.display(description=gettext_lazy("only signed"), boolean=True)
    def is_signed(self, webhook: EventWebhook) -> bool:
        """Say whether only what is signed counts."""
        return webhook.demands_signature

    @admin.display(description=gettext_lazy("last report"))
    def received(self, webhook: EventWebhook) -> str:
        """When something came in last that was about mail of the account."""
        return moment_text(webhook.received_at, timezone.now()) if webhook.received_at else "–"

    @admin.display(description=gettext_lazy("last refusal"))
    def refused(self, webhook: EventWebhook) -> str:
        """When something was refused last, and why."""
        if webhook.refused_at is None:
            return "–"
        return f"{moment_text(webhook.refused_at, timezone.now())}: {webhook.get_refused_because_display()}"

    @admin.action(description=gettext_lazy("Give them new addresses"), permissions=["change"])
    def replace(self, request: HttpRequest, queryset: QuerySet[EventWebhook]) -> None:
        """Replace the tokens: what is sent to the old addresses is refused from now on."""
        for webhook in queryset:
            rotate_event_webhook(webhook=webhook)
            self.log_change(request, webhook, "address replaced")
        self.message_user(
            request,
            _("The old addresses are refused from now on. Enter the new ones at the services."),
            messages.WARNING,
        )

    def save_model(self, request: HttpRequest, obj: EventWebhook, form: Any, change: bool) -> None:
        """Store the keys alone of one that is there: reports come in meanwhile, and somebody may replace its address."""
        obj.save(**({"update_fields": KEYS} if change else {}))

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        """Show or take the form."""
        return super().changeform_view(*args, **kwargs)


def webhooks_context(request: HttpRequest, account: Account, site: admin.AdminSite) -> dict[str, Any]:
    """Return for the account's page where services report its mail, as far as this person may know it."""
    user = user_of(request)
    if not user.has_perm("mailconfig.change_eventwebhook"):
        return {}
    rows = EventWebhook.objects.filter(account=account).order_by("service")
    name = "admin:mailconfig_eventwebhook_change"
    found = [
        {
            "service": row.get_service_display(),
            "address": event_webhook_url(row),
            "url": reverse(name, args=[row.pk], current_app=site.name),
        }
        for row in rows
    ]
    return {"event_webhooks": found}
