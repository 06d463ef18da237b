"""Server, port, encryption and user name, filled in where an address and a password are all that was entered."""

from __future__ import annotations

import json
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

from .finding_exchange import asks_for_exchange, fill_in_exchange

CONNECT = "_connect"
"""The button by which somebody signs in at the service instead of entering a password; its value is the app registration."""
NOTED = "_filled_in"
"""The hidden field by which a page without scripts says what was filled in, and for which address."""
_ATTRIBUTE = "_mailconfig_filled_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledIn:
    """Values that were put into a form beside those that were entered."""

    values: dict[str, str] = field(default_factory=dict)
    proposal: str = ""
    """A server that is to be looked at before a password goes there, in a sentence; ``""``: none is."""
    noted: str = ""
    """Content of the field :data:`NOTED`."""


def filled_in(request: HttpRequest) -> FilledIn:
    """Return what :func:`fill_in` did to this request's form."""
    found: FilledIn = getattr(request, _ATTRIBUTE, FilledIn())
    return found


def fill_in(request: HttpRequest, *, finds_exchange: bool = False) -> None:
    """Find the servers of the address that was entered, unless a server was as well. Nothing connects to them here.

    Args:
        request: of the form.
        finds_exchange: whether accounts of this kind may have Exchange's web service, which is found instead if it was chosen.
    """
    _take_back(request)
    _choose_sign_in(request)
    if finds_exchange and asks_for_exchange(request):
        fill_in_address_of_exchange(request)
        return
    if not _asks_for_server(request):
        return
    try:
        found = recognise_address(address=_address(request), requested_by=user_of(request))
    except Throttled as error:
        refuse(request, error)
        return
    if found is None:
        # A service that was chosen names its server by itself.
        if request.POST.get("preset") not in {None, "", "other"}:
            return
        _say_that_none_was_found(request)
        return
    values = _values(request, found)
    proposal = "" if found.is_sure else _proposal(found)
    _put(request, values, proposal)
    if proposal:
        refuse(request, ValidationError({"host": ValidationError(proposal, code="look_first")}))


def _say_that_none_was_found(request: HttpRequest) -> None:
    """Ask for the server, and propose the address as the user name, which it is at most servers."""
    address = _address(request)
    _put(request, {} if request.POST.get("username") else {"username": address}, "")
    words = _(
        "No server was found for %(domain)s. Enter the one that whoever looks after its mail names, with port and encryption;"
        " the user name is often the address."
    )
    error = ValidationError(words % {"domain": address.rpartition("@")[2]}, code="required")
    refuse(request, ValidationError({"host": error}), is_first=True)


def fill_in_address_of_exchange(request: HttpRequest) -> None:
    """Find Exchange's web service, if it was chosen and not typed. The service itself is not connected to here."""
    if asks_for_exchange(request):
        _put(request, *fill_in_exchange(request))


def _put(request: HttpRequest, values: dict[str, str], proposal: str) -> None:
    data = request.POST.copy()
    noted = {name: [data.get(name, ""), value] for name, value in values.items()}
    # Of this very address, or it would have been taken back: what an earlier step filled in goes with it.
    earlier = {name: list(change) for name, change in _read(filled_in(request).noted)[1].items()}
    noted_text = json.dumps({"address": _address(request), "values": earlier | noted})
    setattr(request, _ATTRIBUTE, FilledIn(values=values, proposal=proposal, noted=noted_text))
    for name, value in values.items():
        data[name] = value
    request.POST = data  # type: ignore[assignment]


def _take_back(request: HttpRequest) -> None:
    """Put back what was filled in for another address and left as it was: no password of this one goes to that one's server."""
    noted = request.POST.get(NOTED, "")
    address, changes = _read(noted)
    if address == _address(request):
        setattr(request, _ATTRIBUTE, FilledIn(noted=noted))
        return
    data = request.POST.copy()
    for name, (before, ours) in changes.items():
        if data.get(name) == ours:
            data[name] = before
    request.POST = data  # type: ignore[assignment]


def _choose_sign_in(request: HttpRequest) -> None:
    """Choose the app registration of the button that was pressed, whoever filled in the server; no password goes along."""
    client = request.POST.get(CONNECT, "")
    if not client or not is_offered(user_of(request)):
        return
    data = request.POST.copy()
    data["authentication"] = AuthenticationChoice.OAUTH2.value
    data["oauth2_client"] = client
    data["oauth2_grant_type"] = OAuth2GrantType.AUTHORIZATION_CODE.value
    data["secret"] = ""
    request.POST = data  # type: ignore[assignment]


def _read(noted: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return the address, and by field what stood there and what was filled in. What is no note of ours has neither."""
    try:
        read = json.loads(noted)
        changes = {name: (str(before), str(ours)) for name, (before, ours) in read["values"].items()}
        return str(read["address"]), changes
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "", {}


def _address(request: HttpRequest) -> str:
    return request.POST.get("from_email", "").strip()


def _asks_for_server(request: HttpRequest) -> bool:
    entered = request.POST.get
    if entered("host") or entered("ews_endpoint") or entered("scope") == Scope.SYSTEM_OVERRIDE:
        return False
    if entered("send_method", SMTP) != SMTP or entered("authentication") == AuthenticationChoice.NONE:
        return False
    try:
        validate_address(_address(request))
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
    return values


def _proposal(found: RecognisedAddress) -> str:
    words = _(
        "The address's domain names the server %(host)s, which is no part of it. Anybody on the way could have said so:"
        " if you know it to be right, save once more, and the password goes there."
    )
    return words % {"host": found.sending.host}
