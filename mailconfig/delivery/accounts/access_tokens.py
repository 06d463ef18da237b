"""Access tokens of accounts: a good one is shared; when there is none, one of those who need it fetches the next.

The others wait for what comes, so that a thousand accounts of one app make one request.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import datetime
from time import monotonic

from mailconfig import crash
from mailconfig.delivery.accounts import token_rows
from mailconfig.delivery.accounts.token_rows import HeldToken, Lease
from mailconfig.delivery.web import web_surroundings
from mailconfig.exceptions import SecretUnreadable, TokenRefused, TokenUnavailable, TransportError
from mailconfig.models import OAuth2Client, OAuth2Grant, OAuth2GrantType, OAuth2Provider, OAuth2Token
from mailconfig.models.oauth2 import CLIENT_SECRET
from mailconfig.models.oauth2_grant import REFRESH_TOKEN
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.oauth2 import (
    CHECK_REGISTRATION,
    CONNECT_AGAIN,
    TokenAnswer,
    TokenRequest,
    refusal_of,
    request_token,
)
from mailconfig.values import Answer, ErrorCode, Remedy, Secret, Stage

logger = logging.getLogger("mailconfig.oauth2")

FETCH_SECONDS = 20.0
"""For one request, all in all; less than a lease lasts."""
WAIT_SECONDS = 25.0
"""For which others wait for it; then they come back later."""
LOOK_SECONDS = 0.1
COME_BACK_SECONDS = 10.0

LEFT = "A process ended while it renewed the permission. If the service gave out another one then, nobody has it."

_nobody = threading.Event()
"""Never set: to be waited on."""


def find_token(
    grant: OAuth2Grant, *, scope: str, surroundings: Surroundings, refused: int | None = None
) -> HeldToken:
    """Return an access token that is good for a login. Not to be called inside a transaction.

    Args:
        grant: of the account; one that is not stored, or whose app is not, leaves nothing behind.
        scope: what to ask for where nothing was asked for yet.
        surroundings: of the session that it is for: whom to call while the service is waited for, and for how long at most.
        refused: the number of a token that the mail server refused; another one is wanted.

    Raises:
        TokenUnavailable: none came, and later one may.
        TokenRefused: the service gives out none before somebody acts.
        TokenAnswerBroken: its answer is none.
        SecretUnreadable: the app's secret or the refresh token does not open; its ``remedy`` says what helps.
        RuntimeError: a transaction is open.
    """
    if not grant.is_connected:
        raise _refused(
            "Nobody has connected the account yet.",
            remedy=Remedy.CONNECT,
            error="not_connected",
            hint="Connect the account: somebody has to sign in and agree.",
        )
    if grant.client._state.adding or (grant._state.adding and not grant.is_of_organisation):
        return HeldToken(_ask(grant, scope, surroundings).access_token, (refused or 0) + 1)
    row_id, until = token_rows.find_row(grant, scope).pk, monotonic() + _patience(surroundings)
    while True:
        found = token_rows.look(row_id)
        if found is None:
            raise _refused(
                "The account is not connected any more.", remedy=Remedy.CONNECT, error="not_connected"
            )
        row, now = found
        if (held := token_rows.usable(row, now, refused=refused)) is not None:
            return held
        _respect_rest(row, now)
        if (lease := token_rows.take(row)) is not None:
            held = _fetch(row, grant, lease, surroundings)
            if held is not None:
                return held
        if monotonic() >= until:
            raise _later("Another process is fetching the access token.", COME_BACK_SECONDS)
        if surroundings.on_wait is not None:
            surroundings.on_wait()
        _nobody.wait(LOOK_SECONDS)


def _patience(surroundings: Surroundings) -> float:
    total = surroundings.timeouts.total
    return WAIT_SECONDS if total is None else min(WAIT_SECONDS, total)


def _respect_rest(row: OAuth2Token, now: datetime) -> None:
    """Raise what the service said last, as long as it is to be left alone."""
    if row.retry_at is None or row.retry_at <= now:
        return
    if row.failure_code:
        raise of_grant(
            refusal_of(row.failure_code, Answer(0, row.failure_text)), is_of_organisation=row.grant_id is None
        )
    left = (row.retry_at - now).total_seconds()
    raise _later("The sign-in service gives out no tokens now.", left, detail=row.failure_text)


def _fetch(
    row: OAuth2Token, grant: OAuth2Grant, lease: Lease, surroundings: Surroundings
) -> HeldToken | None:
    """Fetch the next token under a lease, and store it; ``None``: the lease is not ours any more."""
    try:
        # As it is under the lease: the last one who had it may have stored another refresh token.
        current = grant if row.grant is None else row.grant
        crash.point("before_token")
        answer = _ask(current, row.scope, surroundings)
        crash.point("after_token")
        held = token_rows.store(lease, answer)
    except TransportError as error:
        if lease.was_left and isinstance(error, TokenRefused) and error.remedy is Remedy.CONNECT:
            error.detail = LEFT
        token_rows.note_failure(lease, row, error)
        logger.warning(
            "no access token: registration=%s grant=%s error=%s",
            row.client_id,
            row.grant_id,
            getattr(error, "error", "") or error.code,
        )
        raise
    except BaseException:
        token_rows.give_back(lease)
        raise
    logger.info("access token fetched: registration=%s grant=%s", row.client_id, row.grant_id)
    return held


def _ask(grant: OAuth2Grant, scope: str, surroundings: Surroundings) -> TokenAnswer:
    """Ask the service.

    Raises:
        TokenUnavailable, TokenRefused, TokenAnswerBroken, SecretUnreadable: see :func:`find_token`.
    """
    client = grant.client
    parameters: dict[str, str | Secret] = {"grant_type": OAuth2GrantType.CLIENT_CREDENTIALS.value}
    if not grant.is_of_organisation:
        refresh = grant.refresh_token
        if isinstance(refresh, SealedSecret):
            refresh = _that_opens(refresh.bound_to(grant.secret_binding(REFRESH_TOKEN)), Remedy.CONNECT)
        parameters = {"grant_type": "refresh_token", "refresh_token": refresh or ""}
    # Of the others a refresh token is for what was agreed to (RFC 6749 §6); Microsoft wants to hear it.
    if scope and (grant.is_of_organisation or client.provider == OAuth2Provider.MICROSOFT):
        parameters["scope"] = scope
    try:
        return ask_client(client, parameters, surroundings)
    except TokenRefused as error:
        raise of_grant(error, is_of_organisation=grant.is_of_organisation) from None


def ask_client(
    client: OAuth2Client, parameters: dict[str, str | Secret], surroundings: Surroundings
) -> TokenAnswer:
    """Ask a service in the name of an app registration for whatever the parameters say; nothing is stored.

    Raises:
        TokenUnavailable, TokenRefused, TokenAnswerBroken, SecretUnreadable: see :func:`find_token`.
    """
    secret = client.secret
    if isinstance(secret, SealedSecret):
        secret = _that_opens(secret.bound_to(client.secret_binding(CLIENT_SECRET)), Remedy.REGISTRATION)
    request = TokenRequest(
        url=client.token_url(),
        client_id=client.client_id,
        client_secret=secret,
        by_header=client.provider == OAuth2Provider.GENERIC,
        parameters=parameters,
    )
    total = surroundings.timeouts.total
    within = FETCH_SECONDS if total is None else min(FETCH_SECONDS, total)
    found = web_surroundings(within=within, on_wait=surroundings.on_wait)
    return request_token(request, replace(found, resolver=surroundings.resolver))


def _that_opens(secret: Secret, remedy: Remedy) -> Secret:
    """Return the secret, which can be shown.

    Raises:
        SecretUnreadable: it cannot, and this helps.
    """
    try:
        secret.reveal()
    except SecretUnreadable as error:
        error.remedy = remedy
        raise
    return secret


def of_grant(error: TokenRefused, *, is_of_organisation: bool) -> TokenRefused:
    """Return a refusal as it is for the account: where nobody signs in, nobody can sign in again."""
    if is_of_organisation and error.remedy is Remedy.CONNECT:
        return refused_registration(error)
    return error


def refused_registration(error: TokenRefused) -> TokenRefused:
    """Return the same refusal, blamed on the app registration."""
    return _refused(
        "The sign-in service refuses the app registration.",
        remedy=Remedy.REGISTRATION,
        error=error.error,
        hint=CHECK_REGISTRATION,
        reply=error.reply,
    )


def _refused(
    message: str, *, remedy: Remedy, error: str, hint: str = CONNECT_AGAIN, reply: Answer | None = None
) -> TokenRefused:
    return TokenRefused(
        message,
        remedy=remedy,
        error=error,
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        hint=hint,
        reply=reply,
        temporary=False,
    )


def _later(message: str, seconds: float, *, detail: str = "") -> TokenUnavailable:
    return TokenUnavailable(
        message,
        retry_after=seconds,
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        detail=detail,
    )
