"""Reports of mail services are taken: nobody is logged in, and the token in the address is what lets somebody in."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from mailconfig.delivery import find_event_webhook, receive_events
from mailconfig.exceptions import EventsRefused
from mailconfig.values import EventsFault

MOST_OCTETS: Final = 1_048_576
_STATUS: Final = {
    EventsFault.TOO_LARGE: 413,
    EventsFault.MEDIA_TYPE: 415,
    EventsFault.UNSIGNED: 403,
    EventsFault.BAD_SIGNATURE: 403,
    EventsFault.OLD: 403,
    # The service is to try again: a key that is missing is brought back.
    EventsFault.KEY_UNREADABLE: 503,
    EventsFault.MALFORMED: 400,
    EventsFault.NOT_INSTALLED: 503,
}


@csrf_exempt
@login_not_required
@never_cache
@require_POST
@transaction.non_atomic_requests
@sensitive_variables("token")
def receive(request: HttpRequest, service: str, token: str) -> HttpResponse:
    """Take a report: 204 once it is stored. A token that there is not is a 404, whatever else may be wrong."""
    webhook = find_event_webhook(service=service, token=token)
    if webhook is None:
        return _problem(404, "not_found")
    try:
        # Read here, and not by request.body, which a host project may have bounded otherwise.
        body = request.read(MOST_OCTETS + 1)
        receive_events(
            webhook=webhook, body=body, content_type=request.content_type or "", headers=request.headers
        )
    except UnreadablePostError:
        return _problem(400, EventsFault.MALFORMED)
    except EventsRefused as error:
        return _problem(_STATUS[error.fault], error.fault)
    return HttpResponse(status=204)


def _problem(status: int, code: str) -> JsonResponse:
    return JsonResponse({"error": code}, status=status)
