"""Checks under way, for the page that waits for them: how far they have come, and nothing of anybody else's."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from mailconfig.admin.lookups import is_key
from mailconfig.admin.typed import user_of
from mailconfig.models import ConnectionCheck

from .answers import shown_as_json

MOST_SHOWN = 4
"""A mailbox has two, one for each half; more are of another page of the same person."""


def newest_check_of(request: HttpRequest) -> int:
    """Return the number of the last check that this person asked for; 0: none yet."""
    rows = ConnectionCheck.objects.filter(requested_by=user_of(request).pk)
    return rows.aggregate(newest=Max("pk"))["newest"] or 0


def watch(request: HttpRequest) -> HttpResponse:
    """Answer with the checks that this person asked for after a certain one (``after``), or with one of them (``check``)."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    rows = ConnectionCheck.objects.filter(requested_by=user_of(request).pk)
    after, uuid = request.GET.get("after", ""), _uuid(request.GET.get("check", ""))
    if uuid is not None:
        rows = rows.filter(uuid=uuid)
    elif is_key(after):
        rows = rows.filter(pk__gt=int(after))
    else:
        rows = rows.none()
    found = list(rows.order_by("pk")[:MOST_SHOWN])
    response = JsonResponse({"checks": [shown_as_json(check) for check in found]})
    response["Cache-Control"] = "no-store"
    return response


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
