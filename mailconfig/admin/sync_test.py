"""The button of a mailbox's page that tests whether it can be synced."""

from __future__ import annotations

from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path

from mailconfig.delivery import is_sync_method, leaves_checks_to_workers, probe_sync
from mailconfig.exceptions import DeliveryError
from mailconfig.models import Account, CheckKind, Mailbox

from .account_actions import TEST, AccountActions
from .typed import user_of


class SyncTest(AccountActions):
    """Adds the button's address; what came of it is shown as of all tests."""

    def get_urls(self) -> list[URLPattern]:
        """Return those of all accounts, after ours."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_test_sync"
        return [
            path("<path:object_id>/test-sync/", self.admin_site.admin_view(self.test_sync_view), name=name),
            *super().get_urls(),
        ]

    @transaction.non_atomic_requests
    def test_sync_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Look into the mailbox with what is stored and show its page with what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        account = self._allowed(request, object_id, TEST)
        try:
            if leaves_checks_to_workers():
                return self._ask_worker(request, account, CheckKind.SYNC)
            check = probe_sync(account_id=account.pk, requested_by=user_of(request))
        except (DeliveryError, ValidationError) as error:
            return self._refused(request, account, error)
        return self._show_check(request, account, check)

    def check_context(self, request: HttpRequest, account: Account) -> dict[str, Any]:
        """Add whether there is a sync that this person may test."""
        syncs = is_sync_method(cast("Mailbox", account).sync_method)
        found = super().check_context(request, account)
        return {**found, "may_test_sync": syncs and self.may_test(request, account)}
