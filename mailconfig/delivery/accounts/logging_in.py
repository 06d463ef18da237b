"""Credentials of sessions: what an account proves itself by, and what is tried when the server does not take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Protocol, TypeVar

from mailconfig.delivery.accounts.access_tokens import find_token
from mailconfig.exceptions import HostNotAllowed, LoginRefused, TokenRefused
from mailconfig.models import Account, OAuth2Grant
from mailconfig.models.oauth2_grant import grant_of, scopes_wanted
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.oauth2 import CONNECT_AGAIN
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Remedy, Stage

Opened = TypeVar("Opened")


class Credentials(Protocol):
    """Step that completes the settings with what the account proves itself by."""

    def settings_for(self, surroundings: Surroundings) -> ConnectionSettings:
        """Return the settings to log in with.

        Raises:
            SecretUnreadable: there is nothing that could be shown.
            TransportError: nothing could be fetched.
        """
        ...

    def after_refusal(self, refusal: LoginRefused, surroundings: Surroundings) -> ConnectionSettings | None:
        """Return settings to log in with once more; ``None``: there is nothing else to show.

        Raises:
            SecretUnreadable, TransportError: as for :meth:`settings_for`.
        """
        ...

    def after_second_refusal(self, refusal: LoginRefused) -> LoginRefused:
        """Return what it means that what was shown next was refused as well."""
        ...


class StoredSecret:
    """Password or token as it is stored; the transport opens it when it needs it."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings

    def settings_for(self, surroundings: Surroundings) -> ConnectionSettings:
        """Return the settings as they are: the account's own have its secret."""
        return self._settings

    def after_refusal(self, refusal: LoginRefused, surroundings: Surroundings) -> None:
        """Return nothing: what is stored is all there is."""

    def after_second_refusal(self, refusal: LoginRefused) -> LoginRefused:
        """Return it as it is."""
        return refusal


class FetchedToken:
    """Access token, fetched when there is none that is good; once more when the server refused one."""

    def __init__(self, account: Account, grant: OAuth2Grant, settings: ConnectionSettings) -> None:
        self._account, self._grant, self._settings = account, grant, settings
        self._number = 0

    def settings_for(self, surroundings: Surroundings) -> ConnectionSettings:
        """Return the settings with a token.

        Raises:
            HostNotAllowed: the app's tokens are not for this server.
            TokenRefused, TokenUnavailable, TokenAnswerBroken, SecretUnreadable: there is none.
        """
        self._require_own()
        return self._with_token(surroundings, refused=None)

    def after_refusal(self, refusal: LoginRefused, surroundings: Surroundings) -> ConnectionSettings | None:
        """Return the settings with another token, if it was the token that the server did not like."""
        if refusal.temporary or refusal.reply is None or refusal.field != "secret":
            return None
        return self._with_token(surroundings, refused=self._number)

    def after_second_refusal(self, refusal: LoginRefused) -> LoginRefused:
        """Return the refusal of a fresh token: the permission is not what it was, or the organisation never gave it."""
        if self._grant.is_of_organisation:
            refusal.hint = "The organisation has to let the app registration into this mailbox, and to allow SMTP or IMAP for it."
            return refusal
        return TokenRefused(
            "The server refused the login.",
            remedy=Remedy.CONNECT,
            error="refused_by_server",
            tries=refusal.tries,
            stage=Stage.LOGIN,
            code=ErrorCode.AUTH_FAILED,
            field="authentication",
            reply=refusal.reply,
            hint=CONNECT_AGAIN,
            detail=refusal.detail,
            temporary=False,
        )

    def _with_token(self, surroundings: Surroundings, *, refused: int | None) -> ConnectionSettings:
        scope = scopes_wanted(self._account, self._grant.client, self._grant.grant_type)
        held = find_token(self._grant, scope=scope, surroundings=surroundings, refused=refused)
        self._number = held.number
        return replace(self._settings, secret=held.secret, acts_as_user=self._grant.is_of_organisation)

    def _require_own(self) -> None:
        """Refuse to show a token to a server that it is not for, or for somebody whom nobody granted it to."""
        grant, account, settings = self._grant, self._account, self._settings
        if not grant.client.lets_in(settings.host):
            raise HostNotAllowed(
                "The tokens of this app registration are not for this mail server.",
                stage=Stage.RESOLVE,
                code=ErrorCode.HOST_NOT_ALLOWED,
                field="host",
                temporary=False,
            )
        of_tenant = grant.client.tenant_id
        if of_tenant is not None and of_tenant != account.tenant_id:
            raise _not_granted("This app registration belongs to another tenant.", Remedy.REGISTRATION)
        if not grant._state.adding and not grant.admits(account, settings.username):
            remedy = Remedy.REGISTRATION if grant.is_of_organisation else Remedy.CONNECT
            raise _not_granted("The login was granted for another user name, owner or tenant.", remedy)


def _not_granted(message: str, remedy: Remedy) -> TokenRefused:
    hint = CONNECT_AGAIN
    if remedy is Remedy.REGISTRATION:
        hint = "Somebody who may choose app registrations has to choose it for this account again."
    return TokenRefused(
        message,
        remedy=remedy,
        error="not_granted",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        hint=hint,
        temporary=False,
    )


def credentials_of(account: Account, settings: ConnectionSettings) -> Credentials:
    """Return the step for the account's way to log in.

    Args:
        account: whose it is.
        settings: of the connection that it is for, with the account's own secret.
    """
    if settings.authentication is Authentication.OAUTH2:
        grant = grant_of(account)
        if grant is not None:
            return FetchedToken(account, grant, settings)
    return StoredSecret(settings)


def log_in(
    credentials: Credentials,
    surroundings: Surroundings,
    open_with: Callable[[ConnectionSettings, Surroundings], Opened],
) -> Opened:
    """Open something with an account's credentials; what the server refuses is shown fresh once, over another connection.

    Raises:
        LoginRefused: it was refused; ``tries`` counts all of them.
        TransportError, SecretUnreadable: whatever else is in the way.
    """
    began = monotonic()
    shown = credentials.settings_for(surroundings)
    try:
        return open_with(shown, _rest_of(surroundings, began))
    except LoginRefused as error:
        again = credentials.after_refusal(error, _rest_of(surroundings, began))
        if again is None:
            raise
        tries = error.tries
    try:
        return open_with(again, _rest_of(surroundings, began))
    except LoginRefused as error:
        error.tries += tries
        raise credentials.after_second_refusal(error) from None


def _rest_of(surroundings: Surroundings, began: float) -> Surroundings:
    """Return the surroundings with what is left of the time for everything."""
    total = surroundings.timeouts.total
    if total is None:
        return surroundings
    left = max(0.05, total - (monotonic() - began))
    return replace(surroundings, timeouts=replace(surroundings.timeouts, total=left))
