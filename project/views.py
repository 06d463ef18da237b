"""The front page: what is where, how the mailboxes stand, and a button that queues some mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailconfig import delivery
from mailconfig.delivery import WindowUsage
from mailconfig.exceptions import DeliveryError
from mailconfig.models import Account, Lane, Message, MessageState, Purpose

from .demo.mails import write_mails
from .forms import QueueForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """State of one account."""

    account: Account
    windows: tuple[WindowUsage, ...]
    queued: int
    sent: int
    reason: str
    until: datetime | None


def _may_see_all(user: AbstractBaseUser | AnonymousUser) -> bool:
    return getattr(user, "is_superuser", False) and user.is_active


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Links for everybody; how the accounts stand for those who may see it."""
    if not _may_see_all(request.user):
        return render(request, "project/home.html")
    return render(request, "project/home.html", {"rows": _rows(), "form": QueueForm()})


@user_passes_test(_may_see_all)
def queue(request: HttpRequest) -> HttpResponse:
    """Queue some mails and go back."""
    if request.method != "POST":
        # Where a login in between leads to.
        return redirect("home")
    form = QueueForm(request.POST)
    if not form.is_valid():
        return render(request, "project/home.html", {"rows": _rows(), "form": form}, status=422)
    account, count = form.cleaned_data["account"], form.cleaned_data["count"]
    try:
        delivery.enqueue_many(write_mails(account, count), account=account)
    except DeliveryError as error:
        messages.error(request, f"Nothing was queued: {error}.")
    else:
        messages.success(request, f"Queued for {account}: {count}.")
    return redirect("home")


def _rows() -> list[Row]:
    accounts = list(Account.objects.kept().defer("secret").select_related("owner"))
    usage = delivery.usage(accounts, now=timezone.now())
    lanes = {lane.account_id: lane for lane in Lane.objects.filter(purpose=Purpose.SEND)}
    queued = Count("pk", filter=Q(state=MessageState.QUEUED))
    sent = Count("pk", filter=Q(state=MessageState.SENT))
    counted = Message.objects.order_by().values("account_id").annotate(queued=queued, sent=sent)
    counts = {row["account_id"]: row for row in counted}
    rows = []
    for account in accounts:
        lane, count = lanes[account.pk], counts.get(account.pk, {"queued": 0, "sent": 0})
        reason = lane.get_wait_reason_display() if count["queued"] else ""
        rows.append(
            Row(
                account=account,
                windows=usage[account.pk],
                queued=count["queued"],
                sent=count["sent"],
                reason=reason,
                until=lane.wait_until if reason else None,
            )
        )
    return rows
