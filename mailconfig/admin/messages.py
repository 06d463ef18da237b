"""The pages of the queue: what waits and why, what was sent, what was tried. Nothing is edited here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from mailconfig.delivery import forecast, suppression_text
from mailconfig.models import Attempt, Message, MessageState, WaitReason

from .account_actions import stage_name
from .account_links import account_link
from .account_list import words_html
from .durations import date_text, moment_text
from .event_webhooks import SHOWN_EVENTS
from .message_actions import NAMING
from .message_bulk import MessageBulk
from .message_content import MessageContent
from .message_files import files_of
from .message_filters import (
    AccountFilter,
    FailoverFilter,
    PriorityFilter,
    ReasonFilter,
    StateFilter,
)
from .message_list import MessageChangeList, facts_of, forecast_html, recipients_html, search_of, waiting_html
from .paging import CappedChangeList, CappedPaginator
from .readonly import ReadOnlyAdmin
from .synced_rows import answers_to
from .tenant_filter import TenantFilter
from .typed import AttemptModelAdmin

SHOWN_RECIPIENTS = 200
SHOWN_ATTEMPTS = 100
SHOWN_AGAIN = 10
MARKS = {
    MessageState.SENT: "ok",
    MessageState.PARTIAL: "waits",
    MessageState.FAILED: "paused",
    MessageState.HELD: "waits",
    MessageState.CANCELLED: "disabled",
}


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin, MessageContent, MessageBulk):
    """Mail, newest first."""

    list_display = ("label", "to", "account_name", "state_mark", "why", "attempts", "queued_at")
    list_display_links = ("label",)
    names_accounts = True
    list_filter = (StateFilter, ReasonFilter, PriorityFilter, AccountFilter, TenantFilter, FailoverFilter)
    list_select_related = ("account", "failed_over_from", "hand_over")
    search_fields = ("subject",)
    search_help_text = gettext_lazy(
        "A part of a recipient’s address or of the subject, a Message-ID, a request id, a tenant’s name, or an idempotency key"
    )
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/mailconfig/message_change_form.html"
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("state_mark", "why_with_words", "account_name", "envelope_from", "attempts")}),
        (gettext_lazy("Times"), {"fields": ("queued", "due", "handed_over", "settled")}),
        (
            gettext_lazy("Details"),
            {
                "fields": ("own_or_given_id", "priority", "size_text", "error", "tenant", "asked_by", "uuid"),
                "classes": ("collapse",),
            },
        ),
    )

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[MessageChangeList]:
        """With recipients and reasons."""
        return MessageChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without bytes and secrets."""
        rows: QuerySet[Message] = super().get_queryset(request)
        rows = rows.select_related("account", "failed_over_from", "hand_over")
        return rows.defer("account__secret", "failed_over_from__secret")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """See :func:`.message_search.search`."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=search_of(request, queryset, search_term).found), False

    @admin.display(description=gettext_lazy("subject"))
    def label(self, message: Message) -> str:
        """The subject, or that there is none."""
        subject = message.subject or _("(no subject)")
        return f"{subject} ({_('test mail')})" if message.is_test else subject

    @admin.display(description="Message-ID")
    def own_or_given_id(self, message: Message) -> str:
        """Return the one that stands in the mail."""
        return message.message_id

    @admin.display(description=gettext_lazy("request id"))
    def asked_by(self, message: Message) -> str:
        """Return that of the REST request that queued it."""
        return message.request_id or "–"

    @admin.display(description=gettext_lazy("recipients"))
    def to(self, message: Message) -> SafeString:
        """The first, and how many more."""
        return recipients_html(facts_of(message))

    @admin.display(description=gettext_lazy("account"))
    def account_name(self, message: Message) -> SafeString | str:
        """Draw the account it is sent by, and where that is another one the account it was queued for, and why."""
        link = account_link(message.account, self.admin_site)
        if message.failed_over_from is None:
            return link
        values = {"account": account_link(message.failed_over_from, self.admin_site)}
        home = format_html(_("instead of {account}:"), **values)
        why = WaitReason(message.failed_over_because).label if message.failed_over_because else ""
        return format_html('{} <span class="mc-note">{} {}</span>', link, home, why)

    @admin.display(description=gettext_lazy("state"))
    def state_mark(self, message: Message) -> SafeString:
        """The state, with a mark."""
        state = message.shown_state
        mark = MARKS.get(state, "unmarked")
        return format_html('<span class="mc-health mc-{}">{}</span>', mark, state.label)

    @admin.display(description=pgettext_lazy("time", "queued"))
    def queued_at(self, message: Message) -> str:
        """When, as short as it can be said."""
        return moment_text(message.created_at, facts_of(message).now)

    @admin.display(description=gettext_lazy("not before"))
    def due(self, message: Message) -> str:
        """From when on it may go, whatever time a row says."""
        return date_text(message.not_before)

    @admin.display(description=pgettext_lazy("time", "queued"))
    def queued(self, message: Message) -> str:
        """Say when it was queued."""
        return date_text(message.created_at)

    @admin.display(description=gettext_lazy("handed over"))
    def handed_over(self, message: Message) -> str:
        """Say when it was handed over last."""
        under_way = message.under_way
        return date_text(under_way.handed_over_at) if under_way else "–"

    @admin.display(description=gettext_lazy("settled"))
    def settled(self, message: Message) -> str:
        """Say when it came to its final state."""
        return date_text(message.settled_at) if message.settled_at else "–"

    @admin.display(description=gettext_lazy("size"))
    def size_text(self, message: Message) -> str:
        """Say its size, or that it is not known before."""
        if message.has_tokens:
            return _("resolved when sent")
        return str(filesizeformat(message.size))

    @admin.display(description=gettext_lazy("error"))
    def error(self, message: Message) -> str:
        """Say the last error."""
        return ": ".join(part for part in (message.error_code, message.error_text) if part) or "–"

    @admin.display(description=gettext_lazy("waits because"))
    def why(self, message: Message) -> SafeString:
        """The reason, and the next time."""
        return waiting_html(facts_of(message))

    @admin.display(description=gettext_lazy("waits because"))
    def why_with_words(self, message: Message) -> SafeString:
        """The reason, the next time, and what the server said of the account."""
        waiting = facts_of(message).waiting
        return format_html("{}{}", self.why(message), words_html(waiting.words if waiting else ""))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """With recipients, attempts and the buttons this person may press."""
        message: Message | None = context.get("original")
        if message is not None:
            context |= _page_of(message)
            context |= answers_to(message, request)
            context["files"] = files_of(message, may_read=self.may_read(request))
            context["may_read"] = self.may_read(request)
            context["message_actions"] = [
                one for one in self.actions_for(request) if one.is_single and one.applies_to(message)
            ]
            context["forecast"] = (
                None if message.is_final else forecast_html(forecast(account=message.account))
            )
        return super().render_change_form(request, context, *args, **kwargs)


def _page_of(message: Message) -> dict[str, Any]:
    """Return what a message's page shows beneath its own row."""
    recipients = list(message.recipients.order_by("pk")[: SHOWN_RECIPIENTS + 1])
    made = message.attempt_set.select_related("account").defer("account__secret")
    attempts = list(made.order_by("-pk")[:SHOWN_ATTEMPTS])
    events = list(message.events.order_by("-pk")[: SHOWN_EVENTS + 1])
    # In an order that no index has: those of the column alone are few, whatever the database believes.
    again = Message.objects.filter(resent_of=message.uuid).order_by(F("pk") + 0).only(*NAMING)[:SHOWN_AGAIN]
    first = Message.objects.filter(uuid=message.resent_of).only(*NAMING) if message.resent_of else ()
    return {
        "resent_as": list(again),
        "resends": list(first),
        "events": events[:SHOWN_EVENTS],
        "more_events": len(events) > SHOWN_EVENTS,
        "shown_events": SHOWN_EVENTS,
        "recipients": [
            (recipient, suppression_text(recipient.error_code)) for recipient in recipients[:SHOWN_RECIPIENTS]
        ],
        "more_recipients": len(recipients) > SHOWN_RECIPIENTS,
        "shown_recipients": SHOWN_RECIPIENTS,
        "shows_account": any(attempt.account_id != message.home_id for attempt in attempts),
        "message_attempts": [(attempt, stage_name(attempt.stage)) for attempt in attempts],
    }


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin, AttemptModelAdmin):
    """Everything that was tried, newest first."""

    list_display = ("started", "account_name", "message_link", "recipients", "outcome_text", "reply")
    list_display_links = ("started",)
    names_accounts = True
    list_filter = ("outcome", AccountFilter)
    list_select_related = ("account", "message")
    ordering = ("-id",)
    sortable_by = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = (
        "account_name", "message_link", "outcome_text", "stage_text", "reply", "recipients",
        "started_at", "handed_over_at", "ended_at", "worker",
    )  # fmt: skip

    class Media:
        css: ClassVar = {"all": ["mailconfig/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[CappedChangeList]:
        """It may be long."""
        return CappedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Without bytes and secrets."""
        rows: QuerySet[Attempt] = super().get_queryset(request)
        return rows.select_related("account", "message").defer("account__secret")

    @admin.display(description=gettext_lazy("started"))
    def started(self, attempt: Attempt) -> str:
        """When, as short as it can be said."""
        return moment_text(attempt.started_at, timezone.now())

    @admin.display(description=gettext_lazy("account"))
    def account_name(self, attempt: Attempt) -> SafeString | str:
        """Draw the account of the attempt."""
        return account_link(attempt.account, self.admin_site)

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, attempt: Attempt) -> SafeString | str:
        """The mail, or that it is gone."""
        if attempt.message is None:
            return _("deleted since")
        name = "admin:mailconfig_message_change"
        url = reverse(name, args=[attempt.message.pk], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, attempt.message)

    @admin.display(description=gettext_lazy("outcome"))
    def outcome_text(self, attempt: Attempt) -> str:
        """Say it in words."""
        return str(attempt.get_outcome_display())

    @admin.display(description=gettext_lazy("stage"))
    def stage_text(self, attempt: Attempt) -> str:
        """Say the stage it reached."""
        return stage_name(attempt.stage)

    @admin.display(description=gettext_lazy("reply"))
    def reply(self, attempt: Attempt) -> str:
        """Say the reply of the server."""
        parts = (str(attempt.reply_code or ""), attempt.enhanced_code, attempt.reply_text)
        return " ".join(part for part in parts if part) or "–"
