"""Actions of people on mail: retry, release, hold, send now, send again, cancel; asked once more where it cannot be undone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from mailconfig.delivery import cancel, hold, release, requeue, resend, send_now, states_allowing
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Message

from .typed import MessageModelAdmin, user_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

NAMING = ("subject", "given_message_id", "uuid", "envelope_from")
"""Columns that tell what a message is called."""
MOST = 1000
"""Messages that one press of a button acts on: a request must end."""
LONGEST_WISH = 64


@dataclass(frozen=True, slots=True)
class MessageAction:
    """An operation that people apply to messages by hand."""

    name: str
    """The operation's, as the transitions have it."""
    run: Callable[..., object]
    label: str | _StrPromise
    question: str | _StrPromise
    needs_asking: bool = False
    """Whether it is asked once more even for a single message."""
    permission: str = "manage_message"
    is_single: bool = True
    """Whether it is offered for mail that was picked by hand, and not only for all mail that a list is narrowed to."""
    says_once: bool = False
    """Whether it takes the name of the wish, so that a form that is sent twice does it once."""

    def applies_to(self, message: Message) -> bool:
        """Return whether the message is in a state for it."""
        return message.shown_state in states_allowing(self.name)


def _moved(*, message_id: int) -> None:
    """Stands in for the operation that moves many at a time: nobody calls it for one."""
    raise NotImplementedError(message_id)


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
            "send_now",
            send_now,
            gettext_lazy("Send now"),
            gettext_lazy("Let these mails go at once, whatever time they wait for? Limits still count."),
        ),
        MessageAction(
            "hold", hold, gettext_lazy("Hold"), gettext_lazy("Keep these mails back until they are released?")
        ),
        MessageAction(
            "resend",
            resend,
            gettext_lazy("Send again"),
            gettext_lazy("Send these mails once more? Their recipients get each of them a second time."),
            needs_asking=True,
            permission="resend_message",
            says_once=True,
        ),
        MessageAction(
            "move",
            _moved,
            gettext_lazy("Move to another account"),
            gettext_lazy(
                "Let another account send these mails? Their From address stays as it is: the other server must let the"
                " account write in this name."
            ),
            needs_asking=True,
            is_single=False,
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

    def actions_for(self, request: HttpRequest) -> list[MessageAction]:
        """Return the actions that this person may take."""
        if not self.has_view_permission(request):
            return []
        user = user_of(request)
        return [one for one in ACTIONS.values() if user.has_perm(f"mailconfig.{one.permission}")]

    def may_take(self, request: HttpRequest, action: MessageAction) -> bool:
        """Return whether this person may take this action."""
        return action in self.actions_for(request)

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view(self.act_view)
        return [
            path("<path:object_id>/act/<str:name>/", view, name="mailconfig_message_act"),
            *super().get_urls(),
        ]

    def get_actions(  # type: ignore[override]
        self, request: HttpRequest, action_location: object = None
    ) -> dict[str, tuple[Callable[..., object], str, str]]:
        """Return one for each action, in the list; a mail's own page has buttons (Django 6.1 asks for both)."""
        if getattr(action_location, "name", "") == "CHANGE_FORM":
            return {}
        return {
            one.name: (_action, one.name, str(one.label))
            for one in self.actions_for(request)
            if one.is_single
        }

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Act on a single message, from its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        action = ACTIONS.get(name)
        if not self.actions_for(request) or (action and not self.may_take(request, action)):
            raise PermissionDenied
        message = self.get_object(request, object_id)
        if message is None or action is None or not action.is_single:
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
            "once": new_wish() if action.says_once else "",
            "media": self.media,
        }
        return TemplateResponse(request, "admin/mailconfig/action_confirmation.html", context)

    def act(self, request: HttpRequest, action: MessageAction, queryset: QuerySet[Message]) -> None:
        """Act on one message after another, and say what came of it."""
        done, refused = 0, Refused()
        for message_id in _fitting(action, queryset):
            done += self.act_on(request, action, message_id, refused)
        self.tell(request, action, done, refused)

    def act_on(self, request: HttpRequest, action: MessageAction, message_id: int, refused: Refused) -> bool:
        """Act on one message, and write down who did. Return whether it could be done."""
        once = {"once": wish_of(request)} if action.says_once else {}
        message = Message.objects.only(*NAMING).filter(pk=message_id).first()
        if message is None:
            refused.note(_("The purge deleted it meanwhile."))
            return False
        try:
            action.run(message_id=message_id, **once)
        except (InvalidTransition, OSError) as error:
            refused.note(str(error))
            return False
        self.log_change(request, message, action.name)
        return True

    def tell(self, request: HttpRequest, action: MessageAction, done: int, refused: Refused) -> None:
        """Say what came of it."""
        values = {"what": action.label, "count": done}
        text = ngettext("%(what)s: %(count)s mail.", "%(what)s: %(count)s mails.", done) % values
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)
        if refused.count:
            text = _("%(count)s were left as they are: %(reason)s") % {
                "count": refused.count,
                "reason": refused.reason,
            }
            self.message_user(request, text, messages.WARNING)


@dataclass(slots=True)
class Refused:
    """Count of those that were left as they were, and the first reason."""

    count: int = 0
    reason: str = ""

    def note(self, reason: str) -> None:
        """Count one more."""
        self.count += 1
        self.reason = self.reason or reason


def new_wish() -> str:
    """Return a name for a wish that a person is about to have."""
    return uuid.uuid4().hex


def wish_of(request: HttpRequest) -> str:
    """Return the name of the wish in the form that was sent."""
    given = request.POST.get("once", "")
    return given if given.isalnum() and len(given) <= LONGEST_WISH else ""


def _action(admin: MessageActions, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
    """Act on what was chosen in the list; the request says which action it was."""
    chosen = request.POST.getlist("action")
    action = ACTIONS[next(name for name in chosen if name in ACTIONS)]
    if "confirmed" not in request.POST:
        if request.POST.get("select_across") == "1":
            url = reverse(
                "admin:mailconfig_message_bulk", args=[action.name], current_app=admin.admin_site.name
            )
            return HttpResponseRedirect(f"{url}?{request.GET.urlencode()}")
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
