"""Views of a host project that log errors in every state a request can be in."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from mailconfig.models import Tenant

logger = logging.getLogger("django.host_project")


def fine(request: HttpRequest) -> HttpResponse:
    logger.error("noted and handled")
    return HttpResponse("fine")


def odd(request: HttpRequest) -> HttpResponse:
    logger.error("odd \x00 \udc80 \ud800 \u2028 \x1b \x85 \n\r\t end")
    return HttpResponse("fine")


def broken(request: HttpRequest) -> HttpResponse:
    """Uses a transaction that an error has broken, as many a view does."""
    Tenant.objects.create(slug="once")
    try:
        Tenant.objects.create(slug="once")
    except IntegrityError:
        logger.exception("it is there already")
    return HttpResponse("fine")


def given_up(request: HttpRequest) -> HttpResponse:
    """Answers an error, as a REST framework's exception handler does, and has everything rolled back."""
    Tenant.objects.create(slug="never")
    logger.error("given up")
    transaction.set_rollback(True)
    return HttpResponse("sorry", status=HTTPStatus.BAD_GATEWAY)


def crash(request: HttpRequest) -> HttpResponse:
    Tenant.objects.create(slug="never")
    raise RuntimeError("the view crashed")


async def in_an_event_loop(request: HttpRequest) -> HttpResponse:
    logger.error("from a loop")
    return HttpResponse("fine")


def error_page(request: HttpRequest) -> HttpResponseBase:
    return HttpResponse("the project's own error page", status=HTTPStatus.INTERNAL_SERVER_ERROR)


handler500 = error_page
_VIEWS: dict[str, Callable[..., object]] = {
    view.__name__: csrf_exempt(view) for view in (fine, odd, broken, given_up, crash)
}
urlpatterns = [path(name, view) for name, view in _VIEWS.items()]  # type: ignore[arg-type]
urlpatterns += [path("in_an_event_loop", in_an_event_loop), path("odd/<path:rest>", crash)]
