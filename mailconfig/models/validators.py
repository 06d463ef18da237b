"""Validators of single values, before it may reach a header or the wire."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.hostnames import check_host

_LINE_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Unicode's property Bidi_Control: text around them is read in another order than it is written."""
_ENDPOINT = re.compile(r"https://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/|\Z)")
"""So begins an address in which every reader finds the same host."""
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_email = EmailValidator()


def validate_line(value: str) -> None:
    """One line of text without control characters (RFC 5322 §2.2: none in header values), that is read as written.

    Raises:
        ValidationError: a control character, one that turns the direction of text, a line separator or a lone surrogate
            is in it, or it begins with a combining mark, which would be drawn over what stands before it.
    """
    if _LINE_BREAKS.search(value) or any(unicodedata.category(char) == "Cs" for char in value):
        raise ValidationError(_("This must be one line without control characters."), code="invalid")
    if _BIDI_CONTROLS.search(value):
        raise ValidationError(
            _("This must not hold invisible characters that turn the direction of text."), code="invalid"
        )
    if value and unicodedata.category(value.lstrip()[:1] or " ")[0] == "M":
        raise ValidationError(_("This must not begin with a combining mark."), code="invalid")


def validate_text(value: str) -> None:
    """Lines of text; besides their ends and tabs no control characters.

    Raises:
        ValidationError: a control character or a lone surrogate is in it.
    """
    if _CONTROLS.search(value) or any(unicodedata.category(char) == "Cs" for char in value):
        raise ValidationError(_("This must be text without control characters."), code="invalid")


def validate_endpoint(value: str) -> None:
    """The https URL of a web service (RFC 3986): host, port and path, and nothing that could mean another host.

    Whether it may be reached is for the gate.

    Raises:
        ValidationError: it is none, has a user name, a password or a fragment, or says more than one thing.
    """
    refusal = ValidationError(
        _("Enter the address of the service, such as https://mail.example.com/EWS/Exchange.asmx."),
        code="invalid",
    )
    if not re.fullmatch(r"[!-~]+", value) or re.search(r"[\\\"<>^`{|}#]", value):
        raise refusal
    try:
        parts = urlsplit(value)
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise refusal from error
    if parts.scheme != "https" or port == 0 or not _ENDPOINT.match(value):
        raise refusal
    validate_host(host)


def validate_address(value: str) -> None:
    """One ASCII addr-spec (RFC 5321 §4.1.2): local part up to 64 octets, host name as domain.

    Raises:
        ValidationError: it is none; domain literals, quoted local parts and display names are none either.
    """
    validate_line(value)
    if not value.isascii():
        raise ValidationError(
            _("Addresses with letters outside ASCII are not supported; write the domain as xn--…."),
            code="invalid",
        )
    local, _at, domain = value.rpartition("@")
    if not local or len(local) > 64 or len(value) > 254 or domain.startswith("[") or local.startswith('"'):
        raise ValidationError(_("Enter an e-mail address."), code="invalid")
    if value != value.strip() or local.startswith("-"):
        raise ValidationError(_("Enter an e-mail address."), code="invalid")
    _email(value)
    if "xn--" in domain.lower():
        try:
            check_host(domain)
        except ValueError as error:
            raise ValidationError(_("Enter an e-mail address."), code="invalid") from error


def validate_host(value: str) -> None:
    """A host name (RFC 1123 §2.1), an address literal, or a name that the deployment lists.

    Whether it may be reached is for the gate.

    Raises:
        ValidationError: it is neither.
    """
    try:
        check_host(value, listed=get_settings().allowed_hosts)
    except ValueError as error:
        raise ValidationError(
            _("Enter the server's name, such as smtp.example.com."), code="host_not_allowed"
        ) from error
