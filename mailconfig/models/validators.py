"""What a single value must be, before it may reach a header or the wire."""

from __future__ import annotations

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.hostnames import check_host

_LINE_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_email = EmailValidator()


def validate_line(value: str) -> None:
    """One line of text without control characters (RFC 5322 §2.2 forbids them in header values).

    Raises:
        ValidationError: a control character, a line separator or a lone surrogate is in it.
    """
    if _LINE_BREAKS.search(value) or any(unicodedata.category(char) == "Cs" for char in value):
        raise ValidationError(_("This must be one line without control characters."), code="invalid")


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
