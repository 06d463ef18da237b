"""The part of an account's form that chooses a login by OAuth 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import choose_oauth2_login
from mailconfig.models import Account, OAuth2Client, OAuth2GrantType
from mailconfig.models.access import within_reach
from mailconfig.models.choices import AuthenticationChoice
from mailconfig.models.oauth2_grant import grant_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FIELDS = ("oauth2_client", "oauth2_grant_type")
PERMISSION = "mailconfig.use_oauth2client"


class OAuth2LoginFields(forms.Form):
    """Fields that an account's form has besides, for those who may choose an app registration."""

    oauth2_client = forms.ModelChoiceField(
        label=gettext_lazy("App registration (OAuth 2)"),
        queryset=OAuth2Client.objects.none(),
        required=False,
        help_text=gettext_lazy("For the login with OAuth 2. The stored password goes."),
    )
    oauth2_grant_type = forms.ChoiceField(
        label=gettext_lazy("Permission (OAuth 2)"),
        choices=[("", "---------"), *OAuth2GrantType.choices],
        required=False,
        help_text=gettext_lazy(
            "Where somebody signs in, the account is connected after it is saved. An organisation names the mailboxes that the app may use."
        ),
    )


def may_choose(by: User | None) -> bool:
    """Return whether this person may choose app registrations for accounts."""
    return by is not None and by.has_perm(PERMISSION)


def is_offered(by: User | None) -> bool:
    """Return whether there is something to choose."""
    return may_choose(by) and OAuth2Client.objects.exists()


def fill(form: Any, account: Account) -> None:
    """Let those registrations be chosen that the account may use, and show what it has."""
    if "oauth2_client" not in form.fields:
        return
    # Which tenant an account without one gets, the form says only later; what is stored is looked at then.
    offered = OAuth2Client.objects.all()
    rule = Q(tenant=account.tenant_id) if account.tenant_id else within_reach(OAuth2Client, form.by)
    if rule:
        offered = offered.filter(Q(tenant=None) | rule)
    form.fields["oauth2_client"].queryset = offered
    grant = grant_of(account) if account.authentication == AuthenticationChoice.OAUTH2 else None
    if grant is not None:
        form.initial.setdefault("oauth2_client", grant.client_id)
        form.initial.setdefault("oauth2_grant_type", grant.grant_type)


def choose(form: Any, account: Account, cleaned: dict[str, Any]) -> None:
    """Set what was chosen on the account, before and after the form's other values are on it."""
    if "oauth2_client" not in form.fields or cleaned.get("authentication") != AuthenticationChoice.OAUTH2:
        return
    client, grant_type = cleaned.get("oauth2_client"), cleaned.get("oauth2_grant_type")
    if client is None and not account.has_secret:
        form.add_error("oauth2_client", _("Choose the app registration."))
    elif client is not None and not grant_type:
        form.add_error("oauth2_grant_type", _("Choose who gives the permission."))
    elif client is not None and grant_type:
        choose_oauth2_login(account=account, client=client, grant_type=grant_type)


def waits_for_connection(account: Account) -> bool:
    """Return whether nobody can log in yet, since nobody has agreed."""
    grant = grant_of(account) if account.authentication == AuthenticationChoice.OAUTH2 else None
    return grant is not None and not grant.is_connected
