"""Mails of the email service: sent, asked after, cancelled."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import request_ids
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.exceptions import InvalidAttachment, InvalidMessage, InvalidTransition, KeyReused
from mailconfig.models import AccountKind, Message, MessageState, TenantMailConfig
from mailconfig.request_ids import PATTERN, is_valid

from .base import TENANT, Conflict, EmailServiceView, no_configuration
from .serializers import EmailMessageAnswer, EmailServiceAnswer, EmailServiceProblem, SendEmailSerializer

REQUEST_ID = OpenApiParameter(
    "Request-ID",
    {"type": "string", "pattern": PATTERN},
    OpenApiParameter.HEADER,
    description="Sent again with the same mail, nothing more is queued, and the first one is answered. Else X-Request-ID.",
)
KEY = "request:{}"
"""Keys of this surface, apart from those that the host's own code gives the mails of a tenant."""


class SendEmail(EmailServiceView):
    """A mail of the tenant."""

    @describe(
        operation_id="sendEmail",
        summary="Send a mail",
        parameters=[TENANT, REQUEST_ID],
        request=SendEmailSerializer,
        responses={
            202: OpenApiResponse(
                EmailServiceAnswer, description="It is queued; Location says where it can be asked after."
            ),
            409: OpenApiResponse(
                EmailServiceProblem,
                description="The tenant has no mail configuration, or another mail came with this request id.",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Queue a mail that goes out through the tenant's configuration. Its attachments are fetched before it goes."""
        key = self._key(request)
        serializer = SendEmailSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        mail = {
            "recipient": values["recipient"],
            "subject": values.get("subject", ""),
            "text": values.get("message", ""),
            "attachments": values.get("attachments", []),
            "unsubscribe": values.get("unsubscribe", False),
        }
        try:
            message = self._earlier(mail, key) or self._queued(mail, key)
        except KeyReused:
            raise Conflict(_("Another mail came with this request id.")) from None
        except InvalidAttachment as error:
            words = _(
                "Attachment %(number)d cannot be fetched: its URL is none, or leads where nothing may be."
            )
            number = (error.position or 0) + 1
            raise ValidationError({"attachments": [words % {"number": number}]}) from None
        except InvalidMessage:
            raise ValidationError({"": [_("This mail cannot be sent as it is.")]}) from None
        location = url_of(request, "mailconfig-email-message", message_id=str(message.uuid))
        return Response({"message": _("The mail is queued.")}, status=202, headers={"Location": location})

    def _earlier(self, mail: dict[str, Any], key: str | None) -> Message | None:
        """Return what came with this key before, though the configuration may be disabled by now, or another one."""
        if key is None:
            return None
        return delivery.find_service_mail(tenant=self.tenant, idempotency_key=key, **mail)

    def _queued(self, mail: dict[str, Any], key: str | None) -> Message:
        """Queue it.

        Raises:
            ValidationError: it is to say how one opts out, and no link can lead here. What came before with this key is
                answered nevertheless.
        """
        if mail["unsubscribe"] and not delivery.public_url("/"):
            words = _(
                "This site does not say under which address the world reaches it, so no link can lead here."
            )
            raise ValidationError({"unsubscribe": [words]})
        return delivery.queue_service_mail(self._sender(), idempotency_key=key, **mail)

    def _sender(self) -> TenantMailConfig:
        """Return the configuration through which mail leaves.

        Raises:
            Conflict: there is none, or none that mail could come from.
            PermissionDenied: it is disabled.
        """
        config = self.config()
        if config is None:
            raise no_configuration()
        if not config.is_enabled:
            raise PermissionDenied(_("The tenant's mail configuration is disabled."))
        if not config.sender:
            raise Conflict(_("The tenant's mail configuration names no address that mail could come from."))
        return config

    def _key(self, request: Request) -> str | None:
        """Return the idempotency key of the call; one that cannot be an id would protect from nothing.

        Raises:
            ValidationError: it cannot be one.
        """
        given = request_ids.given_by(request._request, self.request_id_headers)
        if given is None:
            return None
        if not is_valid(given):
            words = _("An id has 1 to 128 printable ASCII characters without spaces.")
            raise ValidationError({"Request-ID": [words]})
        return KEY.format(given)


class EmailMessage(EmailServiceView):
    """A mail that was queued here."""

    def message(self, message_id: str) -> Message:
        """Return a mail that left, or will leave, through the tenant's configuration; test mails are none.

        Raises:
            NotFound: there is none by this id.
        """
        try:
            key = uuid.UUID(message_id)
        except ValueError:
            raise NotFound from None
        rows = Message.objects.select_related("hand_over", "account", "failed_over_from")
        rows = rows.defer("account__secret", "failed_over_from__secret")
        found = rows.filter(uuid=key, is_test=False).first()
        if (
            found is None
            or found.home.kind != AccountKind.TENANT_CONFIG
            or found.home.tenant_id != self.tenant.pk
        ):
            raise NotFound
        return found

    @describe(
        operation_id="getEmailMessage",
        summary="Ask after a mail",
        parameters=[TENANT],
        responses={200: EmailMessageAnswer},
    )
    def get(self, request: Request, message_id: str) -> Response:
        """Its state, why it waits or failed, and when it may go."""
        message = self.message(message_id)
        facts = delivery.message_facts(message)
        answer = EmailMessageAnswer(
            {
                "id": message.uuid,
                "state": facts.state,
                "code": facts.code,
                "reason": facts.reason,
                "next_at": facts.next_at,
                "attempts": message.attempts,
                "created_at": message.created_at,
                "settled_at": message.settled_at,
            }
        )
        return Response(answer.data)

    @describe(
        operation_id="cancelEmailMessage",
        summary="Cancel a mail that waits",
        parameters=[TENANT],
        responses={
            204: None,
            409: OpenApiResponse(
                EmailServiceProblem, description="It is being handed over, or nothing more will happen to it."
            ),
        },
    )
    def delete(self, request: Request, message_id: str) -> Response:
        """Never send it. One that is cancelled already stays so."""
        message = self.message(message_id)
        try:
            delivery.cancel(message_id=message.pk)
        except InvalidTransition as error:
            if not Message.objects.filter(pk=message.pk, state=MessageState.CANCELLED).exists():
                raise Conflict(str(error)) from None
        return Response(status=204)
