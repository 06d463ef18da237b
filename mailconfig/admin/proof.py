"""The proof that goes with a save: the connections of its halves, made before any transaction is open."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest

from mailconfig.delivery import Proved, prove_account, refusal_of, words_of_check
from mailconfig.exceptions import MailconfigError, NotProved
from mailconfig.models import Account, CheckKind, ConnectionCheck, account_fields

from . import send_methods
from .typed import user_of

_RECEIVING = {
    "imap_host": "imap_host",
    "imap_port": "imap_port",
    "imap_ssl": "imap_ssl",
    "imap_secret": "imap_secret",
    "login_name": "imap_username",
    "syncs_outreach_folder": "syncs_outreach_folder",
    "sync_method": "reads_by_gmail",
    "authentication": "authentication",
}
"""Fields of a mailbox's form by the columns that a check of its sync blames."""
_OF_EXCHANGE = {
    "ews_endpoint": "ews_endpoint",
    "ews_verify_mode": "ews_verify_mode",
    "ews_secret": "secret",
    "login_name": "username",
}
"""The same where Exchange's web service is checked, for either half."""
_ATTRIBUTE = "_mailconfig_proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Outcome of connecting with the values of a form, or of storing them."""

    proved: Proved | None = None
    """The connection works."""
    check: ConnectionCheck | None = None
    """It was tried, and does not."""
    errors: ValidationError | None = None
    """Why nothing was stored, by field; ``None``: nothing is in the way."""
    is_first: bool = False
    """Whether other errors of the form follow from these, and are not to be shown beside them."""


def prove(request: HttpRequest, account: Account, *, sending: bool, syncing: bool) -> None:
    """Connect with the account's values as they are in the form, and remember what came of it."""
    try:
        proved = prove_account(account=account, by=user_of(request), prove=sending, prove_sync=syncing)
        proof = Proof(proved=proved)
    except (MailconfigError, ValidationError) as error:
        refuse(request, error)
    else:
        setattr(request, _ATTRIBUTE, proof)


def refuse(request: HttpRequest, error: MailconfigError | ValidationError, *, is_first: bool = False) -> None:
    """Remember why the values of the form were not stored; ``is_first``: what else is wrong with them follows from it.

    Raises:
        MailconfigError: it is no refusal but a fault.
    """
    check = error.check if isinstance(error, NotProved) else None
    setattr(request, _ATTRIBUTE, Proof(check=check, errors=errors_of(error), is_first=is_first))


def errors_of(error: MailconfigError | ValidationError) -> ValidationError:
    """Return what a form says of a refusal, by field and with its code.

    Raises:
        MailconfigError: it is no refusal but a fault.
    """
    if isinstance(error, ValidationError):
        return error
    if isinstance(error, NotProved):
        return _at(_field_of(error.check), words_of_check(error.check), "not_proved")
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return _at(refusal.field, refusal.detail or refusal.message, refusal.code)


def proof_of(request: HttpRequest) -> Proof | None:
    """The result of :func:`prove` during this request; ``None``: nothing was tried."""
    return getattr(request, _ATTRIBUTE, None)


def _at(field: str, words: str, code: str) -> ValidationError:
    return ValidationError({field or NON_FIELD_ERRORS: ValidationError(words, code=code)})


def _field_of(check: ConnectionCheck) -> str:
    of_exchange = _OF_EXCHANGE.get(check.guilty_field, "")
    if of_exchange and (check.kind != CheckKind.SYNC or check.guilty_field not in _RECEIVING):
        return of_exchange
    if check.kind == CheckKind.SYNC:
        return _RECEIVING.get(check.guilty_field, "")
    known = account_fields.PROVED | {send_methods.FIELD, send_methods.KEY_FIELD}
    return check.guilty_field if check.guilty_field in known else ""
