"""The pages of app registrations."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from mailconfig.delivery import save_oauth2_client
from mailconfig.models import OAuth2Client
from mailconfig.secrets.forms import SecretFormField

from .connecting import redirect_uri
from .key_fields import KeyFields
from .themes import dress
from .typed import AnyModelAdmin


class OAuth2ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """An app registration as a person edits it; its secret is never shown."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("secret")
        if isinstance(field, SecretFormField):
            dress(self.fields["secret"].widget)
            field.help_text = (
                _("No client secret is stored.")
                if self.instance.secret is None
                else _("A client secret is stored. Leave this empty to keep it; it is never shown.")
            )


@admin.register(OAuth2Client)
class OAuth2ClientAdmin(KeyFields, AnyModelAdmin):
    """App registrations, and whose accounts may use them."""

    form = OAuth2ClientForm
    list_display = ("name", "provider", "directory", "client_id", "tenant")
    list_filter = ("provider",)
    list_select_related = ("tenant",)
    search_fields = ("name", "client_id", "directory")
    tenant_fields = ("tenant",)
    readonly_fields = ("redirect_uri",)
    fieldsets: ClassVar[Any] = (
        (
            None,
            {"fields": ("name", "provider", "directory", "client_id", "secret", "tenant", "redirect_uri")},
        ),
        (
            gettext_lazy("If something is not as usual"),
            {
                "fields": ("authorization_endpoint", "token_endpoint", "scopes", "mail_servers"),
                "classes": ("collapse",),
            },
        ),
    )

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    @admin.display(description=gettext_lazy("redirect URI to register"))
    def redirect_uri(self, _client: OAuth2Client) -> str:
        """Where the service sends browsers back: what an app is registered with, letter by letter."""
        return redirect_uri() or _("none: OAUTH2_REDIRECT_BASE does not say where browsers reach this site")

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        """Show or take the form."""
        return super().changeform_view(*args, **kwargs)

    def save_model(self, request: HttpRequest, obj: OAuth2Client, form: Any, change: bool) -> None:
        """Store it; accounts that waited for it try again."""
        save_oauth2_client(client=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name no account of which this person may know nothing: it is enough that there are some."""
        to_delete, counts, missing, protected = super().get_deleted_objects(objs, request)
        if protected:
            protected = [_("Accounts log in by this app registration.")]
        return to_delete, counts, missing, protected
