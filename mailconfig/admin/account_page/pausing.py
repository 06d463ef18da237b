"""Pause and Resume: on an account's page, and for those that are chosen in the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailconfig.admin.themes import dress
from mailconfig.admin.typed import AccountModelAdmin, user_of
from mailconfig.delivery import pause_account, resume_account
from mailconfig.exceptions import NoAccount
from mailconfig.models import Account, Lane

LONGEST_REASON = Lane._meta.get_field("paused_because").max_length
MOST = 1000
"""Accounts that one press of a button acts on: a request must end."""
NAMED = 10
"""So many of them are named before."""


class ReasonForm(forms.Form):
    """The reason for which an account is paused."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=LONGEST_REASON,
        help_text=gettext_lazy("Shown to everybody who sees the account."),
        widget=forms.TextInput(attrs={"size": 60, "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self.fields["reason"].widget)


@contextmanager
def _deleted_meanwhile() -> Iterator[None]:
    """Answer as for any account that is not there, if it is not there any more."""
    try:
        yield
    except NoAccount:
        raise Http404 from None


class PauseActions(AccountModelAdmin):
    """Adds the addresses of both buttons and both actions. Whoever may change an account may pause it."""

    actions: Any = ("pause_selected", "resume_selected")

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        ours = [
            path("<path:object_id>/pause/", view(self.pause_view), name=f"{name}_pause"),
            path("<path:object_id>/resume/", view(self.resume_view), name=f"{name}_resume"),
        ]
        return [*ours, *super().get_urls()]

    def _pausable(self, request: HttpRequest, object_id: str) -> Account:
        account = self.get_object(request, unquote(object_id))
        if account is None:
            raise Http404
        if not self.has_change_permission(request, account):
            raise PermissionDenied
        return account

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, pause the account and show its page."""
        account = self._pausable(request, object_id)
        back_url = self._page_url(account)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._ask_for_reason(request, form, [account], back_url=back_url)
        with _deleted_meanwhile():
            is_new = self._pause(request, account, form.cleaned_data["reason"])
        if is_new:
            self.message_user(request, _("The account is paused."), messages.SUCCESS)
        else:
            self.message_user(request, _("The account was paused already."), messages.WARNING)
        return HttpResponseRedirect(back_url)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End the pause and show the account's page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._pausable(request, object_id)
        with _deleted_meanwhile():
            was_paused = self._resume(request, account)
        if was_paused:
            self.message_user(request, _("The account goes on."), messages.SUCCESS)
        else:
            self.message_user(request, _("Nobody had paused the account."), messages.WARNING)
        return HttpResponseRedirect(self._page_url(account))

    @admin.action(description=gettext_lazy("Pause selected accounts"), permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Ask why, then pause them all."""
        accounts = self._chosen(request, queryset)
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask_for_reason(
                request,
                form,
                accounts,
                back_url=request.get_full_path(),
                selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
                select_across=request.POST.get("select_across") == "1",
            )
        count = sum(self._pause(request, account, form.cleaned_data["reason"]) for account in accounts)
        text = ngettext("%(count)s account is paused.", "%(count)s accounts are paused.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
        return None

    @admin.action(description=gettext_lazy("Resume selected accounts"), permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        """End the pauses that people made."""
        count = sum(self._resume(request, account) for account in self._chosen(request, queryset))
        text = ngettext("%(count)s account goes on.", "%(count)s accounts go on.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def _chosen(
        self, request: HttpRequest, queryset: QuerySet[Account], *, verb: str = "change"
    ) -> list[Account]:
        """Return those that this person may change, or see, at most :data:`MOST`; says so where there are more."""
        found = list(queryset.defer("secret").order_by("pk")[: MOST + 1])
        if len(found) > MOST:
            text = _("At most %(most)s at a time; do the same again for the rest.") % {"most": MOST}
            self.message_user(request, text, messages.WARNING)
        may = self.has_change_permission if verb == "change" else self.has_view_permission
        return [account for account in found[:MOST] if may(request, account)]

    def _pause(self, request: HttpRequest, account: Account, reason: str) -> bool:
        is_new = pause_account(account_id=account.pk, by=user_of(request), because=reason)
        if is_new:
            self.log_change(request, account, _("Paused: %(reason)s") % {"reason": reason})
        return is_new

    def _resume(self, request: HttpRequest, account: Account) -> bool:
        was_paused = resume_account(account_id=account.pk)
        if was_paused:
            self.log_change(request, account, _("Resumed."))
        return was_paused

    def _page_url(self, account: Account) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[quote(account.pk)], current_app=self.admin_site.name)

    def _ask_for_reason(
        self,
        request: HttpRequest,
        form: forms.Form,
        accounts: Iterable[Account],
        *,
        back_url: str,
        selected: Iterable[str] = (),
        select_across: bool = False,
    ) -> HttpResponse:
        named = [str(account) for account in accounts]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Pause sending"),
            "subtitle": named[0] if len(named) == 1 else None,
            "opts": self.opts,
            "form": form,
            "media": self.media,
            "back_url": back_url,
            "named": named[:NAMED],
            "count": len(named),
            "selected": selected,
            "select_across": select_across,
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/mailconfig/pause.html", context)
