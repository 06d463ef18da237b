"""Rules for one app registration, whoever writes it, that the database cannot hold by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.hostnames import check_host

from .oauth2_providers import PROVIDERS, OAuth2Provider

if TYPE_CHECKING:
    from .oauth2 import OAuth2Client

MOST_MAIL_SERVERS = 20


def broken_client_rules(client: OAuth2Client) -> dict[str, ValidationError]:
    """Return the rules that the row breaks, by field; empty: none."""
    errors: dict[str, ValidationError] = {}
    if refusal := why_enter_client_secret_again(client):
        errors["secret"] = refusal
    if client.provider not in PROVIDERS:
        for field in ("authorization_endpoint", "token_endpoint", "scopes", "mail_servers"):
            if not getattr(client, field).strip():
                words = _("Of a service that is not known here, this has to be said.")
                errors[field] = ValidationError(words, code="required")
    if client.directory and client.provider != OAuth2Provider.MICROSOFT:
        errors["directory"] = ValidationError(_("Only Microsoft has directories."), code="invalid")
    named = client.mail_servers.split()
    if len(named) > MOST_MAIL_SERVERS:
        errors["mail_servers"] = ValidationError(_("These are too many."), code="invalid")
    for host in named[:MOST_MAIL_SERVERS]:
        try:
            check_host(host, listed=get_settings().allowed_hosts)
        except ValueError:
            errors["mail_servers"] = ValidationError(
                _("Enter names of servers, such as smtp.example.com, one a line."), code="invalid"
            )
    return errors


def why_enter_client_secret_again(client: OAuth2Client) -> ValidationError | None:
    """Return the reason why the stored client secret cannot be kept: it, or the tokens, would newly be shown elsewhere."""
    if not client.destination_changed():
        return None
    words = _("The service, the id or the mail servers changed: enter the client secret again.")
    return ValidationError(words, code="destination_changed")
