"""One action on all mail that a list is narrowed to: counted and confirmed first, then done piece by piece."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailconfig.delivery import failovers_for, move_messages, states_allowing
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Account, Message

from .lookups import is_key
from .message_actions import (
    ACTIONS,
    NAMING,
    MessageAction,
    MessageActions,
    Refused,
    new_wish,
    wish_of,
)
from .themes import dress
from .typed import user_of
from .within_reach import rows_within_reach

COUNTED = 100_000
"""Mails that are counted before it is asked whether to act on them."""
PIECE = 200
"""Mails that are read, or moved, at a time."""
SECONDS = 5.0
"""Seconds after which a request ends, and the page asks for the next piece."""


class TargetForm(forms.Form):
    """Choice of the account that is to send the mail instead."""

    account = forms.ModelChoiceField(Account.objects.none(), label=gettext_lazy("New account"))


@dataclass(slots=True)
class Progress:
    """Progress of an action, as the form carries it from one request to the next.

    Attributes:
        last: the greatest key that it is about: what is queued meanwhile is left alone.
        after: the greatest key that was looked at.
        done: how many it was done to.
        left: how many were left as they were.
        total: how many there were when it was confirmed.
    """

    last: int
    after: int = 0
    done: int = 0
    left: int = 0
    total: int = 0

    @classmethod
    def of(cls, request: HttpRequest) -> Progress | None:
        """Return what the form says; ``None``: nothing of sense."""
        given = [request.POST.get(name, "") for name in ("last", "after", "done", "left", "total")]
        return cls(*map(int, given)) if all(map(is_key, given)) else None


class MessageBulk(MessageActions):
    """Adds the page that acts on all mail that matches the filters of the list, whatever their number."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/<str:name>/", view, name="mailconfig_message_bulk"), *super().get_urls()]

    def bulk_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask, and act as long as one request may take."""
        action = ACTIONS.get(name)
        if action is None:
            raise Http404
        if not self.may_take(request, action):
            raise PermissionDenied
        back_url = self._list_url(request)
        try:
            rows = self._matching(request).filter(state__in=states_allowing(action.name))
        except IncorrectLookupParameters:
            return HttpResponseRedirect(back_url)
        target = self._target_form(request, rows) if name == "move" else None
        progress = Progress.of(request) if request.method == "POST" else None
        if progress is None or (target is not None and not target.is_valid()):
            return self._page(request, action, rows, target=target)
        refused = Refused(progress.left)
        is_over = self._act_for_a_while(
            request, action, rows, progress=progress, refused=refused, target=target
        )
        progress.left = refused.count
        if not is_over:
            return self._page(request, action, rows, target=target, progress=progress)
        self.tell(request, action, progress.done, refused)
        return HttpResponseRedirect(back_url)

    def _list_url(self, request: HttpRequest) -> str:
        url = reverse("admin:mailconfig_message_changelist", current_app=self.admin_site.name)
        return f"{url}?{request.GET.urlencode()}" if request.GET else url

    def _matching(self, request: HttpRequest) -> QuerySet[Message]:
        """Return the mail that the list would show, without what it shows beside it."""
        rows: QuerySet[Message] = self.get_changelist_instance(request).queryset
        return rows.order_by()

    def _target_form(self, request: HttpRequest, rows: QuerySet[Message]) -> TargetForm | None:
        """Return the choice of accounts, where all mail is one account's."""
        form = TargetForm(request.POST if request.method == "POST" else None)
        dress(form.fields["account"].widget)
        chosen = request.GET.get("account__id__exact", "")
        accounts = rows_within_reach(Account.objects.defer("secret"), request)
        account = accounts.filter(pk=chosen).first() if is_key(chosen) else None
        field = form.fields["account"]
        if account is not None and isinstance(field, forms.ModelChoiceField):
            field.queryset = failovers_for(account, user_of(request))
        return form

    def _act_for_a_while(
        self,
        request: HttpRequest,
        action: MessageAction,
        rows: QuerySet[Message],
        *,
        progress: Progress,
        refused: Refused,
        target: TargetForm | None,
    ) -> bool:
        """Act on one piece after another. Return whether there is none left."""
        until = time.monotonic() + SECONDS
        while True:
            some = rows.filter(pk__gt=progress.after, pk__lte=progress.last).order_by("pk")
            keys = list(some.values_list("pk", flat=True)[:PIECE])
            if not keys:
                return True
            if target is not None:
                progress.done += self._move(request, action, keys, target.cleaned_data["account"], refused)
                progress.after = keys[-1]
            else:
                for key in keys:
                    progress.done += self.act_on(request, action, key, refused)
                    progress.after = key
                    if time.monotonic() >= until:
                        return False
            if time.monotonic() >= until:
                return False

    def _move(
        self, request: HttpRequest, action: MessageAction, keys: list[int], account: Account, refused: Refused
    ) -> int:
        try:
            moved = move_messages(message_ids=keys, account_id=account.pk)
        except InvalidTransition as error:
            for _key in keys:
                refused.note(str(error))
            return 0
        for message in Message.objects.filter(pk__in=moved).only(*NAMING):
            self.log_change(request, message, f"{action.name}: {account}")
        for _key in range(len(keys) - len(moved)):
            refused.note(_("They may have arrived, are being handed over, or may not be this account’s."))
        return len(moved)

    def _page(
        self,
        request: HttpRequest,
        action: MessageAction,
        rows: QuerySet[Message],
        *,
        target: TargetForm | None,
        progress: Progress | None = None,
    ) -> HttpResponse:
        is_begun = progress is not None
        if progress is None:
            total = rows.order_by().values("pk")[: COUNTED + 1].count()
            last = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
            progress = Progress(last, total=min(total, COUNTED + 1))
        count = f"{COUNTED:,}+" if progress.total > COUNTED else f"{progress.total:,}"
        context = {
            **self.admin_site.each_context(request),
            "title": str(action.label),
            "opts": self.opts,
            "message_action": action,
            "is_begun": is_begun,
            "progress": progress,
            "how_many": ngettext("%(count)s mail", "%(count)s mails", progress.total) % {"count": count},
            "examples": () if is_begun else _examples(rows),
            "target": target,
            "has_targets": target is None or target.fields["account"].queryset.exists(),  # type: ignore[attr-defined]
            "once": wish_of(request) or new_wish(),
            "back_url": self._list_url(request),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/mailconfig/message_bulk.html", context)


def _examples(rows: QuerySet[Message]) -> QuerySet[Message]:
    """Return the newest few, as far as it takes to name them."""
    keys = list(rows.order_by("-pk").values_list("pk", flat=True)[:10])
    return Message.objects.filter(pk__in=keys).order_by("-pk").only(*NAMING)
