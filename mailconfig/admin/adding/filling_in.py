"""Server, port, encryption and user name, filled in where an address and a password are all that was entered."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from mailconfig.admin.oauth2_login import is_offered
from mailconfig.admin.proof import refuse
from mailconfig.admin.typed import user_of
from mailconfig.delivery import RecognisedAddress, recognise_address
from mailconfig.exceptions import Throttled
from mailconfig.models import OAuth2GrantType, Scope
from mailconfig.models.choices import SMTP, AuthenticationChoice
from mailconfig.models.validators import validate_address

CONNECT = "_connect"
"""The button by which somebody signs in at the service instead of entering a password; its value is the app registration."""
_ATTRIBUTE = "_mailconfig_filled_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledIn:
    """Values that were put into a form beside those that were entered."""

    values: dict[str, str] = field(default_factory=dict)
    proposal: str = ""
    """A server that is to be looked at before a password goes there, in a sentence; ``""``: none is."""


def filled_in(request: HttpRequest) -> FilledIn:
    """Return what :func:`fill_in` did to this request's form."""
    found: FilledIn = getattr(request, _ATTRIBUTE, FilledIn())
    return found


def fill_in(request: HttpRequest) -> None:
    """Find the servers of the address that was entered, unless a server was as well. Nothing connects to them here."""
    if not _asks_for_server(request):
        return
    try:
        found = recognise_address(address=request.POST["from_email"], requested_by=user_of(request))
    except Throttled as error:
        refuse(request, error)
        return
    if found is None:
        return
    values = _values(request, found)
    proposal = "" if found.is_sure else _proposal(found)
    setattr(request, _ATTRIBUTE, FilledIn(values=values, proposal=proposal))
    data = request.POST.copy()
    data.update(dict.fromkeys(values, ""))
    for name, value in values.items():
        data[name] = value
    request.POST = data  # type: ignore[assignment]
    if proposal:
        refuse(request, ValidationError({"host": ValidationError(proposal, code="look_first")}))


def _asks_for_server(request: HttpRequest) -> bool:
    entered = request.POST.get
    if entered("host") or entered("ews_endpoint") or entered("scope") == Scope.SYSTEM_OVERRIDE:
        return False
    if entered("send_method", SMTP) != SMTP or entered("authentication") == AuthenticationChoice.NONE:
        return False
    try:
        validate_address(entered("from_email", ""))
    except ValidationError:
        return False
    return True


def _values(request: HttpRequest, found: RecognisedAddress) -> dict[str, str]:
    """Return the form's fields. Of a mailbox whose half for reading somebody filled in, that stays as it is."""
    server = found.sending
    values = {
        "host": server.host,
        "port": str(server.port),
        "security": str(server.security),
        "preset": found.preset,
    }
    if not request.POST.get("username"):
        values["username"] = server.username
    if "imap_host" in request.POST and not request.POST["imap_host"] and found.reading is not None:
        reading = found.reading
        values |= {"imap_host": reading.host, "imap_port": str(reading.port), "imap_ssl": "True"}
        if reading.username != values.get("username", request.POST.get("username")):
            values["imap_username"] = reading.username
    client = request.POST.get(CONNECT, "")
    if client and is_offered(user_of(request)):
        values |= {
            "authentication": AuthenticationChoice.OAUTH2.value,
            "oauth2_client": client,
            "oauth2_grant_type": OAuth2GrantType.AUTHORIZATION_CODE.value,
        }
    return values


def _proposal(found: RecognisedAddress) -> str:
    words = _(
        "The address's domain names the server %(host)s, which is no part of it. Anybody on the way could have said so:"
        " if you know it to be right, save once more, and the password goes there."
    )
    return words % {"host": found.sending.host}
