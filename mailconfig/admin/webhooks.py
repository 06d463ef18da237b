"""The pages of webhooks. A secret is shown on the page that answers its making, and on no other."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import check_webhook_url, rotate_webhook_secret, save_webhook, send_test_event
from mailconfig.exceptions import DeliveryError
from mailconfig.models import (
    CHOSEN_KINDS,
    MOST_ENDPOINTS,
    DisabledReason,
    Tenant,
    WebhookEndpoint,
    WebhookProblem,
)
from mailconfig.models.webhook import waiting_events
from mailconfig.values import Secret

from .key_fields import KeyFields
from .typed import WebhookModelAdmin
from .within_reach import rows_within_reach

SHOWN_EVENTS = 20


def visible_webhooks(request: HttpRequest) -> QuerySet[WebhookEndpoint]:
    """Return those within reach."""
    return rows_within_reach(WebhookEndpoint.objects.defer("secret", "earlier_secret"), request)


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    """A webhook as a person edits it."""

    kinds = forms.MultipleChoiceField(
        label=capfirst(gettext_lazy("events")),
        choices=[(kind.value, kind.label) for kind in CHOSEN_KINDS],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar = ["tenant", "url", "description", "kinds", "is_enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "is_enabled" in self.fields:
            # A worker may disable it while the page is open. What the page showed is sent with it, and is no wish.
            self.fields["is_enabled"].show_hidden_initial = True

    def clean_url(self) -> str:
        """Refuse what may not be called, as far as its text tells."""
        url = str(self.cleaned_data["url"])
        check_webhook_url(url)
        return url

    def clean_tenant(self) -> Tenant:
        """Refuse a tenant that has as many as it may; others than one's own are not among the choices."""
        tenant: Tenant = self.cleaned_data["tenant"]
        if WebhookEndpoint.objects.filter(tenant=tenant).count() >= MOST_ENDPOINTS:
            raise ValidationError(_("A tenant has at most %(most)d webhooks.") % {"most": MOST_ENDPOINTS})
        return tenant


@admin.register(WebhookEndpoint)
class WebhookAdmin(KeyFields, WebhookModelAdmin):
    """URLs of tenants that are told what happens to their mail."""

    form = WebhookForm
    change_form_template = "admin/mailconfig/webhook_change_form.html"
    list_display = ("label", "tenant", "state_mark", "problem_text", "last_success_at", "waiting")
    list_filter = ("is_enabled",)
    list_select_related = ("tenant",)
    search_fields = ("url", "description")
    ordering = ("-id",)
    tenant_fields = ("tenant",)
    fields = ("tenant", "url", "description", "kinds", "is_enabled")
    readonly_fields = (
        "state_mark",
        "problem_text",
        "failing_since",
        "last_success_at",
        "waiting",
        "dropped",
        "created_at",
    )
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """With the number of events that wait."""
        return visible_webhooks(request).annotate(_waiting=waiting_events()).order_by("-id")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show how a stored one fares."""
        return self.fields if obj is None else (*self.fields, *self.readonly_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A webhook stays its tenant's: its secret is bound to that."""
        return self.readonly_fields if obj is None else ("tenant", *self.readonly_fields)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return the webhooks alone: what they were told goes with them, and may be a million events, which nobody reads."""
        endpoints = list(objs)
        names = [str(endpoint) for endpoint in endpoints]
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return names, {self.opts.verbose_name_plural: len(endpoints)}, missing, []

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        ours = [
            path("<path:object_id>/secret/", view(self.secret_view), name=f"{name}_secret"),
            path("<path:object_id>/test/", view(self.test_view), name=f"{name}_test"),
        ]
        return [*ours, *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        """Store it; the secret of a new one is shown by the answer to this request."""
        obj._shown_secret = save_webhook(  # type: ignore[attr-defined]
            endpoint=obj, changed=form.changed_data
        )
        if change and form.cleaned_data.get("is_enabled") and not obj.is_enabled:
            words = _("This webhook was disabled while you had its page open, and stays so.")
            self.message_user(request, words, messages.WARNING)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, this once."""
        return self._show_secret(request, obj, obj._shown_secret)  # type: ignore[attr-defined]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the latest events, too."""
        endpoint = self.get_object(request, unquote(object_id))
        events = list(endpoint.deliveries.order_by("-pk")[:SHOWN_EVENTS]) if endpoint else []
        may_change = endpoint is not None and self.has_change_permission(request, endpoint)
        context = {"events": events, "may_change_webhook": may_change, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a new secret, and show it this once."""
        endpoint = self._of_button(request, object_id)
        if endpoint is None:
            return HttpResponseNotAllowed(["POST"])
        secret = rotate_webhook_secret(endpoint=endpoint)
        self.log_change(request, endpoint, _("A new secret was made."))
        return self._show_secret(request, endpoint, secret)

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have a worker send a test."""
        endpoint = self._of_button(request, object_id)
        if endpoint is None:
            return HttpResponseNotAllowed(["POST"])
        try:
            send_test_event(endpoint=endpoint)
        except (DeliveryError, ValidationError) as error:
            text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            self.message_user(request, text, messages.ERROR)
        else:
            self.message_user(
                request,
                _("A worker sends a test. What comes of it will be shown on this page."),
                messages.INFO,
            )
        return HttpResponseRedirect(self._url_of(endpoint))

    def _of_button(self, request: HttpRequest, object_id: str) -> WebhookEndpoint | None:
        """Return the webhook that a button was pressed for; ``None``: none was, and a page was only asked for."""
        if request.method != "POST":
            return None
        endpoint: WebhookEndpoint | None = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        return endpoint

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: Secret) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": endpoint,
            "title": _("The secret of this webhook"),
            "secret": secret.reveal(),
            "back_url": self._url_of(endpoint),
        }
        response = TemplateResponse(request, "admin/mailconfig/webhook_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _url_of(self, endpoint: WebhookEndpoint) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[endpoint.pk], current_app=self.admin_site.name)

    @admin.display(description=gettext_lazy("webhook"), ordering="description")
    def label(self, endpoint: WebhookEndpoint) -> str:
        """Say what it is for, or where it is."""
        return str(endpoint)

    @admin.display(description=gettext_lazy("state"))
    def state_mark(self, endpoint: WebhookEndpoint) -> SafeString:
        """Draw whether it is told anything, and why not."""
        if endpoint.disabled_reason:
            mark, text = "paused", str(DisabledReason(endpoint.disabled_reason).label)
        elif not endpoint.is_enabled:
            mark, text = "disabled", _("disabled")
        elif endpoint.problem:
            mark, text = "waits", _("fails; we try again")
        else:
            mark, text = "ok", _("enabled")
        return format_html('<span class="mc-health mc-{}">{}</span>', mark, text)

    @admin.display(description=gettext_lazy("problem"))
    def problem_text(self, endpoint: WebhookEndpoint) -> str:
        """Say what the last request met."""
        if not endpoint.problem:
            return "–"
        status = f" (HTTP {endpoint.http_status})" if endpoint.http_status else ""
        return f"{WebhookProblem(endpoint.problem).label}{status}"

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        """Count the events that wait to be told."""
        return int(getattr(endpoint, "_waiting", 0))
