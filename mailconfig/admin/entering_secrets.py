"""Right to enter the secrets of a stored account; without it the form keeps them, and what they depend on."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from mailconfig.models import Account
from mailconfig.models.access import may_set_secret
from mailconfig.models.account_destination import SECRET_COLUMNS
from mailconfig.models.choices import AuthenticationChoice
from mailconfig.models.oauth2_grant import grant_of, logged_in_by_oauth2, logins_of
from mailconfig.secrets.sealed import SealedSecret

from . import oauth2_login
from .typed import user_of

_COLUMNS = frozenset(SECRET_COLUMNS.values())
FIELDS = frozenset({*_COLUMNS, "clear_secret", "finds_exchange", "autodiscover_url", *oauth2_login.FIELDS})
"""Fields of the forms that enter a secret, take one away, or send one that is entered somewhere."""
NOT_YOURS = gettext_lazy(
    "What you changed takes the password, key or login of this account away, or needs it to be entered again. That is for"
    " its owner, and for those with the permission “set secrets”."
)


def may_enter_secrets(request: HttpRequest, account: Account | None) -> bool:
    """Return whether this person may enter the account's secrets; with a new account comes its secret."""
    return account is None or may_set_secret(user_of(request), account)


def without_secrets(fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a page's fields for those who enter no secrets: whether there is a password instead of the password."""
    shown = ("password" if name == "secret" else name for name in fields)
    return tuple(name for name in shown if isinstance(name, tuple) or name not in FIELDS)


class KeepsSecrets(forms.Form):
    """The part of an account's form that refuses to lose a secret which its editor may not enter."""

    may_enter_secrets: ClassVar[bool] = True
    """Set by the admin on a subclass for each request."""

    def keep_secrets(self, account: Account) -> None:
        """Take the fields away, whatever is sent, and remember which secrets there are."""
        self.had_secrets = {name for name in _COLUMNS if getattr(account, name, None) is not None}
        if not self.may_enter_secrets:
            for name in FIELDS.intersection(self.fields):
                del self.fields[name]

    def refuse_loss(self, account: Account) -> None:
        """Refuse what leaves the account with other secrets, or without one; before anything connects."""
        if self.may_enter_secrets or account._state.adding or self.errors:
            return
        kept = all(isinstance(getattr(account, name, None), SealedSecret) for name in self.had_secrets)
        if not kept or not _keeps_grant(account):
            self.add_error(None, ValidationError(NOT_YOURS, code="not_permitted"))

    def in_words(self, found: dict[str, list[ValidationError]]) -> dict[str, list[ValidationError]]:
        """Return these errors by field, with one sentence instead of those that ask for a secret."""
        asked = _COLUMNS.intersection(found)
        if self.may_enter_secrets or not asked:
            return found
        others = {name: problems for name, problems in found.items() if name not in asked}
        refusal = ValidationError(NOT_YOURS, code="not_permitted")
        return others | {NON_FIELD_ERRORS: [*others.get(NON_FIELD_ERRORS, []), refusal]}


def _keeps_grant(account: Account) -> bool:
    if not logged_in_by_oauth2(account):
        return True
    if account.authentication != AuthenticationChoice.OAUTH2:
        return False
    grant = grant_of(account)
    return grant is None or all(grant.admits(account, name) for name in logins_of(account))
