"""Webhooks under the names of the tenants' surface: what is taken, and what is told of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailconfig.api.common.fields import LineField, StrictBooleanField, TimeField
from mailconfig.delivery import check_webhook_url
from mailconfig.http_urls import MAX_URL
from mailconfig.models import (
    CHOSEN_KINDS,
    DeliveryState,
    DisabledReason,
    EventKind,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookProblem,
)
from mailconfig.models.webhook import validate_kinds

WIRE_NAMES = {"kinds": "events", "is_enabled": "enabled"}
"""What the wire calls columns."""


@extend_schema_field({"type": "string", "format": "uri", "maxLength": MAX_URL})
class UrlField(LineField):
    """An https URL of a public host."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_URL, **kwargs)
        self.validators.append(check_webhook_url)


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "string", "enum": [str(kind) for kind in CHOSEN_KINDS]},
        "minItems": 1,
        "uniqueItems": True,
    }
)
class EventsField(serializers.Field[list[str], Any, list[str], Any]):
    """Kinds of events, each once, at least one."""

    def to_internal_value(self, data: Any) -> list[str]:
        validate_kinds(data)
        return list(data)

    def to_representation(self, value: list[str]) -> list[str]:
        return value


class WebhookSerializer(serializers.Serializer[Any]):
    """A webhook as it is written. What is left out of a change stays as it is."""

    url = UrlField(help_text="Begins with https:// and names a public host.")
    events = EventsField(source="kinds")
    description = LineField(max_length=255, default="", allow_blank=True)
    enabled = StrictBooleanField(source="is_enabled", default=True)

    def apply(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        """Put what was sent onto ``endpoint``, which is not stored by that."""
        for name, value in self.validated_data.items():
            setattr(endpoint, name, value)
        return endpoint


class WebhookAnswerSerializer(serializers.Serializer[Any]):
    """A webhook as it is told of; its secret is in no answer but that of its creation."""

    id = serializers.UUIDField(source="uuid")
    url = serializers.CharField()
    events = EventsField(source="kinds")
    description = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    disabledReason = serializers.ChoiceField(
        choices=["", *DisabledReason.values],
        source="disabled_reason",
        help_text="Empty: it is enabled, or a person disabled it.",
    )
    failingSince = TimeField(source="failing_since", allow_null=True)
    problem = serializers.ChoiceField(
        choices=["", *WebhookProblem.values], help_text="Of the last request; empty: it was taken."
    )
    httpStatus = serializers.IntegerField(source="http_status", allow_null=True)
    lastSuccessAt = TimeField(source="last_success_at", allow_null=True)
    waiting = serializers.IntegerField(help_text="Events that wait to be told.")
    dropped = serializers.IntegerField(help_text="Events that were never told, since too many waited.")
    createdAt = TimeField(source="created_at")
    updatedAt = TimeField(source="updated_at")


class NewWebhookSerializer(WebhookAnswerSerializer):
    """A webhook that was just created."""

    secret = serializers.CharField(help_text="The key of its signatures. It is never shown again.")


class NothingSerializer(serializers.Serializer[Any]):
    """A body that says nothing: none at all, or an object."""


class WebhookListSerializer(serializers.Serializer[Any]):
    """All webhooks of the tenant."""

    webhooks = WebhookAnswerSerializer(many=True)


class WebhookSecretSerializer(serializers.Serializer[Any]):
    """A secret that was just made."""

    secret = serializers.CharField(help_text="The key of all further signatures. It is never shown again.")
    earlierSecretUntil = TimeField(help_text="So long everything is signed by the one before as well.")


class WebhookDeliverySerializer(serializers.Serializer[Any]):
    """An event, and what came of telling it."""

    id = serializers.UUIDField(source="event_id", help_text="What stands in webhook-id.")
    event = serializers.ChoiceField(choices=EventKind.values, source="kind")
    state = serializers.ChoiceField(choices=DeliveryState.values)
    data = serializers.DictField()  # type: ignore[assignment]  # of what was sent; here nothing is
    attempts = serializers.IntegerField()
    createdAt = TimeField(source="created_at")
    attemptedAt = TimeField(source="attempted_at", allow_null=True)
    nextAttemptAt = serializers.SerializerMethodField()
    problem = serializers.ChoiceField(
        choices=["", *WebhookProblem.values],
        help_text="Of the last attempt; empty: there was none, or it was taken.",
    )
    httpStatus = serializers.IntegerField(source="http_status", allow_null=True)
    answer = serializers.CharField(help_text="The beginning of an answer that was no success.")

    @extend_schema_field({"type": "string", "format": "date-time", "nullable": True})
    def get_nextAttemptAt(self, row: WebhookDelivery) -> Any:  # noqa: N802 - as the wire calls it
        """When it is tried again; ``None``: never."""
        return TimeField().to_representation(row.due_at) if row.state == DeliveryState.WAITING else None


class WebhookDeliveriesSerializer(serializers.Serializer[Any]):
    """The latest events of a webhook, the newest first."""

    deliveries = WebhookDeliverySerializer(many=True)
