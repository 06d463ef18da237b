"""Opting out by the link of a mail (RFC 2369 §3.2) and by one click in a mail program (RFC 8058).

Programs that look at links before people do, and browsers that fetch ahead, come by GET or HEAD: that changes nothing. Any
POST opts out, without cookies or a token of ours: a mail program has neither, and what a stranger could forge is the address
itself, which is signed. The answer is the page, never another address (RFC 8058 §3.1).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from mailconfig import delivery

LANGUAGES = ("en", "ja")
"""Those that the page speaks, whatever languages the site has."""
LONGEST_ACCEPTED = 500


@method_decorator(csrf_exempt, name="dispatch")
class OptOutView(View):
    """Ask, and note that somebody opted out. To a token that is none of ours all methods say the same."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in the reader's language, for nobody else to keep, to frame or to learn the address from."""
        language = language_of(request.headers.get("Accept-Language", ""))
        with translation.override(language):
            response = super().dispatch(request, *args, **kwargs)
        response["Content-Language"] = language
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["X-Frame-Options"] = "DENY"
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = (
            f"default-src 'none'; style-src {_style_source()}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        patch_vary_headers(response, ["Accept-Language"])
        return response

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Ask; nothing changes."""
        wish = delivery.find_wish(token)
        return _page(wish)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Note the wish, once. What the body says does not matter."""
        wish = delivery.find_wish(token)
        if wish is None:
            return _page(None)
        delivery.opt_out(wish)
        return _page(wish, said=delivery.opt_out_message(wish), is_done=True)


def _page(wish: delivery.Wish | None, *, said: str = "", is_done: bool = False) -> HttpResponse:
    # Without the request: what context processors add would read the session.
    context = {"wish": wish, "said": said, "is_done": is_done}
    return HttpResponse(render_to_string("mailconfig/unsubscribe.html", context), status=200 if wish else 404)


def language_of(accepted: str) -> str:
    """Return the first of our languages that a browser names, the one that it wants most; English if it names none."""
    for language, _quality in parse_accept_lang_header(accepted[:LONGEST_ACCEPTED].lower()):
        if (short := language.partition("-")[0]) in LANGUAGES:
            return short
    return LANGUAGES[0]


def _style_source() -> str:
    """Return where our style sheet may come from: this site, or the one that its static files are at."""
    place = urlsplit(static("mailconfig/connect.css"))
    return f"{place.scheme}://{place.netloc}" if place.scheme and place.netloc else "'self'"
