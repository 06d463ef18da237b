"""Views of what the demo's mail server received: a page for people, a list for scripts. No login needed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .correspondents import ANSWERING, BOUNCING
from .store import inbox

SHOWN = 100


@require_safe
@never_cache
def listing(request: HttpRequest) -> JsonResponse:
    """All mails, oldest first."""
    mails = [
        {
            "received_at": mail.received_at.isoformat(),
            "mail_from": mail.mail_from,
            "recipients": list(mail.recipients),
            "headers": mail.headers,
            "text": mail.text,
        }
        for mail in inbox.mails()
    ]
    return JsonResponse(mails, safe=False)


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The newest mails, newest first; the page looks for more by itself."""
    numbered = list(enumerate(inbox.mails(), start=1))
    return render(
        request,
        "project/inbox.html",
        {
            "mails": numbered[: -SHOWN - 1 : -1],
            "count": len(numbered),
            "shown": SHOWN,
            "answering": ANSWERING,
            "bouncing": BOUNCING,
        },
    )
