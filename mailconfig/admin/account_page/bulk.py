"""Tests, switching on and off, and limits of many accounts at once; each after a look at how many, and as its page would do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mailconfig.admin.proof import errors_of
from mailconfig.admin.themes import dress
from mailconfig.admin.typed import user_of
from mailconfig.delivery import request_check, save_account
from mailconfig.exceptions import MailconfigError, Throttled
from mailconfig.models import Account, CheckKind

from .pausing import NAMED, PauseActions

ACTIONS = ("test_selected", "enable_selected", "disable_selected", "limit_selected")
LIMITS = ("limit_count", "limit_period", "limit_per_day", "limit_per_week")
MOST_SAID = 10
CONFIRMED = "confirmed"


class LimitsForm(forms.Form):
    """Limits for all of them; an empty one stays as each account has it."""

    confirmed = forms.CharField(widget=forms.HiddenInput, initial="yes")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LIMITS:
            field: Any = Account._meta.get_field(name)
            self.fields[name] = field.formfield(required=False, help_text="")
            dress(self.fields[name].widget)

    def clean(self) -> dict[str, Any]:
        """Ask for one limit at least."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not self.limits:
            raise ValidationError(_("Enter at least one limit."))
        return cleaned

    @property
    def limits(self) -> dict[str, int]:
        """The limits that were entered."""
        return {name: self.cleaned_data[name] for name in LIMITS if self.cleaned_data.get(name) is not None}


class ConfirmForm(forms.Form):
    """Nothing but that somebody has seen how many they are."""

    confirmed = forms.CharField(widget=forms.HiddenInput, initial="yes")


class BulkActions(PauseActions):
    """Adds the actions to a list of accounts. Each account is asked about by itself, and has its entry in the admin's log."""

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may have servers connect, as by the button of a page."""
        return user_of(request).has_perm("mailconfig.test_account") and self.has_view_permission(request)

    @admin.action(description=gettext_lazy("Test selected accounts"), permissions=["test"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Have workers test the stored connections; what came of it stands in the list's health and on each page."""

        def ask(account: Account) -> bool:
            check = request_check(
                account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=user_of(request)
            )
            self.log_change(request, account, f"{check.get_kind_display()}: {check.get_state_display()}")
            return True

        about = _("A worker tests each connection; the results stand in the list.")
        return self._confirmed(request, queryset, "test_selected", about, ask, verb="view")

    @admin.action(description=gettext_lazy("Enable selected accounts"), permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Switch them on."""
        about = _("They send again, beginning with the mail that waits.")
        return self._confirmed(
            request, queryset, "enable_selected", about, self._setter(request, is_enabled=True)
        )

    @admin.action(description=gettext_lazy("Disable selected accounts"), permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Switch them off."""
        about = _("A disabled account keeps its mail queued.")
        return self._confirmed(
            request, queryset, "disable_selected", about, self._setter(request, is_enabled=False)
        )

    @admin.action(description=gettext_lazy("Set limits of selected accounts"), permissions=["change"])
    def limit_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Set the limits that are entered."""
        form = LimitsForm(request.POST if CONFIRMED in request.POST else None)
        about = _("A limit that is left empty stays as each account has it. 0: nothing is sent.")
        limits = form.limits if form.is_bound and form.is_valid() else {}
        return self._confirmed(
            request, queryset, "limit_selected", about, self._setter(request, **limits), form=form
        )

    def _setter(self, request: HttpRequest, **values: Any) -> Callable[[Account], bool]:
        """Return what stores these values of an account, if any is another than it has."""

        def store(chosen: Account) -> bool:
            # What is stored has to be read whole; the list leaves the secrets out.
            account = self.get_queryset(request).filter(pk=chosen.pk).first()
            if account is None:
                return False
            changed = [name for name, value in values.items() if getattr(account, name) != value]
            for name in changed:
                setattr(account, name, values[name])
            if changed:
                save_account(account=account, by=user_of(request))
                self.log_change(request, account, [{"changed": {"fields": _labels(changed)}}])
            return bool(changed)

        return store

    def _confirmed(
        self,
        request: HttpRequest,
        queryset: QuerySet[Account],
        name: str,
        about: str,
        act: Callable[[Account], bool],
        *,
        form: forms.Form | None = None,
        verb: str = "change",
    ) -> HttpResponse | None:
        """Say how many they are and ask; then act on one after the other, and say of those that refuse why."""
        accounts = self._chosen(request, queryset.defer(None), verb=verb)
        form = form or ConfirmForm(request.POST if CONFIRMED in request.POST else None)
        if not form.is_valid():
            return self._ask(request, form, accounts, name, about)
        done, refused = 0, list[str]()
        for account in accounts:
            try:
                with transaction.atomic():
                    done += act(account)
            except Throttled as error:
                refused.append(f"{account}: {error}")
                break
            except (MailconfigError, ValidationError) as error:
                refused.append(f"{account}: {' '.join(errors_of(error).messages)}")
        text = ngettext("Done for %(count)s account.", "Done for %(count)s accounts.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS if done else messages.WARNING)
        for words in refused[:MOST_SAID]:
            self.message_user(request, words, messages.ERROR)
        return None

    def _ask(
        self, request: HttpRequest, form: forms.Form, accounts: list[Account], name: str, about: str
    ) -> HttpResponse:
        names = [str(account) for account in accounts]
        context = {
            **self.admin_site.each_context(request),
            "title": getattr(self, name).short_description,
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "about": about,
            "action": name,
            "named": names[:NAMED],
            "count": len(names),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across") == "1",
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "back_url": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/mailconfig/account/bulk.html", context)


def _labels(names: list[str]) -> list[str]:
    return [str(Account._meta.get_field(name).verbose_name) for name in names]  # type: ignore[union-attr]
