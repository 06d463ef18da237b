"""Logins by OAuth 2 of accounts: chosen, connected, and ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from mailconfig import signals
from mailconfig.delivery.accounts import token_rows
from mailconfig.delivery.clock import database_now
from mailconfig.exceptions import NoAccount
from mailconfig.models import (
    Account,
    AccountKind,
    Lane,
    Mailbox,
    OAuth2Client,
    OAuth2Grant,
    OAuth2Token,
    Purpose,
    WaitReason,
    note_account_resumed,
)
from mailconfig.models.access import holds
from mailconfig.models.lane import wake_lanes
from mailconfig.models.oauth2_grant import grant_of, scopes_wanted
from mailconfig.models.oauth2_providers import PROVIDERS, OAuth2GrantType, OAuth2Provider
from mailconfig.transports.oauth2 import TokenAnswer
from mailconfig.values import Authentication, Secret, Security

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def choose_oauth2_login(*, account: Account, client: OAuth2Client, grant_type: str) -> OAuth2Grant:
    """Let an account log in by an app registration, once it is stored (:func:`mailconfig.delivery.save_account`).

    Its password goes. What somebody agreed to before stays if it is the same app, for the same user names, owner and tenant.

    Args:
        account: as it was entered; its other values are to be set before.
        client: the app registration.
        grant_type: of an :class:`~mailconfig.models.OAuth2GrantType`.

    Returns:
        The grant, set on the account and not stored.
    """
    account.authentication = Authentication.OAUTH2
    if isinstance(account, Mailbox):
        account.enter_smtp_password(None)
        account.enter_password(None)
    account.secret = None
    grant = grant_of(account) or OAuth2Grant(account=account)
    before = (grant.client_id, grant.grant_type, grant.logins, grant.holder)
    grant.client, grant.grant_type = client, grant_type
    grant.admit(account)
    if before != (client.pk, grant_type, grant.logins, grant.holder):
        grant.refresh_token = grant.connected_at = grant.connected_by = None
        grant.scopes = ""
    account.oauth2_grant = grant
    return grant


def require_storable_grant(account: Account, by: AbstractBaseUser | None) -> None:
    """Refuse a login by OAuth 2 that may not be chosen.

    Raises:
        ValidationError: at ``authentication``; nothing was stored.
    """
    grant = _chosen(account)
    if grant is None:
        return
    client = grant.client
    if by is not None and not holds(by, "use_oauth2client"):
        _refuse(_("You may not choose the app registration by which an account logs in."), "not_permitted")
    if client.tenant_id is not None and client.tenant_id != account.tenant_id:
        _refuse(_("This app registration belongs to another tenant."), "other_tenant")
    facts = PROVIDERS.get(client.provider)
    if grant.is_of_organisation and facts is not None and not facts.of_organisation:
        _refuse(_("With this service somebody has to sign in."), "no_such_way")
    if grant.is_of_organisation and client.secret is None:
        _refuse(_("Without somebody who signs in, the app registration needs a client secret."), "no_secret")
    if not client.lets_in(_server_of(account)):
        _refuse(_("The tokens of this app registration are not for this mail server."), "other_server")


def _server_of(account: Account) -> str:
    """Return where its tokens are shown: to what sends, or to what reads where nothing that is named sends."""
    host = account.transport_settings().host
    return host if host or not isinstance(account, Mailbox) else account.sync_settings().host


def _refuse(words: str, code: str) -> None:
    raise ValidationError({"authentication": ValidationError(words, code=code)})


def _chosen(account: Account) -> OAuth2Grant | None:
    """Return the grant that was set on the account and is not stored like that."""
    cached: OAuth2Grant | None = account._state.fields_cache.get("oauth2_grant")
    if cached is None or account.authentication != Authentication.OAUTH2:
        return None
    if cached.pk is None:
        return cached
    stored = (
        OAuth2Grant.objects.filter(pk=cached.pk).values("client_id", "grant_type", "logins", "holder").first()
    )
    return (
        None
        if stored is not None and all(getattr(cached, name) == value for name, value in stored.items())
        else cached
    )


def store_grant(account: Account, *, had_one: bool) -> None:
    """Store what was chosen, in the transaction that stores the account; one that logs in otherwise has no grant any more.

    Args:
        account: stored already.
        had_one: whether it logged in by OAuth 2 before.
    """
    if account.authentication != Authentication.OAUTH2:
        if had_one:
            token_rows.hold(account.pk)
            OAuth2Grant.objects.filter(account_id=account.pk).delete()
        return
    grant = _chosen(account)
    if grant is not None:
        token_rows.hold(account.pk)
        grant.account = account
        grant.admit(account)
        grant.save()
        OAuth2Token.objects.filter(grant=grant).delete()
        _wake(account.pk)


def _wake(account_id: int) -> None:
    """Let all that the account waited with go on by its new login."""
    purposes = Lane.objects.filter(account_id=account_id).values_list("purpose", flat=True)
    wake_lanes(account_id, reconnects=[Purpose(purpose) for purpose in purposes])


def connect_account(
    *, account_id: int, client: OAuth2Client, answer: TokenAnswer, scope: str, by: AbstractBaseUser | None
) -> OAuth2Grant:
    """Store what somebody agreed to: the refresh token, and the first access token. Waiting mail moves on.

    Args:
        account_id: of the account that shows the app registration as its login.
        client: the app that asked.
        answer: of the service to the code that it gave.
        scope: what was asked for.
        by: who connected it here; ``None``: its mailbox's owner, by a link.

    Raises:
        NoAccount: there is none, or it does not log in by this app any more.
        ValidationError: the service gave nothing that lasts.
    """
    if answer.refresh_token is None:
        raise ValidationError(
            _("The service gave no lasting permission: connect the account again."), code="no_refresh_token"
        )
    asked_at: datetime = database_now()
    with transaction.atomic():
        account = _account_for_grant(account_id)
        token_rows.hold(account_id)
        rows = OAuth2Grant.objects.select_for_update(of=("self",)).select_related("client")
        grant = rows.filter(
            account_id=account_id, client=client, grant_type=OAuth2GrantType.AUTHORIZATION_CODE
        ).first()
        if grant is None:
            raise NoAccount(_("The account does not log in by this app registration any more."))
        grant.admit(account)
        grant.refresh_token = answer.refresh_token
        grant.scopes, grant.connected_at = answer.scope or scope, asked_at
        grant.connected_by_id = by.pk if by else None
        grant.save()
        row = token_rows.find_row(grant, scope)
        row.scope, row.client, row.grant = scope, grant.client, grant
        token_rows.put(row, answer, asked_at=asked_at)
        _wake(account_id)
    return grant


def _account_for_grant(account_id: int) -> Account:
    account = Account.objects.select_for_update().kept().filter(pk=account_id).first()
    if account is None or account.authentication != Authentication.OAUTH2:
        raise NoAccount(_("The account does not exist any more."))
    if account.kind == AccountKind.MAILBOX:
        return Mailbox.objects.get(pk=account_id)
    return account


def disconnect_account(*, account_id: int) -> None:
    """Forget what somebody agreed to. The service is not told: who agreed may withdraw it there."""
    with transaction.atomic():
        token_rows.hold(account_id)
        OAuth2Grant.objects.filter(account_id=account_id).update(
            refresh_token=None, connected_at=None, connected_by=None, scopes=""
        )
        OAuth2Token.objects.filter(grant__account_id=account_id).delete()


def save_oauth2_client(*, client: OAuth2Client) -> None:
    """Store an app registration; accounts that waited for it to be mended try again.

    Raises:
        ValidationError: the destination changed and no new secret came with it.
    """
    with transaction.atomic():
        client.save()
        OAuth2Token.objects.filter(client=client).update(
            retry_at=None, failures=0, failed_at=None, failure_code="", failure_text=""
        )
        waiting = Lane.objects.filter(
            wait_reason__in=[WaitReason.PAUSED_REGISTRATION, WaitReason.TOKEN_AWAY],
            account__oauth2_grant__client=client,
        )
        resumed = list(waiting.select_for_update(of=("self",)).values_list("pk", "account_id", "purpose"))
        Lane.objects.filter(pk__in=[pk for pk, _account, _purpose in resumed]).update(
            wait_reason="",
            wait_since=None,
            wait_until=None,
            wait_text="",
            failures=0,
            due_at=Now(),
            rung_at=None,
        )

        for _pk, account_id, purpose in resumed:
            note_account_resumed(account_id, purpose=purpose)

        def tell() -> None:
            for _pk, account_id, purpose in resumed:
                signals.account_resumed.send_robust(sender=Lane, account_id=account_id, purpose=str(purpose))

        transaction.on_commit(tell, robust=True)


def log_in_by_microsoft(
    *,
    account: Account,
    directory: str,
    client_id: str,
    client_secret: Secret,
    host: str = "",
    port: int = 587,
) -> None:
    """Let an account that is not stored send by an app of Microsoft's, in which nobody signs in; nothing is stored of it.

    Args:
        account: with the user name of the mailbox.
        directory: the organisation's id, or a domain of it.
        client_id: of the app.
        client_secret: of the app.
        host: the mail server; empty: Microsoft's own.
        port: of the mail server.
    """
    facts = PROVIDERS[OAuth2Provider.MICROSOFT]
    account.host, account.port = host or facts.mail_servers[0], port
    account.security = Security.TLS if port == 465 else Security.STARTTLS
    account.authentication, account.secret = Authentication.OAUTH2, None
    client = OAuth2Client(
        name=client_id,
        provider=OAuth2Provider.MICROSOFT,
        directory=directory,
        client_id=client_id,
        secret=client_secret,
        # Whoever names a server here has the app's secret as well.
        mail_servers=account.host,
    )
    account.oauth2_grant = OAuth2Grant(client=client, grant_type=OAuth2GrantType.CLIENT_CREDENTIALS)


def scopes_of(account: Account, client: OAuth2Client) -> str:
    """Return the rights that somebody is asked to agree to for the account."""
    return scopes_wanted(account, client, OAuth2GrantType.AUTHORIZATION_CODE)
