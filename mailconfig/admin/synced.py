"""The pages of mail that came in: who wrote, what it answers, and what it says. Nothing is edited here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin

from mailconfig.delivery import read_synced_content
from mailconfig.models import Bounce, SyncedKind, SyncedMessage

from .account_links import account_link
from .durations import date_text, moment_text
from .framed import framed
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .synced_filters import AnswersFilter, MailboxFilter, search
from .synced_rows import without_secrets
from .typed import SyncedModelAdmin, user_of

MARKS = {SyncedKind.MAIL: "unmarked", SyncedKind.AUTOMATIC: "waits", SyncedKind.REPORT: "paused"}


@admin.register(SyncedMessage)
class SyncedMessageAdmin(ReadOnlyAdmin, SyncedModelAdmin):
    """Mail that came in, newest first."""

    list_display = ("label", "sender", "mailbox_name", "kind_mark", "tie", "received")
    list_display_links = ("label",)
    list_filter = ("kind", AnswersFilter, MailboxFilter)
    search_fields = ("subject",)
    search_help_text = gettext_lazy(
        "A part of the sender, the subject or the Message-ID, among the newest 10,000 messages"
    )
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/mailconfig/synced_change_form.html"
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("sender", "to_text", "cc_text", "received_on", "mailbox_name", "kind_mark", "tie_or_none")}),
        (
            gettext_lazy("Details"),
            {
                "fields": (
                    "dated_on", "folder", "message_id", "in_reply_to", "thread_id", "size_text", "synced_on",
                ),
                "classes": ("collapse",),
            },
        ),
    )  # fmt: skip

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[SyncedMessage]:
        """Return the rows without content and secrets."""
        rows: QuerySet[SyncedMessage] = super().get_queryset(request)
        bounces = Prefetch("bounces", Bounce.objects.select_related("message"))
        return without_secrets(rows.select_related("mailbox", "answers", "folder")).prefetch_related(bounces)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SyncedMessage], search_term: str
    ) -> tuple[QuerySet[SyncedMessage], bool]:
        """See :func:`.synced_filters.search`."""
        return search(queryset, search_term), False

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without what it answers, for those who may not see the queue."""
        shown = super().get_list_display(request)
        return shown if _may_see_queue(request) else tuple(name for name in shown if name != "tie")

    def get_fieldsets(self, request: HttpRequest, obj: SyncedMessage | None = None) -> Any:
        """The same."""
        (name, first), *others = super().get_fieldsets(request, obj)
        if not _may_see_queue(request):
            first = {**first, "fields": tuple(field for field in first["fields"] if field != "tie_or_none")}
        return ((name, first), *others)

    @admin.display(description=gettext_lazy("subject"))
    def label(self, message: SyncedMessage) -> str:
        """The subject, or that there is none."""
        return message.subject or _("(no subject)")

    @admin.display(description=gettext_lazy("from"))
    def sender(self, message: SyncedMessage) -> SafeString | str:
        """Draw the name, which anybody may give himself and which turns no direction but its own, and the address."""
        address = message.from_address or "–"
        if message.from_name in {"", address}:
            return address
        return format_html('<bdi>{}</bdi> <span class="mc-note">{}</span>', message.from_name, address)

    @admin.display(description=gettext_lazy("to"))
    def to_text(self, message: SyncedMessage) -> str:
        """Say who got it."""
        return message.to or "–"

    @admin.display(description=gettext_lazy("copy to"))
    def cc_text(self, message: SyncedMessage) -> str:
        """Say who got a copy."""
        return message.cc or "–"

    @admin.display(description=gettext_lazy("mailbox"))
    def mailbox_name(self, message: SyncedMessage) -> SafeString | str:
        """Draw the mailbox it lies in."""
        return account_link(message.mailbox, self.admin_site)

    @admin.display(description=gettext_lazy("kind"))
    def kind_mark(self, message: SyncedMessage) -> SafeString:
        """Draw its kind, with a mark where it is no mail of a person."""
        mark = MARKS.get(SyncedKind(message.kind), "unmarked")
        return format_html('<span class="mc-health mc-{}">{}</span>', mark, message.get_kind_display())

    @admin.display(description=gettext_lazy("answers"))
    def tie(self, message: SyncedMessage) -> SafeString | str:
        """Draw the mail that it answers, or of which it says that it came back."""
        reported = [bounce.message for bounce in message.bounces.all()]
        tied = [message.answers] if message.answers is not None else []
        found = list({mail.pk: mail for mail in [*tied, *reported]}.values())
        return format_html_join("", '<a class="mc-line" href="{}">{}</a>', map(self._link, found)) or ""

    @admin.display(description=gettext_lazy("answers"))
    def tie_or_none(self, message: SyncedMessage) -> SafeString | str:
        """The same, or that it is none."""
        return self.tie(message) or _("no mail that was sent from here")

    def _link(self, mail: Any) -> tuple[str, str]:
        name = "admin:mailconfig_message_change"
        url = reverse(name, args=[mail.pk], current_app=self.admin_site.name)
        return url, mail.subject or _("(no subject)")

    @admin.display(description=gettext_lazy("received"))
    def received(self, message: SyncedMessage) -> str:
        """When, as short as it can be said."""
        return moment_text(message.received_at, timezone.now())

    @admin.display(description=gettext_lazy("received"))
    def received_on(self, message: SyncedMessage) -> str:
        """Say when the server got it."""
        return date_text(message.received_at)

    @admin.display(description=gettext_lazy("dated"))
    def dated_on(self, message: SyncedMessage) -> str:
        """Say when it was written, as it says itself."""
        return date_text(message.dated_at) if message.dated_at else "–"

    @admin.display(description=gettext_lazy("synced"))
    def synced_on(self, message: SyncedMessage) -> str:
        """Say when it was found."""
        return date_text(message.synced_at)

    @admin.display(description=gettext_lazy("size"))
    def size_text(self, message: SyncedMessage) -> str:
        """Say its size at the server."""
        return str(filesizeformat(message.size))

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view(self.html_view)
        # Around what the admin's own wrapper returns: the host's middleware puts its header on what has none.
        in_frame = xframe_options_sameorigin(view)
        return [
            path("<path:object_id>/html/", in_frame, name="mailconfig_syncedmessage_html"),
            *super().get_urls(),
        ]

    @staticmethod
    def _may_read(request: HttpRequest) -> bool:
        return user_of(request).has_perm("mailconfig.view_synced_content")

    @method_decorator(never_cache)
    def html_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with the message's HTML, for a frame in which it can do nothing."""
        message = self.get_object(request, unquote(object_id))
        if not (self.has_view_permission(request, message) and self._may_read(request)):
            raise PermissionDenied
        if message is None:
            raise Http404
        return framed(read_synced_content(message=message).html)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With what it says and what it reports, for those who may know."""
        message: SyncedMessage | None = context.get("original")
        if message is not None:
            if self._may_read(request):
                context["content"] = read_synced_content(message=message)
            context["bounces"] = list(message.bounces.all()) if _may_see_queue(request) else []
        return super().render_change_form(request, context, *args, **kwargs)


def _may_see_queue(request: HttpRequest) -> bool:
    return user_of(request).has_perm("mailconfig.view_message")
