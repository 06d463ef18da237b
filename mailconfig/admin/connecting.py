"""The way from an account's page to the page on which somebody connects it, and what an app has to be registered with."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from mailconfig.delivery import find_sign_in_client, redirect_uri_of
from mailconfig.models import Account
from mailconfig.models.access import may_set_secret, within_reach

from .typed import user_of


def connect_context(request: HttpRequest, account: Account) -> dict[str, Any]:
    """Return for the account's page where it is connected, and the link for its owner; nothing where nobody signs in."""
    if find_sign_in_client(account=account) is None:
        return {}
    try:
        path = reverse("mailconfig-connect", args=[account.uuid])
    except NoReverseMatch:  # the project has not included the pages
        return {}
    mine = Account.objects.for_principal(user_of(request), "change")
    may = may_set_secret(user_of(request), account) and (
        mine.filter(within_reach(Account, user_of(request)), pk=account.pk).exists()
    )
    is_of_another = account.owner_id is not None and account.owner_id != user_of(request).pk
    return {
        "connect_url": f"{path}?from=admin" if may else "",
        "connect_link": redirect_uri_of(path) if is_of_another else "",
    }


def redirect_uri() -> str:
    """Return where services send browsers back; ``""``: nowhere, since nobody said under which address this site is reached."""
    try:
        return redirect_uri_of(reverse("mailconfig-oauth2-callback"))
    except NoReverseMatch:
        return ""
