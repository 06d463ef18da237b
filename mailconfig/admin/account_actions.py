"""Actions on a stored account beside editing it: testing its connection, sending a test mail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import (
    leaves_checks_to_workers,
    probe_account,
    request_check,
    send_test_mail,
    staff_view,
    translate_stored,
)
from mailconfig.exceptions import DeliveryError
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, Mailbox
from mailconfig.models.validators import validate_address

from .account_history import HistoryOfAccount
from .proof import errors_of
from .themes import dress
from .typed import user_of

SHOWN_CHECKS = 5
TEST = "mailconfig.test_account"
SEND_TEST_MAIL = "mailconfig.send_test_mail"
A_WORKER_CHECKS = gettext_lazy("A worker tries the connection. What comes of it will be shown on this page.")


class RecipientForm(forms.Form):
    """Where the test mail goes."""

    recipient = forms.CharField(
        label=gettext_lazy("Send to"),
        max_length=254,
        validators=[validate_address],
        widget=forms.EmailInput(attrs={"size": 40, "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self.fields["recipient"].widget)


class AccountActions(HistoryOfAccount):
    """Adds the two buttons' addresses, and shows what came of them on the account's page."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, after ours."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        ours = [
            path("<path:object_id>/test/", view(self.test_view), name=f"{name}_test"),
            path("<path:object_id>/test-mail/", view(self.test_mail_view), name=f"{name}_test_mail"),
        ]
        return [*ours, *super().get_urls()]

    def may_test(self, request: HttpRequest, account: Account | None = None) -> bool:
        """Return whether this person, who may see the account, may have the server connect by pressing a button."""
        return user_of(request).has_perm(TEST) and self.has_view_permission(request, account)

    def may_send_test_mail(self, request: HttpRequest, account: Account | None = None) -> bool:
        """Return whether this person, who may see the account, may send a test mail through it."""
        return user_of(request).has_perm(SEND_TEST_MAIL) and self.has_view_permission(request, account)

    def _allowed(self, request: HttpRequest, object_id: str, permission: str) -> Account:
        """Return the account, if this person may see it and has this permission."""
        account = self.get_object(request, unquote(object_id))
        if account is None:
            raise Http404
        if not (user_of(request).has_perm(permission) and self.has_view_permission(request, account)):
            raise PermissionDenied
        return account

    @transaction.non_atomic_requests
    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Test the stored connection and show the account's page with what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._allowed(request, object_id, TEST)
        try:
            if leaves_checks_to_workers():
                return self._ask_worker(request, account, CheckKind.CONNECTION)
            check = probe_account(account_id=account.pk, requested_by=user_of(request))
        except (DeliveryError, ValidationError) as error:
            return self._refused(request, account, error)
        return self._show_check(request, account, check)

    @transaction.non_atomic_requests
    def test_mail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for an address, send a test mail to it, and show the account's page with what came of it."""
        account = self._allowed(request, object_id, SEND_TEST_MAIL)
        given = request.POST if request.method == "POST" else None
        form = RecipientForm(given, initial={"recipient": getattr(user_of(request), "email", "")})
        if not form.is_valid():
            return self._ask_for_recipient(request, account, form)
        recipient = form.cleaned_data["recipient"]
        try:
            if leaves_checks_to_workers():
                return self._ask_worker(request, account, CheckKind.TEST_MAIL, recipient=recipient)
            check = send_test_mail(account_id=account.pk, recipient=recipient, requested_by=user_of(request))
        except (DeliveryError, ValidationError) as error:
            return self._refused(request, account, error)
        return self._show_check(request, account, check)

    def _ask_worker(
        self, request: HttpRequest, account: Account, kind: CheckKind, *, recipient: str = ""
    ) -> HttpResponse:
        check = request_check(
            account_id=account.pk, kind=kind, requested_by=user_of(request), recipient=recipient
        )
        self.log_change(request, account, f"{check.get_kind_display()}: {check.get_state_display()}")
        self.message_user(request, A_WORKER_CHECKS, messages.INFO)
        return HttpResponseRedirect(self._account_url(account, check))

    def _ask_for_recipient(self, request: HttpRequest, account: Account, form: forms.Form) -> HttpResponse:
        mine = ConnectionCheck.objects.filter(requested_by=user_of(request).pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Send a test mail"),
            "subtitle": str(account),
            "opts": self.opts,
            "original": account,
            "form": form,
            "media": self.media,
            "account_url": self._account_url(account),
            "newest_check": mine.order_by("-pk").values_list("pk", flat=True).first() or 0,
        }
        return TemplateResponse(request, "admin/mailconfig/test_mail.html", context)

    def _account_url(self, account: Account, check: ConnectionCheck | None = None) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        url = reverse(name, args=[quote(account.pk)], current_app=self.admin_site.name)
        return f"{url}?check={check.uuid}" if check else url

    def _refused(
        self, request: HttpRequest, account: Account, error: DeliveryError | ValidationError
    ) -> HttpResponse:
        self.message_user(request, " ".join(errors_of(error).messages), messages.ERROR)
        return HttpResponseRedirect(self._account_url(account))

    def _show_check(self, request: HttpRequest, account: Account, check: ConnectionCheck) -> HttpResponse:
        level = messages.SUCCESS if check.state == CheckState.PASSED else messages.ERROR
        what = f"{check.get_kind_display()}: {check.get_state_display()}"
        self.log_change(request, account, what)
        self.message_user(request, translate_stored(check.message) or what, level)
        return HttpResponseRedirect(self._account_url(account, check))

    def check_context(self, request: HttpRequest, account: Account) -> dict[str, Any]:
        """For the account's page: the check that was just made, and the latest ones."""
        recent = [as_shown(check) for check in account.checks.select_related("requested_by")[:SHOWN_CHECKS]]
        asked = request.GET.get("check", "")
        fresh = next((check for check in recent if str(check["uuid"]) == asked), None)
        return {"fresh_check": fresh, "recent_checks": recent}


def as_shown(check: ConnectionCheck) -> dict[str, Any]:
    """A check for staff, with its stages in words."""
    view: dict[str, Any] = {**staff_view(check)}
    reached = [stage["outcome"] != "skipped" for stage in view["stages"]]
    view["stages"] = [
        {**stage, "name": stage_name(stage["stage"]), "is_passed_over": any(reached[index:])}
        for index, stage in enumerate(view["stages"])
    ]
    uuid: UUID = check.uuid
    return {
        **view,
        "uuid": uuid,
        "title": check.get_kind_display(),
        "state_text": check.get_state_display(),
        "is_open": check.state in {CheckState.PENDING, CheckState.RUNNING},
        "failed_at": stage_name(check.stage) if check.stage else "",
        "field_label": field_label(check.guilty_field),
        "recipient": check.recipient,
        "created_at": check.created_at,
        "requested_by": check.requested_by,
    }


def stage_name(stage: str) -> str:
    """A stage in words for a person who knows no SMTP."""
    names = {
        "resolve": _("find the server's address"),
        "connect": _("connect"),
        "banner": _("the server's greeting"),
        "tls": _("encryption"),
        "ehlo": _("introduce ourselves"),
        "login": _("login"),
        "folder": _("open the folder"),
        "sender": _("sender's address"),
        "recipient": _("recipient's address"),
        "dot": _("hand the mail over"),
    }
    return names.get(stage, stage)


def field_label(name: str) -> str:
    """The form's word for a field of the account; ``""`` for anything else."""
    labels = {field.name: str(getattr(field, "verbose_name", "")) for field in Mailbox._meta.get_fields()}
    return labels.get(name, "")
