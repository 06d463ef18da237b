"""Rules for one account, whoever writes it, that the database cannot hold by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.mail_services import MAIL_SERVICES, MailService, is_mail_service
from mailconfig.values import Authentication

from .choices import GMAIL_API, SMTP, AccountKind, Scope
from .failover import broken_failover

if TYPE_CHECKING:
    from .account import Account


def broken_rules(account: Account) -> dict[str, ValidationError]:
    """The rules that the row breaks, by field; empty: none."""
    errors: dict[str, ValidationError] = {}
    if refusal := why_enter_again(account):
        errors["secret"] = refusal
    errors |= _broken_login(account, refused=bool(errors))
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
    errors |= _broken_at_gmail(account)
    if refusal := broken_failover(account):
        errors["failover"] = refusal
    return errors


def _broken_login(account: Account, *, refused: bool) -> dict[str, ValidationError]:
    """The rules of logins, and of mail services, that the row breaks."""
    errors: dict[str, ValidationError] = {}
    service = MAIL_SERVICES.get(account.send_method)
    if service is not None and account.kind != AccountKind.MAILBOX:
        errors |= _broken_of_service(account, service)
    if account.authentication != Authentication.NONE and not refused and not account.sends_with_service_key:
        if not account.username and (service is None or service.needs_user):
            errors["username"] = ValidationError(_("A login needs a user name."), code="required")
        if account.secret is None and not _gets_tokens(account):
            errors["secret"] = ValidationError(_("A login needs a password."), code="required")
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
    """Return whether its mail does not leave by a server that it names: that of a mail service, or of a mailbox otherwise."""
    if is_mail_service(account.send_method) or account.send_method == GMAIL_API:
        return True
    return account.kind == AccountKind.MAILBOX and account.send_method != SMTP


def _broken_of_service(account: Account, service: MailService) -> dict[str, ValidationError]:
    """The rules of mail services that the row breaks. Of a mailbox that changes its way to send, other fields may remain."""
    errors: dict[str, ValidationError] = {}
    if account.authentication != Authentication.PASSWORD:
        words = _("A mail service takes mail with its key alone: choose user name and password.")
        errors["authentication"] = ValidationError(words, code="service_login")
    if account.host and account.host.strip().lower() not in service.hosts:
        words = _("%(service)s has no region of this name. Leave it empty, or choose one of %(hosts)s.")
        values = {"service": service.label, "hosts": ", ".join(service.hosts)}
        errors["host"] = ValidationError(words, code="service_region", params=values)
    if account.envelope_from:
        words = _("%(service)s has bounces come back to itself: leave this empty.")
        errors["envelope_from"] = ValidationError(
            words, code="service_bounces", params={"service": service.label}
        )
    return errors


def _broken_at_gmail(account: Account) -> dict[str, ValidationError]:
    """The rules of Gmail's own interface that the row breaks."""
    errors: dict[str, ValidationError] = {}
    if account.send_method == GMAIL_API and account.scope != Scope.SYSTEM_OVERRIDE:
        if account.authentication != Authentication.OAUTH2:
            words = _("Gmail's interface lets nobody in with a password: choose OAuth 2.")
            errors["authentication"] = ValidationError(words, code="gmail_login")
        if account.envelope_from:
            words = _("Gmail has bounces come back to the mailbox itself: leave this empty.")
            errors["envelope_from"] = ValidationError(words, code="gmail_bounces")
    return errors


def _is_this_machine(address: str) -> bool:
    """Return whether the address is one of whatever machine reads it (RFC 6761 §6.3), and so of no organisation."""
    domain = address.rpartition("@")[2].lower().rstrip(".")
    return domain == "localhost" or domain.endswith((".localhost", "localhost.localdomain"))
