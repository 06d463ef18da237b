"""The choice of how an account sends: by a mail server, or by a mail service with its key."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from mailconfig.delivery import is_send_method
from mailconfig.mail_services import MAIL_SERVICES, MailService
from mailconfig.models import Account, Mailbox
from mailconfig.models.choices import GMAIL_API, SMTP, MailboxSendMethod, SyncMethod

FIELD = "send_method"
KEY_FIELD = "sendgrid_secret"
"""The key of a mailbox, which stands beside its password."""


class SendMethodSelect(forms.Select):
    """A choice of send methods; what each calls its settings is in ``data-services`` when the page is drawn."""

    def __init__(self, *args: Any, of_mailbox: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.of_mailbox = of_mailbox

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        notes = {key: _note(service, of_mailbox=self.of_mailbox) for key, service in MAIL_SERVICES.items()}
        notes[GMAIL_API] = _(
            "Choose the login with OAuth 2 and an app registration of Google's. Leave server and bounce address empty."
        )
        return super().get_context(name, value, {**(attrs or {}), "data-services": json.dumps(notes)})


def choices_for(account: Account) -> list[tuple[str, str]]:
    """Return the ways to send that are installed here, and the account's own, whatever it is."""
    services = [
        (name, service.label)
        for name, service in MAIL_SERVICES.items()
        if not isinstance(account, Mailbox) or name in MailboxSendMethod.values
    ]
    if not isinstance(account, Mailbox):
        services.append((GMAIL_API, str(SyncMethod.GMAIL_API.label)))
    found = [(SMTP, _("mail server (SMTP)")), *(choice for choice in services if is_send_method(choice[0]))]
    stored = account.send_method
    if stored in dict(found):
        return found
    labels = dict(MailboxSendMethod.choices) if isinstance(account, Mailbox) else {}
    return [*found, (stored, str(labels.get(stored, stored)))]


def is_offered(account: Account) -> bool:
    """Return whether there is anything to choose."""
    return len(choices_for(account)) > 1


def _found_at(service: MailService) -> str:
    return _("In its console: %(place)s.") % {"place": service.where}


def _note(service: MailService, *, of_mailbox: bool) -> str:
    if of_mailbox:
        said = [
            _("Its key is entered below; server and password count for nothing when mail is sent."),
            _found_at(service),
        ]
    else:
        said = [_("Password: the %(key)s.") % {"key": service.key_name}]
        said.append(_found_at(service))
        if service.user_name:
            said.append(_("User name: the %(user)s.") % {"user": service.user_name})
        said.append(_("Leave server and bounce address empty."))
        if len(service.hosts) > 1:
            said.append(
                _("Server: %(hosts)s, if it is another region.") % {"hosts": ", ".join(service.hosts[1:])}
            )
    return " ".join([*said, *([str(service.note)] if service.note else [])])
