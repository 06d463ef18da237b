"""The proof that goes with a save: one connection, made before any transaction is open."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from mailconfig.delivery.probing.check_view import shown
from mailconfig.delivery.probing.probe import adopt_check, probe_values
from mailconfig.exceptions import SecretUnreadable, Throttled
from mailconfig.models import Account, CheckState, ConnectionCheck

from .typed import user_of

_ATTRIBUTE = "_mailconfig_proof"
_SAVED = "_mailconfig_saved"
FORM_FIELDS = frozenset(
    {"host", "port", "security", "authentication", "username", "secret", "from_email", "envelope_from"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of trying the values of a form."""

    check: ConnectionCheck | None = None
    error: str = ""
    """Why nothing could be tried; empty where there is a check."""

    @property
    def ok(self) -> bool:
        """Whether the connection works."""
        return self.check is not None and self.check.state == CheckState.PASSED

    @property
    def guilty_field(self) -> str:
        """The form's field that the failure belongs to; ``""``: none of them."""
        name = self.check.guilty_field if self.check else ""
        return name if name in FORM_FIELDS else ""

    @property
    def text(self) -> str:
        """What to tell at that field."""
        if self.check is None:
            return self.error
        return " ".join(shown(part) for part in (self.check.message, self.check.hint) if part)


def prove(request: HttpRequest, account: Account) -> Proof:
    """Connect with the account's values as they are in the form, and remember what came of it."""
    try:
        proof = Proof(
            check=probe_values(account=account, requested_by=user_of(request), tenant=account.tenant)
        )
    except Throttled as error:
        proof = Proof(error=str(error))
    except SecretUnreadable:
        proof = Proof(error=str(_("The stored password cannot be read. Enter it again.")))
    setattr(request, _ATTRIBUTE, proof)
    return proof


def proof_of(request: HttpRequest) -> Proof | None:
    """What :func:`prove` found during this request."""
    return getattr(request, _ATTRIBUTE, None)


def note_saved(request: HttpRequest, account: Account) -> None:
    """The values that were tried are stored, as soon as the transaction commits."""
    setattr(request, _SAVED, account)


def adopt_proof(request: HttpRequest) -> None:
    """After the commit: the check becomes the account's own, and what waited for it may go."""
    proof = proof_of(request)
    account: Account | None = getattr(request, _SAVED, None)
    if proof is not None and proof.check is not None and account is not None:
        adopt_check(check=proof.check, account=account)
