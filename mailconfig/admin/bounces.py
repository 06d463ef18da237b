"""The pages of what came back."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Bounce, Message, Suppression

from .durations import moment_text
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .typed import BounceModelAdmin


class OfMessage:
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
class BounceAdmin(ReadOnlyAdmin, OfMessage, BounceModelAdmin):
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
