"""Words for what came of a sign-in."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mailconfig.delivery import translate_stored
from mailconfig.exceptions import MailconfigError, SignInRefused, TransportError
from mailconfig.values import SignInFault

CONNECTED = _("Connected: the service lets the account in.")
DISCONNECTED = _(
    "Disconnected: what was agreed to is forgotten here. Whoever agreed may withdraw it at the service, too."
)
NO_ADDRESS = _(
    "This site has not been told under which address it is reached (OAUTH2_REDIRECT_BASE), so no service can send you back."
)

_FAULTS: dict[SignInFault, str | Promise] = {
    SignInFault.NOT_NEEDED: _("This account needs nobody to sign in."),
    SignInFault.UNKNOWN: _("This sign-in took too long, or was not begun in this browser. Begin once more."),
    SignInFault.ANOTHER_PERSON: _("Somebody else began this sign-in. Begin once more."),
    SignInFault.ANOTHER_SERVICE: _("The answer came from another service than the one that was asked."),
    SignInFault.DENIED: _("Nobody agreed, so nothing was connected."),
    SignInFault.REFUSED: _(
        "The service refused to ask. An administrator has to look at the app registration."
    ),
}


def words_of(error: MailconfigError | ValidationError) -> str:
    """Return what a person reads of why an account was not connected."""
    if isinstance(error, SignInRefused):
        return str(_FAULTS[error.fault])
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    hint = error.hint if isinstance(error, TransportError) else ""
    return " ".join(translate_stored(part) for part in (str(error), hint) if part)
