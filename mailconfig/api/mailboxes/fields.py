"""Fields of a mailbox's attributes, besides those that other surfaces have too."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailconfig.api.common.fields import LineField, validate_allowed_host
from mailconfig.models.choices import VerifyMode
from mailconfig.models.validators import validate_endpoint

from .filters import read_moment

FURTHEST = timedelta(days=366)
MOST = 2**31 - 1
"""The largest number that every database keeps in a column of these."""


class EndpointField(LineField):
    """The https address of a web service, whose host is none that the deployment forbids."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, **kwargs})
        self.validators.append(_validate_allowed_endpoint)


def _validate_allowed_endpoint(value: str) -> None:
    validate_endpoint(value)
    validate_allowed_host(urlsplit(value).hostname or "")


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field[datetime, Any, Any, Any]):
    """A moment in ISO 8601, in UTC if it says no other zone, within a year from now."""

    default_error_messages = {
        "invalid": _("Must be a time such as 2030-01-31T08:00:00Z."),
        "too_late": _("Must be within a year from now."),
    }

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = read_moment(data)[0] if isinstance(data, str) and "T" in data else None
        except ValueError:
            moment = None
        if moment is None:
            self.fail("invalid")
        if moment > timezone.now() + FURTHEST:
            self.fail("too_late")
        return cast("datetime", moment)

    def to_representation(self, value: datetime) -> Any:
        return value


class WholeField(serializers.IntegerField):
    """A whole number: no digits in a text, no truth value, no fraction.

    Args:
        least, most: what is taken.
    """

    default_error_messages = {"invalid": _("Must be a whole number from %(least)d to %(most)d.")}

    def __init__(self, *, least: int = 0, most: int = MOST, **kwargs: Any) -> None:
        super().__init__(min_value=least, max_value=most, **kwargs)
        self.least, self.most = least, most

    def to_internal_value(self, data: Any) -> int:
        is_number = isinstance(data, int) and not isinstance(data, bool)
        if not is_number or not self.least <= data <= self.most:
            words = self.error_messages["invalid"] % {"least": self.least, "most": self.most}
            raise serializers.ValidationError(words, code="invalid")
        return int(data)


@extend_schema_field({"type": "integer", "enum": VerifyMode.values})
class VerifyModeField(serializers.Field[int, Any, int, Any]):
    """One of OpenSSL's numbers."""

    default_error_messages = {"invalid_choice": _("Must be one of %(words)s.")}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int) or data not in VerifyMode.values:
            words = self.error_messages["invalid_choice"] % {"words": ", ".join(map(str, VerifyMode.values))}
            raise serializers.ValidationError(words, code="invalid_choice")
        return data

    def to_representation(self, value: int) -> int:
        return value
