"""Rules for one mailbox, whoever writes it, besides those for every account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.secrets.fields import SealedSecret

from .account_destination import SECRET_COLUMNS, SecretName
from .account_rules import destination_changed, holder_changed
from .choices import VerifyMode
from .mailbox_fallbacks import PASSWORD_COPIES

if TYPE_CHECKING:
    from .mailbox import Mailbox


def broken_mailbox_rules(mailbox: Mailbox) -> dict[str, ValidationError]:
    """The rules that the row breaks, by field; empty: none."""
    errors = why_enter_others_again(mailbox)
    if mailbox.syncs_outreach_folder and mailbox.exchange_version not in {"", "Exchange2007_SP1"}:
        words = _("Only Exchange2007_SP1 has a folder of this name.")
        errors["syncs_outreach_folder"] = ValidationError(words, code="invalid")
    unverified = mailbox.ews_verify_mode == VerifyMode.NONE and not get_settings().allow_unverified_tls
    # What is stored already is refused when it connects.
    if unverified and (mailbox._state.adding or mailbox.secret_differs(SecretName.EWS)):
        words = _("A certificate that nobody verifies is not allowed here: anybody could read the password.")
        errors["ews_verify_mode"] = ValidationError(words, code="unverified")
    return errors


def why_enter_others_again(mailbox: Mailbox) -> dict[str, ValidationError]:
    """The reasons why a stored password cannot be kept, by the secret it is about.

    Of the account's own secret :func:`mailconfig.models.account_rules.why_enter_again` speaks.
    """
    errors: dict[str, ValidationError] = {}
    if mailbox.gave_up_own_smtp_secret and mailbox.has_password_besides and mailbox.secret is None:
        errors["secret"] = destination_changed()
    for column, needed_for in PASSWORD_COPIES.items():
        if not getattr(mailbox, needed_for) or mailbox.enters(column):
            continue
        name = next(name for name, held_in in SECRET_COLUMNS.items() if held_in == column)
        is_kept = isinstance(getattr(mailbox, column), SealedSecret)
        if mailbox.secret_differs(name) if is_kept else mailbox.has_password:
            errors[column] = destination_changed()
    for name in (SecretName.IMAP, SecretName.EWS, SecretName.SENDGRID):
        column = SECRET_COLUMNS[name]
        if isinstance(getattr(mailbox, column), SealedSecret) and mailbox.would_be_held_by_another():
            errors.setdefault(column, holder_changed())
    return errors
