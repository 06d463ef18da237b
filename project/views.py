"""The front page: what is where, how the mailboxes stand, and a button that queues some mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from mailconfig import delivery
from mailconfig.delivery.limits import WindowUsage
from mailconfig.models import Account, Lane, Message, MessageState, Purpose

from .demo.mails import write_mails
from .forms import QueueForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one account stands."""

    account: Account
    windows: tuple[WindowUsage, ...]
    queued: int
    sent: int
    reason: str
    until: datetime | None


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """Links for everybody; how the accounts stand for those who may see it."""
    if not (request.user.is_active and request.user.is_staff):
        return render(request, "project/home.html")
    return render(request, "project/home.html", {"rows": _rows(), "form": QueueForm()})


@require_POST
@staff_member_required
def queue(request: HttpRequest) -> HttpResponse:
    """Queue some mails and go back."""
    form = QueueForm(request.POST)
    if not form.is_valid():
        return render(request, "project/home.html", {"rows": _rows(), "form": form}, status=422)
    account = form.cleaned_data["account"]
    written = delivery.enqueue_many(write_mails(account, form.cleaned_data["count"]), account=account)
    messages.success(request, f"{len(written)} mails were queued for {account}.")
    return HttpResponseRedirect("/")


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
