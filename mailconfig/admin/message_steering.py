"""Retrying, releasing, holding and cancelling mail: asked once more where it is many, counted afterwards."""

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

from mailconfig.delivery.queue.steer import cancel, hold, release, requeue
from mailconfig.delivery.queue.transitions import sources
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Message

from .typed import MessageModelAdmin, user_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MOST = 1000
"""Messages that one press of a button steers: a request must end."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Something people do with mail by hand."""

    name: str
    """Of the operation, as the transitions have it."""
    run: Callable[..., None]
    label: str | _StrPromise
    question: str | _StrPromise
    needs_asking: bool = False
    """Whether it is asked once more even for a single message."""

    def applies_to(self, message: Message) -> bool:
        """Whether the message is in a state for it."""
        return message.state in sources(self.name)


STEERINGS = {
    steering.name: steering
    for steering in (
        Steering("requeue", requeue, gettext_lazy("Retry"), gettext_lazy("Try to send these mails again?")),
        Steering("release", release, gettext_lazy("Release"), gettext_lazy("Let these held mails be sent?")),
        Steering(
            "hold", hold, gettext_lazy("Hold"), gettext_lazy("Keep these mails back until they are released?")
        ),
        Steering(
            "cancel",
            cancel,
            pgettext_lazy("mail", "Cancel"),
            gettext_lazy("Cancel these mails? They are never sent; this cannot be undone."),
            needs_asking=True,
        ),
    )
}


class MessageSteering(MessageModelAdmin):
    """Adds the actions of the list and the buttons of a message's page."""

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Whether this person may steer mail at all."""
        return self.has_view_permission(request) and user_of(request).has_perm("mailconfig.steer_message")

    def get_actions(  # type: ignore[override]
        self, request: HttpRequest, action_location: object = None
    ) -> dict[str, tuple[Callable[..., object], str, str]]:
        """One for each way to steer, in the list; a mail's own page has buttons (Django 6.1 asks for both)."""
        if not self.has_steer_permission(request) or getattr(action_location, "name", "") == "CHANGE_FORM":
            return {}
        return {name: (_action, name, str(steering.label)) for name, steering in STEERINGS.items()}

    def steer_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Steer a single message, from its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_steer_permission(request):
            raise PermissionDenied
        message = self.get_object(request, object_id)
        steering = STEERINGS.get(name)
        if message is None or steering is None:
            raise Http404
        chosen = Message.objects.filter(pk=message.pk)
        if steering.needs_asking and "confirmed" not in request.POST:
            return self.ask(request, steering, chosen, back_url=self._page_url(message))
        self.steer(request, steering, chosen)
        return HttpResponseRedirect(self._page_url(message))

    def _page_url(self, message: Message) -> str:
        return reverse("admin:mailconfig_message_change", args=[message.pk], current_app=self.admin_site.name)

    def ask(
        self, request: HttpRequest, steering: Steering, queryset: QuerySet[Message], *, back_url: str
    ) -> HttpResponse:
        """The page that says what would happen to how many."""
        chosen = queryset.order_by().values("pk")[: MOST + 1].count()
        fitting = _fitting(steering, queryset)
        context = {
            **self.admin_site.each_context(request),
            "title": str(steering.label),
            "opts": self.opts,
            "steering": steering,
            "fitting": len(fitting),
            "others": max(0, chosen - len(fitting)),
            "most": MOST,
            "is_capped": chosen > MOST,
            "examples": Message.objects.filter(pk__in=fitting[:10]).only("subject", "message_id"),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "back_url": back_url,
            "select_across": request.POST.get("select_across") == "1",
            "media": self.media,
        }
        return TemplateResponse(request, "admin/mailconfig/steer_confirmation.html", context)

    def steer(self, request: HttpRequest, steering: Steering, queryset: QuerySet[Message]) -> None:
        """Do it, one message at a time, and say what came of it."""
        done = 0
        refused: list[str] = []
        for message_id in _fitting(steering, queryset):
            try:
                steering.run(message_id=message_id)
            except InvalidTransition as error:
                refused.append(str(error))
                continue
            done += 1
            self.log_change(
                request, Message.objects.only("subject", "message_id").get(pk=message_id), steering.name
            )
        values = {"what": steering.label, "count": done}
        text = ngettext("%(what)s: %(count)s mail.", "%(what)s: %(count)s mails.", done) % values
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)
        if refused:
            text = _("%(count)s were left as they are: %(reason)s") % {
                "count": len(refused),
                "reason": refused[0],
            }
            self.message_user(request, text, messages.WARNING)


def _action(admin: MessageSteering, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
    """What the list's menu calls; which one was chosen stands in the request."""
    chosen = request.POST.getlist("action")
    steering = STEERINGS[next(name for name in chosen if name in STEERINGS)]
    if "confirmed" not in request.POST:
        return admin.ask(request, steering, queryset, back_url=request.get_full_path())
    admin.steer(request, steering, queryset)
    return None


def _fitting(steering: Steering, queryset: QuerySet[Message]) -> list[int]:
    """Those in a state for it, at most :data:`MOST`."""
    return list(
        queryset.filter(state__in=sources(steering.name)).order_by("pk").values_list("pk", flat=True)[:MOST]
    )
