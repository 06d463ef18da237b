"""The pages of what came back: reports, and addresses to which nothing is sent any more."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Bounce, Message, Suppression, Tenant

from .durations import moment_text
from .lookups import OfferedLookups
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .typed import BounceModelAdmin, SuppressionModelAdmin, user_of


class _OfMessage:
    """A column with the mail that came back."""

    admin_site: admin.AdminSite

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, row: Bounce | Suppression) -> SafeString | str:
        """Draw the mail, or that it is gone."""
        mail: Message | None = row.message
        if mail is None:
            return _("deleted since")
        name = "admin:mailconfig_message_change"
        url = reverse(name, args=[mail.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, mail.subject or _("(no subject)"))


@admin.register(Bounce)
class BounceAdmin(ReadOnlyAdmin, _OfMessage, BounceModelAdmin):
    """Mail of which a server said later that it did not arrive, the newest report first."""

    list_display = ("address", "message_link", "is_permanent", "enhanced_code", "text", "reported")
    list_filter = ("is_permanent",)
    list_select_related = ("message",)
    search_fields = ("address",)
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ("address", "message_link", "is_permanent", "enhanced_code", "text", "reported_at")

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    @admin.display(description=gettext_lazy("reported"))
    def reported(self, bounce: Bounce) -> str:
        """When, as short as it can be said."""
        return moment_text(bounce.reported_at, timezone.now())


@admin.register(Suppression)
class SuppressionAdmin(OfferedLookups, _OfMessage, SuppressionModelAdmin):
    """Addresses that mail came back from for good. Deleting one lets mail go there again."""

    list_display = ("address", "tenant_name", "reason", "message_link", "created")
    list_filter = ("reason", ("tenant", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("message", "tenant")
    search_fields = ("address",)
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ("address", "tenant_name", "reason", "message_link", "created_at")

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suppression]:
        """Return those of one's tenants, and of accounts that belong to none; a superuser's are all."""
        rows: QuerySet[Suppression] = super().get_queryset(request)
        user = user_of(request)
        if user.is_superuser:
            return rows
        return rows.filter(Q(tenant=None) | Q(tenant__in=Tenant.objects.for_principal(user)))

    @admin.display(description=gettext_lazy("tenant"))
    def tenant_name(self, suppression: Suppression) -> str:
        """Say whose mail does not go there."""
        return str(suppression.tenant) if suppression.tenant else "–"

    @admin.display(description=gettext_lazy("since"))
    def created(self, suppression: Suppression) -> str:
        """When, as short as it can be said."""
        return moment_text(suppression.created_at, timezone.now())
