"""A tenant's mail configuration under the names of its clients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
)
from mailconfig.api.common.serializers import AccountSerializer
from mailconfig.models import Account
from mailconfig.models.choices import SMTP
from mailconfig.values import Authentication, Security

DEFAULT_PORT = 25
SUB_SYSTEM = 8
WORDS = (("true", True), ("false", False))
NEEDED = ("host", "from")
_MASKED = re.compile(r"[*•]{3}")


def refuse_mask(value: str) -> None:
    """A page that hides values shows them so; sent back they would replace the real ones.

    Raises:
        ValidationError: three asterisks or bullets in a row.
    """
    if _MASKED.search(value):
        raise ValidationError(_("Enter the value itself, not a mask."), code="mask")


@extend_schema_field(
    {
        "anyOf": [
            {"type": "string", "pattern": "^[0-9]{0,5}$", "nullable": True},
            {"type": "integer", "minimum": 1, "maximum": 65535},
        ],
        "default": DEFAULT_PORT,
        "description": "From 1 to 65535.",
    }
)
class PortEntryField(PortField):
    """A port as a string of ASCII digits or a number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(digits=True, default=DEFAULT_PORT, **kwargs)


@extend_schema_field(
    {
        "anyOf": [{"type": "boolean", "nullable": True}, {"type": "string", "enum": ["true", "false", ""]}],
        "default": False,
    }
)
class FlagField(StrictBooleanField):
    """``true``, ``false``, and the two words as strings, in small letters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(also=WORDS, default=False, **kwargs)


class OptionalLine(LineField):
    """A text that may be left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{"max_length": 255, "default": "", "allow_blank": True, "allow_null": True, **kwargs}
        )


class OptionalAddress(AddressField):
    """An address that may be left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default": "", "allow_blank": True, "allow_null": True, **kwargs})
        self.validators.append(refuse_mask)


class TenantMailConfigSerializer(AccountSerializer):
    """Writes a configuration as a whole: what is left out, ``null`` or ``""`` is set back to its default.

    Only the password is kept if it is left out, and cleared by ``null`` and ``""``. Nothing is ever answered in this
    shape.
    """

    host = HostField(allowed_only=True)
    from_ = AddressField(source="from_email", validators=[refuse_mask])
    fromDisplayName = OptionalLine(source="from_name")
    envelopeFrom = OptionalAddress(source="envelope_from", help_text="Where bounces go; else to `from`.")
    replyTo = OptionalAddress(source="reply_to_email")
    replyToDisplayName = OptionalLine(source="reply_to_name")
    port = PortEntryField()
    starttls = FlagField(help_text="STARTTLS, required.")
    ssl = FlagField(help_text="TLS from the first byte; goes before `starttls`.")
    user = OptionalLine(
        source="username",
        validators=[refuse_mask],
        help_text="Without it nobody logs in and no password is stored.",
    )
    password = SecretEntryField(
        source="secret",
        help_text="Left out: the stored one is kept; then host, port, encryption and user have to be the stored ones.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """By their names on the wire; ``from`` is no name in Python."""
        return {name.removesuffix("_"): field for name, field in super().get_fields().items()}

    @classmethod
    def wire_names(cls) -> dict[str, str]:
        """Map names as the base does; an error of two fields together goes by the first of them."""
        names = {column: name.removesuffix("_") for column, name in super().wire_names().items()}
        return {**names, "security": "starttls", "authentication": "user"}

    def to_internal_value(self, data: Any) -> Any:
        """Read the values as the base does; blank is missing where a value is needed, and not set where none is."""
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if not self._is_left_out(name, value)}
        return super().to_internal_value(data)

    def _is_left_out(self, name: str, value: object) -> bool:
        if name in NEEDED and isinstance(value, str):
            return not value.strip()
        return name != "password" and (value is None or value == "")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Say with the account's words which encryption and login are meant."""
        wants_tls, wants_starttls = attrs.pop("ssl"), attrs.pop("starttls")
        if wants_tls:
            attrs["security"] = Security.TLS
        else:
            attrs["security"] = Security.STARTTLS if wants_starttls else Security.OPPORTUNISTIC
        attrs["send_method"] = SMTP
        if attrs["username"]:
            attrs["authentication"] = Authentication.PASSWORD
        else:
            attrs["authentication"] = Authentication.NONE
            if attrs.get("secret") is not None:
                attrs["secret"] = None
        return attrs

    def apply(self, account: Account) -> Account:
        """Set the account's values. Who asks for no encryption leaves an administrator's choice of none alone."""
        server = (account.host, account.port)
        chose_none = not account._state.adding and account.security == Security.NONE
        super().apply(account)
        asks_for_none = account.security == Security.OPPORTUNISTIC
        if chose_none and asks_for_none and server == (account.host, account.port):
            account.security = Security.NONE
        return account


class TenantTestMailSerializer(serializers.Serializer[Any]):
    """A test to be made: there is one kind."""

    mailType = serializers.ChoiceField(
        choices=["TEST"], error_messages={"invalid_choice": _("Must be TEST.")}
    )


class TenantConfigAnswerSerializer(serializers.Serializer[Any]):
    """The one envelope of this surface, whatever became of a call."""

    message = serializers.CharField()
    status = serializers.CharField(help_text="OK, or what went wrong in a word.")
    subSystem = serializers.IntegerField(help_text=f"Always {SUB_SYSTEM}: mail.")
