"""The forms of accounts: write-only secret, mail services, proof of the connection, and no stale saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.delivery import failovers_for
from mailconfig.hostnames import check_listed_host
from mailconfig.models import Account, account_fields
from mailconfig.models.account_constraints import CONSTRAINT_FIELDS
from mailconfig.models.choices import AuthenticationChoice
from mailconfig.secrets.forms import SecretFormField
from mailconfig.values import ErrorCode

from . import oauth2_login, send_methods
from .entering_secrets import KeepsSecrets
from .proof import Proof
from .themes import dress
from .widgets import BY_HTTP, PresetSelect, preset_choices

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    AccountModelForm = forms.ModelForm[Account]
else:
    AccountModelForm = forms.ModelForm

LISTED_FAILOVERS = 200
UNLISTED_HOST = gettext_lazy(
    "This name has an underscore or ends in a dot, as names of containers do. It can be used once the setting"
    " MAILCONFIG['ALLOWED_HOSTS'] lists it. The name of a server on the internet looks like smtp.example.com."
)


def _with_tenant(account: Account) -> str:
    """Return what an account is called among those of several tenants."""
    return f"{account} – {account.tenant}" if account.tenant else str(account)


class AccountForm(oauth2_login.OAuth2LoginFields, KeepsSecrets, AccountModelForm):
    """An account as a person edits it.

    The admin sets on a subclass of its own for each request: ``proof``, what came of trying these values, or
    ``None`` as long as nothing was tried; ``by``, who edits; ``offers_oauth2`` and ``offers_send_methods``, whether app
    registrations, and ways to send, are offered.
    """

    proof: ClassVar[Proof | None] = None
    by: ClassVar[User | None] = None
    offers_oauth2: ClassVar[bool] = False
    offers_send_methods: ClassVar[bool] = False

    send_method = forms.ChoiceField(
        label=gettext_lazy("Sends by"), required=False, widget=send_methods.SendMethodSelect
    )
    preset = forms.ChoiceField(label=gettext_lazy("Mail service"), required=False, widget=PresetSelect)
    clear_secret = forms.BooleanField(
        label=gettext_lazy("Remove the stored password"),
        required=False,
        help_text=gettext_lazy("For servers that want no login."),
    )
    seen_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adding = self.instance._state.adding
        self.keep_secrets(self.instance)
        if not self.offers_oauth2:
            for name in oauth2_login.FIELDS:
                self.fields.pop(name, None)
        keeps_token = self.instance.authentication == AuthenticationChoice.OAUTH2
        if not keeps_token and "oauth2_client" not in self.fields and "authentication" in self.fields:
            # A token that nobody renews works for an hour: not what an admin is after.
            choices = [choice for choice in AuthenticationChoice.choices if choice[0] != "oauth2"]
            cast("forms.ChoiceField", self.fields["authentication"]).choices = choices
        if "seen_revision" in self.fields and not adding:
            self.initial["seen_revision"] = self.instance.revision
        self._offer_send_methods()
        self._offer_presets()
        self._tell_about_secret()
        if adding:
            self._begin()
        self._offer_failovers()
        oauth2_login.fill(self, self.instance)
        for name in ("send_method", "preset", "secret", "clear_secret", "failover", *oauth2_login.FIELDS):
            if name in self.fields:
                dress(self.fields[name].widget)

    def _offer_send_methods(self) -> None:
        """Let those be chosen that are installed; where there is one only, there is nothing to choose."""
        field = cast("forms.ChoiceField", self.fields[send_methods.FIELD])
        field.choices = send_methods.choices_for(self.instance)
        if len(list(field.choices)) == 1 or not self.offers_send_methods:
            del self.fields[send_methods.FIELD]

    def _offer_presets(self) -> None:
        """Let those services be chosen by their own interface whose send method can be chosen."""
        field = self.fields.get("preset")
        if not isinstance(field, forms.ChoiceField):
            return
        methods = self.fields.get(send_methods.FIELD)
        offered = dict(methods.choices) if isinstance(methods, forms.ChoiceField) else {}  # type: ignore[arg-type]
        field.choices = preset_choices(self.instance.preset, send_methods=offered)

    def clean_preset(self) -> str:
        """Keep no service that sends by its own interface: it is known by its send method."""
        preset: str = self.cleaned_data["preset"]
        return "" if preset.endswith(BY_HTTP) else preset

    def _offer_failovers(self) -> None:
        """Let those accounts be chosen that may stand in for this one; of many, by their keys."""
        field = self.fields.get("failover")
        if not isinstance(field, forms.ModelChoiceField) or self.by is None:
            return
        field.help_text = gettext_lazy(
            "Accounts of the same tenant that nobody else owns, and that you may change."
        )
        if self.instance._state.adding:
            field.label_from_instance = _with_tenant  # type: ignore[assignment, method-assign]
        field.queryset = failovers_for(self.instance, self.by)
        found = list(field.queryset[: LISTED_FAILOVERS + 1])
        if len(found) <= LISTED_FAILOVERS:
            # As the field would, which would read them once more.
            listed = [(one.pk, field.label_from_instance(one)) for one in found]
            field.choices = [("", field.empty_label), *listed]
        else:
            field.widget = forms.NumberInput()
            field.help_text = gettext_lazy(
                "There are many: enter the number that stands in the address of its page."
            )

    def _tell_about_secret(self) -> None:
        field = self.fields.get("secret")
        if not isinstance(field, SecretFormField):
            return
        if self.instance.secret is None:
            field.help_text = _("No password is stored.")
            self.fields.pop("clear_secret", None)
        else:
            field.help_text = _("A password is stored. Leave this empty to keep it; it is never shown.")
        if self.data and self.data.get(self.add_prefix("secret")):
            field.help_text = _("The password that you typed is not kept in the page: enter it again.")

    def _begin(self) -> None:
        """Ask for address and password as one asks somebody who knows nothing else."""
        if "from_email" in self.fields:
            self.fields["from_email"].label = gettext_lazy("E-mail address")
            self.fields["from_email"].widget.attrs |= {"autofocus": True, "inputmode": "email"}
        if "secret" in self.fields and not self.data:
            self.fields["secret"].help_text = _("It is stored encrypted and never shown again.")

    def clean(self) -> dict[str, Any]:
        """Refuse a save over somebody else's, and take the secret away where that was asked for.

        Raises:
            ValidationError: the account was changed since the page was opened.
        """
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._refuse_stale(cleaned.get("seen_revision"))
        entered = cleaned.get("secret") is not None
        if cleaned.get("clear_secret") and entered:
            self.add_error("clear_secret", _("Either enter a password or remove the stored one."))
        elif cleaned.get("clear_secret") or (not entered and self._needs_no_login(cleaned)):
            self.instance.secret = None
        oauth2_login.choose(self, self.instance, cleaned)
        return cleaned

    @staticmethod
    def _needs_no_login(cleaned: dict[str, Any]) -> bool:
        return bool(cleaned.get("authentication") == AuthenticationChoice.NONE)

    def _refuse_stale(self, seen: int | None) -> None:
        if self.instance._state.adding or seen == self.instance.revision:
            return
        who = self.instance.updated_by
        values = {"who": str(who) if who else _("Somebody else")}
        raise ValidationError(
            _(
                "%(who)s changed this account while you had it open, so nothing of yours was saved. Open the page"
                " again, look at what changed, and enter your changes once more."
            ),
            code="stale",
            params=values,
        )

    def _get_validation_exclusions(self) -> set[str]:
        """Constraints speak of columns that are in no form; they hold all the same."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"kind", "scope", "deleted_at", "tenant", "owner", "is_default"}

    def _update_errors(self, errors: ValidationError) -> None:
        """Each broken constraint in words of its own, at its field."""
        found: dict[str, list[ValidationError]] = {}
        by_field = getattr(
            errors,
            "error_dict",
            {NON_FIELD_ERRORS: errors.error_list if hasattr(errors, "error_list") else []},
        )
        for field, problems in by_field.items():
            for problem in problems:
                name = CONSTRAINT_FIELDS.get(problem.code or "", field)
                if problem.code == ErrorCode.HOST_NOT_ALLOWED and self._could_be_listed():
                    problem = ValidationError(UNLISTED_HOST, code=problem.code)  # noqa: PLW2901 - in its place
                found.setdefault(name, []).append(problem)
        found = self._at_fields(self.in_words(found))
        self.add_error(None, ValidationError(found))

    def _at_fields(self, found: dict[str, list[ValidationError]]) -> dict[str, list[ValidationError]]:
        """Return these errors, those of what is no field here at the top of the form."""
        shown: dict[str, list[ValidationError]] = {}
        for name, problems in found.items():
            shown.setdefault(name if name in self.fields else NON_FIELD_ERRORS, []).extend(problems)
        return shown

    def _could_be_listed(self) -> bool:
        """Return whether the host has a name that is taken where the deployment lists it."""
        try:
            check_listed_host(self.instance.host)
        except ValueError:
            return False
        return True

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            oauth2_login.choose(self, self.instance, self.cleaned_data)
        self.refuse_loss(self.instance)
        if self.proof is None or self.proof.errors is None:
            return
        if self.proof.is_first:
            self.errors.clear()
        if not self.errors:
            self._update_errors(self.proof.errors)

    def connects_anew(self) -> bool:
        """Return whether what was entered is a connection that nobody has tried yet."""
        if oauth2_login.waits_for_connection(self.instance):
            return False
        if self.instance._state.adding:
            return True
        proved = account_fields.PROVED.union(
            oauth2_login.FIELDS, {send_methods.FIELD, send_methods.KEY_FIELD}
        )
        return not proved.isdisjoint(self.changed_data)

    def syncs_anew(self) -> bool:
        """Return whether what was entered is a way to read a mailbox that nobody has tried yet."""
        return False
