"""The address of Exchange's web service, filled in where somebody chose Exchange and left it empty."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from mailconfig.admin.proof import refuse
from mailconfig.admin.typed import user_of
from mailconfig.delivery import FoundExchange, find_exchange
from mailconfig.exceptions import Throttled
from mailconfig.models.choices import AuthenticationChoice
from mailconfig.models.validators import validate_address, validate_endpoint
from mailconfig.presets import PRESETS
from mailconfig.secrets.forms import SecretFormField

CHOICE = "finds_exchange"
PLACE = "autodiscover_url"
ENDPOINT = "ews_endpoint"


def asks_for_exchange(request: HttpRequest) -> bool:
    """Return whether Exchange was chosen, and its address left to be found."""
    return bool(request.POST.get(CHOICE)) and not request.POST.get(ENDPOINT)


def fill_in_exchange(request: HttpRequest) -> tuple[dict[str, str], str]:
    """Find it, and refuse to go on where a person has to look or to enter something.

    Returns:
        Values of the form's fields, and the sentence if there is one.
    """
    entered = request.POST.get
    address, place = entered("from_email", "").strip(), entered(PLACE, "").strip()
    try:
        validate_address(address)
        if place:
            validate_endpoint(place)
    except ValidationError:
        return {}, ""  # the form says so
    has_password = entered("authentication") != AuthenticationChoice.OAUTH2
    try:
        found = find_exchange(
            address=address,
            username=entered("username", "").strip(),
            password=SecretFormField(required=False).clean(entered("secret", "")) if has_password else None,
            confirmed=place,
            requested_by=user_of(request),
        )
    except (Throttled, ValidationError) as error:
        refuse(request, error, is_first=True)
        return {}, ""
    values = _values(request, found)
    if found.code:
        # Without an address the form misses a server as well, which is not what was chosen.
        name = PLACE if found.asks_at else found.guilty_field or ENDPOINT
        refuse(
            request, ValidationError({name: ValidationError(found.sentence, code=found.code)}), is_first=True
        )
    return values, found.sentence


def _values(request: HttpRequest, found: FoundExchange) -> dict[str, str]:
    values = {name: value for name, value in ((ENDPOINT, found.endpoint), (PLACE, found.asks_at)) if value}
    if not found.endpoint:
        return values
    if not request.POST.get("username"):
        values["username"] = request.POST.get("from_email", "").strip()
    preset = PRESETS.get(request.POST.get("preset", ""))
    if preset is not None and preset.ews_endpoint == found.endpoint:
        # The page's script fills in a known service's servers, which nobody chose who chose Exchange.
        servers = {"host": preset.host, "imap_host": preset.imap_host}
        values |= {name: "" for name, host in servers.items() if request.POST.get(name) == host}
    return values
