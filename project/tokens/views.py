"""The admin's page of tokens. Its URLs are wrapped by the admin site: staff only, CSRF checked, never cached."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from .forms import TokenForm
from .making import NewToken, make_token, visible_tokens

logger = logging.getLogger(__name__)

SHOWN_CHARACTERS = 10
PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A token in the list."""

    key: str
    """Knox's first fifteen characters, by which it finds the row; the forty-nine others are the secret."""
    user: User
    created_at: datetime
    expires_at: datetime | None
    is_expired: bool

    @property
    def beginning(self) -> str:
        """By which a person knows it again."""
        return self.key[:SHOWN_CHARACTERS]


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The form and the list; after a POST the new token, which no other answer ever holds.

    No redirect follows the POST: it would have to keep the token somewhere on its way.
    """
    asks = cast("User", request.user)
    if request.method != "POST":
        return _page(request, TokenForm(asks=asks))
    form = TokenForm(request.POST, asks=asks)
    if not form.is_valid():
        return _page(request, form, status=422)
    made = make_token(form.owner, lifetime=form.cleaned_data["lifetime"])
    logger.info("An API token of %s was made by %s", made.user, asks)
    return _page(request, TokenForm(asks=asks), made=made)


@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """Remove the token that begins so, if it is one that the asker sees, and go back."""
    asks = cast("User", request.user)
    key = request.POST.get("key", "")
    # A NUL is refused by PostgreSQL's driver, and is in no token.
    found = visible_tokens(asks).filter(token_key=key).first() if key.isprintable() else None
    if found is None:
        messages.warning(request, "There is no such token; it may have been revoked already.")
    else:
        found.delete()
        logger.info("An API token of %s was revoked by %s", found.user, asks)
        messages.success(
            request, f"Revoked: {key[:SHOWN_CHARACTERS]}… of {found.user}. It is refused from now on."
        )
    return redirect("tokens")


def _page(
    request: HttpRequest, form: TokenForm, *, made: NewToken | None = None, status: int = 200
) -> HttpResponse:
    asks, now = cast("User", request.user), timezone.now()
    listed = Paginator(visible_tokens(asks), PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [
        Row(
            key=token.token_key,
            user=token.user,
            created_at=token.created,
            expires_at=token.expiry,
            is_expired=token.expiry is not None and token.expiry <= now,
        )
        for token in listed
    ]
    context = {"title": "API tokens", "form": form, "made": made, "rows": rows, "listed": listed}
    return render(request, "project/tokens.html", admin.site.each_context(request) | context, status=status)
