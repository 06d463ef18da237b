"""Logins by OAuth 2.0: what an account was granted, and the tokens in hand.

A grant belongs to one account and changes when somebody connects it, or when the service
gives another refresh token. A token is what lanes share: where nobody signs in, all accounts of an app have the same one.
So a token has a row of its own, with the lease under which one of them fetches it, and never fights with editing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailconfig.secrets.fields import SecretField
from mailconfig.values import Authentication

from .account import Account
from .mailbox import Mailbox
from .oauth2 import LONGEST_SCOPE, OAuth2Client
from .oauth2_providers import OAuth2GrantType
from .written import WrittenManager

REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a destination
ACCESS_TOKEN = "access_token"  # noqa: S105 - the same


class OAuth2Grant(models.Model):
    """The way in which one account gets its tokens, and what somebody agreed to."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="oauth2_grant")
    client = models.ForeignKey(
        OAuth2Client, on_delete=models.PROTECT, verbose_name=_("app registration"), related_name="grants"
    )
    grant_type = models.CharField(_("login"), max_length=32, choices=OAuth2GrantType.choices)
    logins = models.TextField(editable=False)
    """User names that it was given for, one a line (:func:`logins_of`): with no other does the account log in."""
    holder = models.CharField(max_length=64, editable=False)
    """For which owner and tenant it was given (:func:`holder_of`)."""
    scopes = models.CharField(
        _("rights (scopes)"), max_length=LONGEST_SCOPE, blank=True, default="", editable=False
    )
    """What the service granted, in its words; empty: what was asked for, or nothing yet."""
    refresh_token = SecretField(binding=REFRESH_TOKEN, editable=False)
    connected_at = models.DateTimeField(_("connected"), null=True, editable=False)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        verbose_name=_("connected by"),
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)

    objects = WrittenManager["OAuth2Grant"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = _("OAuth 2 login of an account")
        verbose_name_plural = _("OAuth 2 logins of accounts")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="mailconfig_oauth2_grant_type_known", condition=Q(grant_type__in=OAuth2GrantType.values)
            ),
            models.CheckConstraint(
                name="mailconfig_oauth2_refresh_of_code",
                condition=Q(refresh_token=None) | Q(grant_type=OAuth2GrantType.AUTHORIZATION_CODE),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.grant_type}"

    @property
    def is_of_organisation(self) -> bool:
        """Return whether nobody signs in."""
        return self.grant_type == OAuth2GrantType.CLIENT_CREDENTIALS

    @property
    def is_connected(self) -> bool:
        """Return whether there is something to get tokens with; it may be worth nothing any more."""
        return self.is_of_organisation or self.refresh_token is not None

    def secret_binding(self, name: str) -> str:
        """Return what the refresh token is bound to: where it is shown, for which app, and whose it is."""
        return "\x1f".join([REFRESH_TOKEN, *self.client.destination(), self.holder, self.logins])

    def admit(self, account: Account) -> None:
        """Say that it is given for the account as it is now: its user names, owner and tenant."""
        self.account, self.logins, self.holder = (
            account,
            "\n".join(sorted(logins_of(account))),
            holder_of(account),
        )

    def admits(self, account: Account, username: str) -> bool:
        """Return whether the account, as it is now, may log in with it as ``username``."""
        return self.holder == holder_of(account) and _login(username) in self.logins.split("\n")


class OAuth2Token(models.Model):
    """An access token, fetched by whoever needs it first, under a lease."""

    client = models.ForeignKey(OAuth2Client, on_delete=models.CASCADE, related_name="tokens")
    grant = models.OneToOneField(OAuth2Grant, on_delete=models.CASCADE, related_name="token", null=True)
    """``None``: nobody signed in, and all accounts of the app share it."""
    scope = models.CharField(max_length=LONGEST_SCOPE)
    """What was asked for."""
    access_token = SecretField(binding=ACCESS_TOKEN)
    expires_at = models.DateTimeField(null=True)
    number = models.PositiveIntegerField(default=0, db_default=0)
    """How many there were: who was refused with one sees whether there is another."""
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    """Until when the one who fetches a new one has time; the others wait for what comes."""
    retry_at = models.DateTimeField(null=True)
    """Before then it is not asked for again: it failed."""
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    """In a row; chooses how long."""
    failed_at = models.DateTimeField(null=True)
    failure_code = models.CharField(max_length=64, blank=True, default="", db_default="")
    """The service's word (RFC 6749 §5.2), or ours; empty: nothing is wrong."""
    failure_text = models.TextField(blank=True, default="", db_default="")
    """The service's own words, cleaned and cut; for staff."""

    objects = WrittenManager["OAuth2Token"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["client", "scope"], name="mailconfig_one_shared_token", condition=Q(grant=None)
            ),
            models.CheckConstraint(
                name="mailconfig_oauth2_lease_whole",
                condition=Q(lease_token=None, lease_until=None)
                | Q(lease_token__isnull=False, lease_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.client_id} {self.grant_id or '-'} {self.number}"

    def secret_binding(self, name: str) -> str:
        """Return what the token is bound to: the mail servers that it may be shown to, the app, and whose it is.

        Who moves the app to other servers, or the grant to another account, has no token for it before a new one is fetched.
        """
        of_grant = (self.grant.holder, self.grant.logins) if self.grant is not None else ()
        return "\x1f".join([ACCESS_TOKEN, *self.client.destination(), *of_grant])


def grant_of(account: Account) -> OAuth2Grant | None:
    """Return the account's grant, stored or set on it, with its app; ``None``: it has none, and no query where it needs none."""
    cached: Any = account._state.fields_cache.get("oauth2_grant")
    if cached is not None or account.pk is None:
        return cached  # type: ignore[no-any-return]
    return OAuth2Grant.objects.select_related("client").filter(account_id=account.pk).first()


def logged_in_by_oauth2(account: Account) -> bool:
    """Return whether the account, as it was read, logs in with tokens."""
    return Authentication.OAUTH2 in account._stored.get("destination", ())


def scopes_wanted(account: Account, client: OAuth2Client, grant_type: str) -> str:
    """Return the rights that the account needs, with one blank between them."""
    mailbox = account.as_mailbox if account.sends_by_ews or isinstance(account, Mailbox) else None
    sync_method = mailbox.sync_method if mailbox is not None else ""
    return client.scopes_for(grant_type, send_method=account.send_method, sync_method=sync_method)


def holder_of(account: Account) -> str:
    """Return whose a grant of the account is: its owner's and tenant's."""
    return f"{account.owner_id or ''} {account.tenant_id or ''}"


def logins_of(account: Account) -> frozenset[str]:
    """Return the user names that the account logs in with, each in one spelling."""
    names = {account.username}
    if isinstance(account, Mailbox):
        names.add(account.login)
    return frozenset(_login(name) for name in names)


def _login(username: str) -> str:
    return username.strip().lower()
