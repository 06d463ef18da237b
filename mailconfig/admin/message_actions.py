"""Retry, release, hold and cancel: confirmed once more where it is many mails, counted afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from mailconfig.delivery import cancel, hold, release, requeue, states_allowing
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Message

from .typed import MessageModelAdmin, user_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NAMING = ("subject", "given_message_id", "uuid", "envelope_from")
"""Columns that tell what a message is called."""
MOST = 1000
"""Messages that one press of a button acts on: a request must end."""


@dataclass(frozen=True, slots=True)
class MessageAction:
    """An operation that people apply to messages by hand."""

    name: str
    """The operation's, as the transitions have it."""
    run: Callable[..., None]
    label: str | _StrPromise
    question: str | _StrPromise
    needs_asking: bool = False
    """Whether it is asked once more even for a single message."""

    def applies_to(self, message: Message) -> bool:
        """Return whether the message is in a state for it."""
        return message.shown_state in states_allowing(self.name)


ACTIONS = {
    action.name: action
    for action in (
        MessageAction(
            "requeue", requeue, gettext_lazy("Retry"), gettext_lazy("Try to send these mails again?")
        ),
        MessageAction(
            "release", release, gettext_lazy("Release"), gettext_lazy("Let these held mails be sent?")
        ),
        MessageAction(
            "hold", hold, gettext_lazy("Hold"), gettext_lazy("Keep these mails back until they are released?")
        ),
        MessageAction(
            "cancel",
            cancel,
            pgettext_lazy("mail", "Cancel"),
            gettext_lazy("Cancel these mails? They are never sent; this cannot be undone."),
            needs_asking=True,
        ),
    )
}


class MessageActions(MessageModelAdmin):
    """Adds the actions of the list and the buttons of a message's page."""

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may act on messages at all."""
        return self.has_view_permission(request) and user_of(request).has_perm("mailconfig.manage_message")

    def get_actions(  # type: ignore[override]
        self, request: HttpRequest, action_location: object = None
    ) -> dict[str, tuple[Callable[..., object], str, str]]:
        """Return one for each action, in the list; a mail's own page has buttons (Django 6.1 asks for both)."""
        if not self.has_act_permission(request) or getattr(action_location, "name", "") == "CHANGE_FORM":
            return {}
        return {name: (_action, name, str(action.label)) for name, action in ACTIONS.items()}

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Act on a single message, from its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_act_permission(request):
            raise PermissionDenied
        message = self.get_object(request, object_id)
        action = ACTIONS.get(name)
        if message is None or action is None:
            raise Http404
        chosen = Message.objects.filter(pk=message.pk)
        if action.needs_asking and "confirmed" not in request.POST:
            return self.ask(request, action, chosen, back_url=self._page_url(message))
        self.act(request, action, chosen)
        return HttpResponseRedirect(self._page_url(message))

    def _page_url(self, message: Message) -> str:
        return reverse("admin:mailconfig_message_change", args=[message.pk], current_app=self.admin_site.name)

    def ask(
        self, request: HttpRequest, action: MessageAction, queryset: QuerySet[Message], *, back_url: str
    ) -> HttpResponse:
        """Return the page that says what would happen to how many."""
        chosen = queryset.order_by().values("pk")[: MOST + 1].count()
        fitting = _fitting(action, queryset)
        context = {
            **self.admin_site.each_context(request),
            "title": str(action.label),
            "opts": self.opts,
            "message_action": action,
            "fitting": len(fitting),
            "others": max(0, chosen - len(fitting)),
            "most": MOST,
            "is_capped": chosen > MOST,
            "examples": Message.objects.filter(pk__in=fitting[:10]).only(*NAMING),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "back_url": back_url,
            "select_across": request.POST.get("select_across") == "1",
            "media": self.media,
        }
        return TemplateResponse(request, "admin/mailconfig/action_confirmation.html", context)

    def act(self, request: HttpRequest, action: MessageAction, queryset: QuerySet[Message]) -> None:
        """Act on one message after another, and say what came of it."""
        done = 0
        refused: list[str] = []
        for message_id in _fitting(action, queryset):
            try:
                action.run(message_id=message_id)
            except InvalidTransition as error:
                refused.append(str(error))
                continue
            done += 1
            self.log_change(request, Message.objects.only(*NAMING).get(pk=message_id), action.name)
        values = {"what": action.label, "count": done}
        text = ngettext("%(what)s: %(count)s mail.", "%(what)s: %(count)s mails.", done) % values
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)
        if refused:
            text = _("%(count)s were left as they are: %(reason)s") % {
                "count": len(refused),
                "reason": refused[0],
            }
            self.message_user(request, text, messages.WARNING)


def _action(admin: MessageActions, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
    """Act on what was chosen in the list; the request says which action it was."""
    chosen = request.POST.getlist("action")
    action = ACTIONS[next(name for name in chosen if name in ACTIONS)]
    if "confirmed" not in request.POST:
        return admin.ask(request, action, queryset, back_url=request.get_full_path())
    admin.act(request, action, queryset)
    return None


def _fitting(action: MessageAction, queryset: QuerySet[Message]) -> list[int]:
    """Return the keys of those in a state for it, at most :data:`MOST`."""
    return list(
        queryset.filter(state__in=states_allowing(action.name))
        .order_by("pk")
        .values_list("pk", flat=True)[:MOST]
    )
