"""Signing in by a browser: what a service is asked, and what its answer comes to (RFC 6749 §4.1, RFC 7636, RFC 9207).

What a client library would do is the address and a hash; the request for tokens goes through the gate like any other.
Nothing is asked that says who signed in: the mail server tells whether the token is for the account's user name, when
the connection is tried, and for a shared mailbox only it can.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass, fields
from time import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.access_tokens import FETCH_SECONDS, ask_client
from mailconfig.delivery.accounts.oauth2_logins import connect_account, scopes_of
from mailconfig.delivery.web import web_surroundings
from mailconfig.exceptions import SignInRefused
from mailconfig.models import Account, AccountKind, Mailbox, OAuth2Client, OAuth2Grant, OAuth2GrantType
from mailconfig.models.access import may_set_secret
from mailconfig.models.oauth2_grant import grant_of
from mailconfig.models.oauth2_providers import PROVIDERS
from mailconfig.values import Authentication, Secret, SignInFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.base_user import AbstractBaseUser

SIGN_IN_SECONDS = 600.0
"""For which a service may take to send the browser back."""
LONGEST_CODE = 4096
_DENIED = frozenset({"access_denied", "consent_required", "interaction_required", "login_required"})
"""Words of somebody who did not agree (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A sign-in that was begun. The browser's session keeps it on our side until the service sends the browser back."""

    state: str
    verifier: str
    """What only we know of the challenge that the service was shown (RFC 7636 §4.1)."""
    account_id: int
    client_id: int
    user: str
    """Key of whoever began it."""
    redirect_uri: str
    scope: str
    began_at: float

    def as_dict(self) -> dict[str, Any]:
        """Return what a session can keep."""
        return asdict(self)

    @classmethod
    def of(cls, kept: object) -> Self | None:
        """Return the sign-in that a session kept; ``None``: it is none, or of another release."""
        names = {field.name for field in fields(cls)}
        return cls(**kept) if isinstance(kept, dict) and set(kept) == names else None


def find_sign_in_client(*, account: Account) -> OAuth2Client | None:
    """Return the app registration for which somebody has to sign in; ``None``: the account logs in otherwise."""
    grant = grant_of(account) if account.authentication == Authentication.OAUTH2 else None
    if grant is None or grant.grant_type != OAuth2GrantType.AUTHORIZATION_CODE:
        return None
    return grant.client


def begin_sign_in(*, account: Account, by: AbstractBaseUser, redirect_uri: str) -> tuple[str, SignIn]:
    """Return the address at which somebody signs in for an account, and what is to be kept meanwhile.

    Args:
        account: with a login by an app registration for which somebody signs in.
        by: who begins it; nobody else can end it.
        redirect_uri: where the service sends the browser, as it is registered there.

    Raises:
        SignInRefused: the account needs nobody to sign in.
    """
    client = find_sign_in_client(account=account)
    if client is None:
        raise SignInRefused(SignInFault.NOT_NEEDED)
    sign_in = SignIn(
        state=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(64),
        account_id=account.pk,
        client_id=client.pk,
        user=str(by.pk),
        redirect_uri=redirect_uri,
        scope=scopes_of(_whole(account), client),
        began_at=time(),
    )
    facts = PROVIDERS.get(client.provider)
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": sign_in.scope,
        "state": sign_in.state,
        "code_challenge": _challenge(sign_in.verifier),
        "code_challenge_method": "S256",
        **(facts.authorization_parameters if facts else {}),
    }
    if account.username:
        query["login_hint"] = account.username
    url = client.authorization_url()
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", sign_in


def finish_sign_in(*, sign_in: SignIn | None, answer: Mapping[str, str], by: AbstractBaseUser) -> OAuth2Grant:
    """Turn what a service sent the browser back with into a stored login. Not to be called inside a transaction.

    Args:
        sign_in: the one of this browser's session with the answer's ``state``, which is in no session any more.
        answer: parameters of the address that the browser was sent to.
        by: who is logged in now.

    Raises:
        SignInRefused: nothing was stored, and why.
        TokenRefused, TokenUnavailable, TokenAnswerBroken, SecretUnreadable: the service gave no token for its code.
        NoAccount, ValidationError: see :func:`~.oauth2_logins.connect_account`.
    """
    if sign_in is None or not 0 <= time() - sign_in.began_at <= SIGN_IN_SECONDS:
        raise SignInRefused(SignInFault.UNKNOWN)
    if sign_in.user != str(by.pk):
        raise SignInRefused(SignInFault.ANOTHER_PERSON)
    client = OAuth2Client.objects.filter(pk=sign_in.client_id).first()
    account = Account.objects.for_principal(by, "change").filter(pk=sign_in.account_id).only("owner").first()
    if client is None or account is None or not may_set_secret(by, account):
        raise SignInRefused(SignInFault.UNKNOWN)
    # Who sends an answer from elsewhere than the service that was asked mixes two up (RFC 9207 §2.4).
    if issuer := answer.get("iss", ""):
        _require_host_of(client, issuer)
    if error := answer.get("error", ""):
        raise SignInRefused(SignInFault.DENIED if error in _DENIED else SignInFault.REFUSED)
    code = answer.get("code", "")
    if not 0 < len(code) <= LONGEST_CODE:
        raise SignInRefused(SignInFault.UNKNOWN)
    parameters: dict[str, str | Secret] = {
        "grant_type": OAuth2GrantType.AUTHORIZATION_CODE.value,
        "code": code,
        "redirect_uri": sign_in.redirect_uri,
        "code_verifier": sign_in.verifier,
    }
    found = ask_client(client, parameters, web_surroundings(within=FETCH_SECONDS))
    return connect_account(
        account_id=sign_in.account_id, client=client, answer=found, scope=sign_in.scope, by=by
    )


def redirect_uri_of(path: str) -> str:
    """Return the address of a page as the deployment says it is reached; ``""``: it does not say.

    The host of a request may be anybody's word, and a service compares the address letter by letter.
    """
    base = get_settings().oauth2_redirect_base
    return base.rstrip("/") + path if base else ""


def _whole(account: Account) -> Account:
    """Return the account with what only a mailbox has: whether it is read as well."""
    if account.kind == AccountKind.MAILBOX and not isinstance(account, Mailbox):
        return Mailbox.objects.get(pk=account.pk)
    return account


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _require_host_of(client: OAuth2Client, issuer: str) -> None:
    try:
        there = urlsplit(issuer).netloc.lower()
    except ValueError:
        there = ""
    if there != urlsplit(client.authorization_url()).netloc.lower():
        raise SignInRefused(SignInFault.ANOTHER_SERVICE)
