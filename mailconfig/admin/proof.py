"""The proof that goes with a save: one connection, made before any transaction is open."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from mailconfig.delivery import Proved, prove_account, translate_stored
from mailconfig.exceptions import (
    AccountChanged,
    NotProved,
    OnlyByWorkers,
    SecretUnreadable,
    Throttled,
    WrongInstallation,
)
from mailconfig.models import Account, ConnectionCheck, account_fields

from .typed import user_of

_ATTRIBUTE = "_mailconfig_proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Outcome of connecting with the values of a form."""

    proved: Proved | None = None
    """The connection works."""
    check: ConnectionCheck | None = None
    """It was tried, and does not."""
    error: str = ""
    """Why nothing could be tried or stored."""
    field: str = ""
    """What ``error`` is about; ``""``: nothing in particular."""

    @property
    def ok(self) -> bool:
        """Return whether the connection works."""
        return self.proved is not None

    @property
    def guilty_field(self) -> str:
        """The form's field that the failure belongs to; ``""``: none of them."""
        name = self.check.guilty_field if self.check else self.field
        return name if name in account_fields.PROVED else ""

    @property
    def text(self) -> str:
        """Sentences to show at that field."""
        if self.check is None:
            return self.error
        return " ".join(translate_stored(part) for part in (self.check.message, self.check.hint) if part)


def prove(request: HttpRequest, account: Account) -> None:
    """Connect with the account's values as they are in the form, and remember what came of it."""
    try:
        proof = Proof(proved=prove_account(account=account, by=user_of(request)))
    except NotProved as error:
        proof = Proof(check=error.check)
    except (OnlyByWorkers, Throttled, WrongInstallation) as error:
        proof = Proof(error=str(error))
    except SecretUnreadable:
        proof = Proof(error=str(_("The stored password cannot be read. Enter it again.")))
    except ValidationError as error:
        proof = _refusal(error)
    setattr(request, _ATTRIBUTE, proof)


def refuse(request: HttpRequest, error: AccountChanged | ValidationError) -> None:
    """Remember why the values, which the form had taken, were not stored."""
    if isinstance(error, ValidationError):
        proof = _refusal(error)
    else:
        words = _(
            "Somebody else changed this at the same moment, so nothing was stored. Read it and try again."
        )
        proof = Proof(error=str(words))
    setattr(request, _ATTRIBUTE, proof)


def _refusal(error: ValidationError) -> Proof:
    field = next(iter(error.message_dict)) if hasattr(error, "error_dict") else ""
    return Proof(error=" ".join(error.messages), field=field)


def proof_of(request: HttpRequest) -> Proof | None:
    """The result of :func:`prove` during this request; ``None``: nothing was tried."""
    return getattr(request, _ATTRIBUTE, None)
