"""Sign-ins: begun on a page of the account, ended where the service sends the browser back (RFC 6749 §4.1).

What was begun is kept in the browser's session, so nobody else's browser can end it, and is taken out of it first, so that
nothing ends twice. No token is in an address; the code that a service puts there is used at once, and the browser sent on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from mailconfig.delivery import (
    SignIn,
    begin_sign_in,
    disconnect_account,
    find_sign_in_client,
    finish_sign_in,
    leaves_checks_to_workers,
    probe_account,
    redirect_uri_of,
    request_check,
    words_of_check,
)
from mailconfig.exceptions import MailconfigError
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, OAuth2Client, OAuth2Grant
from mailconfig.models.access import may_set_secret

from . import words

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User

KEPT = "mailconfig_sign_ins"
MOST_KEPT = 5
"""Sign-ins that one browser may have begun; the oldest goes."""
CODE = "no-referrer"
"""The policy of an answer whose address had a code in it."""
ADMIN = "admin"
"""Who comes from there goes back there."""


@never_cache
@login_required
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what connecting the account means; by POST send the browser to its service."""
    account, client = _account(request, uuid)
    redirect_uri = redirect_uri_of(reverse("mailconfig-oauth2-callback"))
    if request.method == "POST" and redirect_uri:
        url, sign_in = begin_sign_in(account=account, by=_user(request), redirect_uri=redirect_uri)
        _keep(request, sign_in, origin=request.POST.get("from", ""))
        return _apart(HttpResponseRedirect(url))
    grant = OAuth2Grant.objects.filter(account_id=account.pk).first()
    context = {
        "account": account,
        "client": client,
        "grant": grant,
        "from": ADMIN if request.GET.get("from") == ADMIN else "",
        "no_address": "" if redirect_uri else words.NO_ADDRESS,
    }
    return _apart(TemplateResponse(request, "mailconfig/connect.html", context))


@never_cache
@login_required
@csrf_protect
@require_POST
@transaction.non_atomic_requests
def disconnect(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Forget what was agreed to."""
    account, _client = _account(request, uuid)
    disconnect_account(account_id=account.pk)
    messages.info(request, words.DISCONNECTED)
    return _apart(HttpResponseRedirect(_page(account, request.POST.get("from", ""))))


@never_cache
@require_GET
@transaction.non_atomic_requests
def callback(request: HttpRequest) -> HttpResponse:
    """Store what the service gave, try the connection, and go back to the account's page."""
    kept, origin = _take(request, request.GET.get("state", ""))
    account = None if kept is None else Account.objects.kept().filter(pk=kept.account_id).first()
    try:
        finish_sign_in(sign_in=kept, answer=request.GET.dict(), by=_user(request))
    except (MailconfigError, ValidationError) as error:
        return _failed(request, account, origin, words.words_of(error))
    if account is None:
        raise Http404
    return _apart(HttpResponseRedirect(_tried(request, account, origin)), referrer=CODE)


def _tried(request: HttpRequest, account: Account, origin: str) -> str:
    """Try the connection; return the page that shows what came of it."""
    messages.success(request, words.CONNECTED)
    try:
        if leaves_checks_to_workers():
            check = request_check(
                account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=_user(request), recipient=""
            )
        else:
            check = probe_account(account_id=account.pk, requested_by=_user(request))
    except (MailconfigError, ValidationError) as error:
        messages.error(request, words.words_of(error))
        return _page(account, origin)
    if check.state == CheckState.FAILED:
        messages.error(request, words_of_check(check))
    elif check.state == CheckState.PASSED:
        messages.success(request, words_of_check(check))
    return _page(account, origin, check)


def _account(request: HttpRequest, uuid: UUID) -> tuple[Account, OAuth2Client]:
    """Return the account whose login this person may set, and the app registration by which somebody signs in for it.

    Raises:
        Http404: there is none; whether there is one for somebody else, nobody learns.
    """
    rows = Account.objects.for_principal(_user(request), "change")
    account = rows.filter(uuid=uuid).first()
    if account is not None and not may_set_secret(_user(request), account):
        account = None
    client = None if account is None else find_sign_in_client(account=account)
    if account is None or client is None:
        raise Http404
    return account, client


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]  # nobody, for whom nothing was begun, is refused by what is called


def _keep(request: HttpRequest, sign_in: SignIn, *, origin: str) -> None:
    entry = {"sign_in": sign_in.as_dict(), "from": ADMIN if origin == ADMIN else ""}
    kept = _kept(request)
    newest = dict(list(kept.items())[-(MOST_KEPT - 1) :])
    request.session[KEPT] = {**newest, sign_in.state: entry}


def _take(request: HttpRequest, state: str) -> tuple[SignIn | None, str]:
    kept = _kept(request)
    entry = kept.pop(state, None)
    if not isinstance(entry, dict):
        return None, ""
    request.session[KEPT] = kept
    # Stored at once: the same answer may come a second time while this one is still asked for its token.
    request.session.save()
    return SignIn.of(entry.get("sign_in")), str(entry.get("from", ""))


def _kept(request: HttpRequest) -> dict[str, Any]:
    found = request.session.get(KEPT)
    return dict(found) if isinstance(found, dict) else {}


def _failed(request: HttpRequest, account: Account | None, origin: str, said: str) -> HttpResponse:
    """Say on the account's page why it was not connected; where nothing is known of it, on a page that says only that."""
    may_see = account is not None and (
        Account.objects.for_principal(_user(request), "change").filter(pk=account.pk).exists()
    )
    if account is not None and may_see:
        messages.error(request, said)
        return _apart(HttpResponseRedirect(_page(account, origin)), referrer=CODE)
    page = TemplateResponse(request, "mailconfig/not_connected.html", {"said": said}, status=400)
    return _apart(page, referrer=CODE)


def _page(account: Account, origin: str, check: ConnectionCheck | None = None) -> str:
    """Return where the account is shown: in the admin to those who came from there."""
    if origin == ADMIN:
        name = f"admin:mailconfig_{account.kind.replace('_', '')}_change"
        try:
            url = reverse(name, args=[account.pk])
        except NoReverseMatch:
            pass
        else:
            return f"{url}?check={check.uuid}" if check else url
    return reverse("mailconfig-connect", args=[account.uuid])


def _apart(response: HttpResponse, *, referrer: str = "same-origin") -> HttpResponse:
    """Let nobody else learn the address, nor draw the page in a frame.

    Where the address has a code in it not even our own pages learn it. Forms cannot be sent from such a page: a browser that
    tells nothing says ``Origin: null``, which Django refuses.
    """
    response["Referrer-Policy"] = referrer
    response["X-Frame-Options"] = "DENY"
    return response
