"""The calls about a tenant's webhooks: URLs of its own that are told what happens to its mail."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.models import WebhookEndpoint
from mailconfig.models.access import Action, holds
from mailconfig.models.webhook import waiting_events

from .views import TenantConfigView
from .webhook_serializers import (
    WIRE_NAMES,
    NewWebhookSerializer,
    NothingSerializer,
    WebhookAnswerSerializer,
    WebhookDeliveriesSerializer,
    WebhookDeliverySerializer,
    WebhookListSerializer,
    WebhookSecretSerializer,
    WebhookSerializer,
)

NO_WEBHOOK = "Webhook not found"
LATEST = 50
MOST_LISTED = 200
LIMIT = ("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED}, f"How many, at most ({LATEST}).")
EXAMPLE = OpenApiExample(
    "Tell of what came of each mail",
    request_only=True,
    value={
        "url": "https://hooks.acme.example/mail",
        "events": ["message.settled", "message.bounced"],
        "description": "Orders",
    },
)


class WebhookView(TenantConfigView):
    """The base: who belongs to the tenant and has the model's permission."""

    path_parts: ClassVar = {
        **TenantConfigView.path_parts,
        "webhook_id": ({"type": "string", "format": "uuid"}, "The webhook's id."),
    }
    wire_names = WIRE_NAMES
    told_fields = frozenset(WebhookSerializer().fields) | {"limit"}
    one_route: ClassVar[str] = "mailconfig-tenant-webhook"

    def require(self, action: Action) -> None:
        """Return if the caller has the model permission.

        Raises:
            PermissionDenied: they have not.
        """
        if not holds(self.principal, f"{action}_webhookendpoint"):
            raise PermissionDenied

    def rows(self) -> QuerySet[WebhookEndpoint]:
        """The webhooks of the tenant, each with the number of events that wait."""
        rows = WebhookEndpoint.objects.filter(tenant=self.tenant).defer("secret", "earlier_secret")
        return rows.annotate(waiting=waiting_events()).order_by("pk")

    def one(self, action: Action) -> WebhookEndpoint:
        """The webhook that the path names.

        Raises:
            PermissionDenied: the caller has not the permission.
            NotFound: there is none of this tenant's.
        """
        self.require(action)
        try:
            key = uuid.UUID(self.kwargs["webhook_id"])
        except ValueError:
            raise NotFound(NO_WEBHOOK) from None
        endpoint = self.rows().filter(uuid=key).first()
        if endpoint is None:
            raise NotFound(NO_WEBHOOK)
        return endpoint


class TenantWebhooks(WebhookView):
    """All webhooks of a tenant."""

    @describe(summary="List the webhooks", responses={200: WebhookListSerializer})
    def get(self, request: Request, **kwargs: Any) -> Response:
        """All of the tenant's webhooks, in the order in which they were created; there are few."""
        self.require("view")
        queries.read(request, known=())
        return Response({"webhooks": WebhookAnswerSerializer(self.rows(), many=True).data})

    @describe(
        summary="Create a webhook",
        request=WebhookSerializer,
        responses={201: NewWebhookSerializer},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Store a webhook, and answer with its secret, which is shown this once. Nothing is connected."""
        self.require("add")
        serializer = WebhookSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        endpoint = serializer.apply(WebhookEndpoint(tenant=self.tenant))
        secret = delivery.save_webhook(endpoint=endpoint)
        endpoint = self.rows().get(pk=endpoint.pk)
        body = {**WebhookAnswerSerializer(endpoint).data, "secret": secret.reveal() if secret else ""}
        location = url_of(request, self.one_route, **kwargs, webhook_id=str(endpoint.uuid))
        return Response(body, status=201, headers={"Location": location})


class TenantWebhook(WebhookView):
    """One webhook."""

    @describe(summary="Read a webhook", responses={200: WebhookAnswerSerializer})
    def get(self, request: Request, **kwargs: Any) -> Response:
        """The webhook, and how it fares."""
        return Response(WebhookAnswerSerializer(self.one("view")).data)

    @describe(
        summary="Change a webhook",
        request=WebhookSerializer(partial=True),
        responses={200: WebhookAnswerSerializer},
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """Change what is sent. One that is enabled again is told at once what waited meanwhile."""
        endpoint = self.one("change")
        serializer = WebhookSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        delivery.save_webhook(endpoint=serializer.apply(endpoint), changed=serializer.validated_data)
        return Response(WebhookAnswerSerializer(self.one("change")).data)

    @describe(summary="Delete a webhook", responses={204: None})
    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Delete it with all that waits for it."""
        delivery.delete_webhook(endpoint=self.one("delete"))
        return Response(status=204)


class TenantWebhookSecret(WebhookView):
    """The secret of a webhook."""

    @describe(summary="Make a new secret", request=None, responses={200: WebhookSecretSerializer})
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Make a new secret, and show it this once; for a day everything is signed by the one before as well."""
        endpoint = self.one("change")
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        secret = delivery.rotate_webhook_secret(endpoint=endpoint)
        until = {"earlierSecretUntil": endpoint.earlier_secret_until, "secret": secret.reveal()}
        return Response(WebhookSecretSerializer(until).data)


class TenantWebhookTest(WebhookView):
    """A test of a webhook."""

    @describe(
        summary="Send a test event",
        request=None,
        responses={202: OpenApiResponse(WebhookDeliverySerializer, description="A worker sends it.")},
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Have a worker send an event of the kind webhook.test; what comes of it stands among the deliveries."""
        endpoint = self.one("change")
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        row = delivery.send_test_event(endpoint=endpoint)
        return Response(WebhookDeliverySerializer(row).data, status=202)


class TenantWebhookDeliveries(WebhookView):
    """Outcomes of telling a webhook."""

    @describe(
        summary="List the latest deliveries",
        parameters=queries.documented(LIMIT),
        responses={200: WebhookDeliveriesSerializer},
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """The events of the webhook, the newest first, with what came of each."""
        endpoint = self.one("view")
        parameters = queries.read(request, known={"limit"})
        limit = queries.number(parameters, "limit", default=LATEST, least=1, most=MOST_LISTED)
        rows = endpoint.deliveries.order_by("-pk")[:limit]
        return Response({"deliveries": WebhookDeliverySerializer(rows, many=True).data})


class RealmWebhooks(TenantWebhooks):
    """The same by path."""

    one_route = "mailconfig-realm-webhook"


class RealmWebhook(TenantWebhook):
    """The same by path."""


class RealmWebhookSecret(TenantWebhookSecret):
    """The same by path."""


class RealmWebhookTest(TenantWebhookTest):
    """The same by path."""


class RealmWebhookDeliveries(TenantWebhookDeliveries):
    """The same by path."""
