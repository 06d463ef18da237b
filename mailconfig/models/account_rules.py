"""Rules for one account, whoever writes it, that the database cannot hold by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.values import Authentication

from .choices import SMTP, AccountKind, Scope
from .failover import broken_failover

if TYPE_CHECKING:
    from .account import Account


def broken_rules(account: Account) -> dict[str, ValidationError]:
    """The rules that the row breaks, by field; empty: none."""
    errors: dict[str, ValidationError] = {}
    if refusal := why_enter_again(account):
        errors["secret"] = refusal
    if account.authentication != Authentication.NONE and not errors:
        if not account.username:
            errors["username"] = ValidationError(_("A login needs a user name."), code="required")
        if account.secret is None and not _gets_tokens(account):
            errors["secret"] = ValidationError(_("A login needs a password."), code="required")
    if not account.host and account.scope != Scope.SYSTEM_OVERRIDE and not _needs_no_server(account):
        errors["host"] = ValidationError(_("Name the mail server."), code="required")
    if account.limit_count is not None and not account.limit_period:
        errors["limit_period"] = ValidationError(_("Say how long the period is."), code="required")
    if account.kind == AccountKind.TENANT_CONFIG and account.tenant_id is None:
        errors["tenant"] = ValidationError(_("Choose the tenant."), code="required")
    if account.scope != Scope.USER and account.kind != AccountKind.OUTBOUND_EMAIL:
        words = _("Only an outbound e-mail can be the system account or use its server.")
        errors["scope"] = ValidationError(words, code="scope_of_kind")
    if account.deleted_at is not None and account.secret is not None:
        errors["secret"] = ValidationError(_("A deleted account has no password."), code="deleted")
    if account.tenant_id is not None and _is_this_machine(account.named_sender):
        words = _("Mail of a tenant comes from a domain of its own, not from localhost.")
        errors["from_email" if account.from_email else "username"] = ValidationError(words, code="localhost")
    if refusal := broken_failover(account):
        errors["failover"] = refusal
    return errors


def _gets_tokens(account: Account) -> bool:
    """Return whether its tokens are fetched when they are needed, so that none is stored with it."""
    return account.authentication == Authentication.OAUTH2 and hasattr(account, "oauth2_grant")


def why_enter_again(account: Account) -> ValidationError | None:
    """The reason why the stored secret cannot be kept: it was entered for another destination, or for somebody else."""
    if account.destination_changed():
        return destination_changed()
    if account.holder_changed():
        return holder_changed()
    return None


def destination_changed() -> ValidationError:
    """The refusal to take a stored secret to another destination."""
    words = _("The server, encryption, login or user name changed: enter the password again.")
    return ValidationError(words, code="destination_changed")


def holder_changed() -> ValidationError:
    """The refusal to let somebody else use a stored secret."""
    return ValidationError(_("The owner or tenant changed: enter the password again."), code="holder_changed")


def _needs_no_server(account: Account) -> bool:
    """Return whether it is a mailbox whose mail does not leave by SMTP."""
    return account.kind == AccountKind.MAILBOX and account.send_method != SMTP


def _is_this_machine(address: str) -> bool:
    """Return whether the address is one of whatever machine reads it (RFC 6761 §6.3), and so of no organisation."""
    domain = address.rpartition("@")[2].lower().rstrip(".")
    return domain == "localhost" or domain.endswith((".localhost", "localhost.localdomain"))
