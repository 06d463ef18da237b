"""Serializer fields that take what they say and nothing that merely looks like it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, NoReturn

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailconfig.delivery import require_allowed_host
from mailconfig.exceptions import HostNotAllowed
from mailconfig.models.validators import validate_address, validate_host, validate_line, validate_text
from mailconfig.secrets.entry import secret_from_entry
from mailconfig.values import Secret

_DIGITS = re.compile(r"[0-9]{1,5}")


class LineField(serializers.CharField):
    """One line of text as it was sent: a JSON string, not a number that could be turned into one."""

    # REST framework's own sentence is missing in many of its catalogues, the Japanese one too.
    default_error_messages = {**serializers.CharField.default_error_messages, "invalid": _("Enter text.")}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)
        self.validators.append(validate_line)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TextsField(LineField):
    """Lines of text as they were sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators[-1] = validate_text


class HostField(LineField):
    """A host name or an address literal; whether a name may be reached is for the probe.

    Args:
        allowed_only: refuse a literal that the deployment forbids, too: where nothing is connected before the host
            is stored, nobody else says so.
    """

    def __init__(self, *, allowed_only: bool = False, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, **kwargs})
        self.validators.append(validate_allowed_host if allowed_only else validate_host)


def validate_allowed_host(value: str) -> None:
    """A host as :func:`mailconfig.models.validators.validate_host` takes it; a literal only if the deployment allows it.

    Raises:
        ValidationError: it is none, or forbidden.
    """
    validate_host(value)
    try:
        require_allowed_host(host=value)
    except HostNotAllowed as error:
        raise DjangoValidationError(_("This address is not allowed."), code="host_not_allowed") from error


@extend_schema_field({"type": "string", "format": "email"})
class AddressField(LineField):
    """One addr-spec in ASCII (RFC 5321 §4.1.2)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 254, **kwargs})
        self.validators.append(validate_address)


@extend_schema_field(OpenApiTypes.BOOL)
class StrictBooleanField(serializers.Field[bool, Any, bool, Any]):
    """``true`` and ``false``, and further spellings only where a surface has them.

    Args:
        also: what else means what, compared with its type, so that ``1`` is not ``1.0``.
    """

    default_error_messages = {"invalid": _("Must be true or false.")}

    def __init__(self, *, also: tuple[tuple[object, bool], ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._also = also

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, bool):
            return data
        for spelling, meant in self._also:
            if type(spelling) is type(data) and spelling == data:
                return meant
        raise serializers.ValidationError(self.error_messages["invalid"], code="invalid")

    def to_representation(self, value: Any) -> bool:
        return bool(value)


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": 65535})
class PortField(serializers.Field[int, Any, int, Any]):
    """A TCP port; with ``digits`` also as a string of ASCII digits."""

    default_error_messages = {"invalid": _("A port is a number from 1 to 65535.")}

    def __init__(self, *, digits: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._digits = digits

    def to_internal_value(self, data: Any) -> int:
        if self._digits and isinstance(data, str) and _DIGITS.fullmatch(data):
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int) or not 1 <= data <= 65535:
            self.fail("invalid")
        return data

    def to_representation(self, value: int) -> int:
        return value


class WordField(serializers.Field[Any, Any, Any, Any]):
    """One of a few words, each standing for a value of the model.

    Args:
        words: what the wire says, by what the model holds.
        also: further spellings that are taken and never answered, compared with their type.
        fallback: what is answered for a value that has no word; else the first word.
    """

    default_error_messages = {"invalid_choice": _("Must be one of %(words)s.")}

    def __init__(
        self,
        *,
        words: Mapping[Any, str],
        also: tuple[tuple[object, str], ...] = (),
        fallback: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.words = words
        self._also = also
        self.fallback = fallback if fallback is not None else next(iter(words.values()))

    def to_internal_value(self, data: Any) -> Any:
        if data == self.fallback and self._has_no_word():
            raise serializers.SkipField  # sent back as it was read: it stays
        for spelling, word in self._also:
            if type(spelling) is type(data) and spelling == data:
                data = word
                break
        for held, word in self.words.items():
            if isinstance(data, str) and data == word:
                return held
        words = ", ".join(dict.fromkeys(self.words.values()))
        message = self.error_messages["invalid_choice"] % {"words": words}
        raise serializers.ValidationError(message, code="invalid_choice")

    def to_representation(self, value: Any) -> str:
        return self.words.get(value, self.fallback)

    def _has_no_word(self) -> bool:
        """Return whether the value that is stored is answered by the fallback, and that is no word."""
        instance = getattr(self.parent, "instance", None)
        if instance is None or self.fallback in self.words.values():
            return False
        return self.get_attribute(instance) not in self.words


class TimeField(serializers.DateTimeField):
    """A moment that is told and not taken: ISO 8601 in UTC, whatever the host's settings say of times."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso-8601", default_timezone=UTC, **{"read_only": True, **kwargs})


@extend_schema_field({"type": "string", "format": "password", "nullable": True})
class SecretEntryField(serializers.Field[Secret | None, Any, Any, Any]):
    """A secret that comes in and never goes out: absent keeps what is stored, ``null`` and ``""`` clear it.

    Args:
        longest: see :func:`mailconfig.secrets.entry.secret_from_entry`.
    """

    default_error_messages = {"invalid": _("Enter text.")}

    def __init__(self, *, longest: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{"write_only": True, "allow_null": True, "required": False, **kwargs})
        self._longest = longest

    def to_internal_value(self, data: Any) -> Secret | None:
        if not isinstance(data, str | Secret):
            self.fail("invalid")
        try:
            text = data.reveal() if isinstance(data, Secret) else data
            return secret_from_entry(text, longest=self._longest)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.message, code=error.code) from None

    def to_representation(self, value: Any) -> NoReturn:
        raise TypeError("a secret is not shown")
