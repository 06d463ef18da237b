"""The tenant's suppression list: addresses and domains to which its mail does not go."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.fields import LineField, TimeField
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.api.common.serializers import StrictSerializer
from mailconfig.models import Suppression, SuppressionReason, tenant_key
from mailconfig.models.access import holds
from mailconfig.models.validators import validate_address

from .base import TENANT, EmailServiceView

PAGE, LONGEST_PAGE = 100, 1000
_DIGITS = re.compile(r"[0-9]{1,18}")
_PARAMETERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("address", {"type": "string"}, "Only entries of this address or domain, in any spelling."),
    ("reason", {"type": "string", "enum": SuppressionReason.values}, "Only entries for this reason."),
    (
        "limit",
        queries.number_schema(least=1, most=LONGEST_PAGE),
        f"How many at most; {PAGE} if nothing is said.",
    ),
    (
        "before",
        queries.number_schema(least=1, most=queries.BIGGEST),
        "Only entries older than that of this id.",
    ),
)
_EXAMPLE = OpenApiExample(
    "Somebody asked by phone",
    request_only=True,
    value={"address": "someone@example.net", "note": "by phone"},
)


def validate_entry(value: str) -> None:
    """An address as this surface takes it everywhere, or a domain.

    Raises:
        ValidationError: it is neither.
    """
    if "@" in value:
        validate_address(value)
    delivery.checked_entry(value)


class NewSuppressionSerializer(StrictSerializer):
    """An entry that shall be there."""

    address = LineField(
        max_length=254,
        validators=[validate_entry],
        help_text="An address, or a domain: all addresses of exactly that domain.",
    )
    reason = serializers.ChoiceField(choices=SuppressionReason.values, default=SuppressionReason.MANUAL.value)
    note = LineField(max_length=255, required=False, allow_blank=True)


class SuppressionSerializer(serializers.Serializer[Any]):
    """An entry of the list."""

    id = serializers.IntegerField()
    address = serializers.CharField()
    reason = serializers.ChoiceField(choices=SuppressionReason.values)
    note = serializers.CharField()
    message_id = serializers.UUIDField(
        source="message.uuid",
        default=None,
        allow_null=True,
        help_text="The mail it is about; null: none is known.",
    )
    created_at = TimeField()
    created_by = serializers.CharField(
        source="created_by.username",
        default=None,
        allow_null=True,
        help_text="The user name of who listed it; null: the recipient, or a server.",
    )


class SuppressionPage(serializers.Serializer[Any]):
    """Entries, the newest first."""

    suppressions = SuppressionSerializer(many=True)
    next_before = serializers.IntegerField(
        allow_null=True, help_text="`before` of the next page; null: it is the last."
    )


class SuppressionsView(EmailServiceView):
    """The base. Who may do what with the list, model permissions say, for members as for everybody."""

    path_parts = {
        **EmailServiceView.path_parts,
        "suppression_id": ({"type": "string", "pattern": "^[0-9]{1,18}$"}, "The entry's id."),
    }

    def require(self, action: str) -> None:
        """Refuse who has not the permission.

        Raises:
            PermissionDenied: this one has not.
        """
        if not holds(self.principal, f"{action}_suppression"):
            raise PermissionDenied

    def rows(self) -> Any:
        """Entries of the tenant."""
        return Suppression.objects.filter(tenant=self.tenant).select_related("message", "created_by")


class Suppressions(SuppressionsView):
    """The list, and a new entry."""

    @describe(
        operation_id="listSuppressions",
        summary="List suppressed addresses",
        parameters=[TENANT, *queries.documented(*_PARAMETERS)],
        responses={200: SuppressionPage},
    )
    def get(self, request: Request) -> Response:
        """A page of entries, the newest first."""
        self.require("view")
        given = queries.read(request, known=[name for name, _kind, _text in _PARAMETERS])
        limit = queries.number(given, "limit", default=PAGE, least=1, most=LONGEST_PAGE)
        rows = self.rows()
        if "before" in given:
            rows = rows.filter(
                pk__lt=queries.number(given, "before", default=1, least=1, most=queries.BIGGEST)
            )
        if "reason" in given:
            if given["reason"] not in SuppressionReason.values:
                raise ValidationError({"reason": [_("There is no such reason.")]})
            rows = rows.filter(reason=given["reason"])
        if "address" in given:
            # By the index of the list's constraint, whatever the list's length.
            rows = rows.alias(whose=tenant_key()).filter(
                whose=self.tenant.pk, address=self._entry(given["address"])
            )
        found = list(rows.order_by("-pk")[: limit + 1])
        page = found[:limit]
        more = page[-1].pk if len(found) > limit else None
        return Response(SuppressionPage({"suppressions": page, "next_before": more}).data)

    @staticmethod
    def _entry(text: str) -> str:
        try:
            return delivery.checked_entry(text)
        except DjangoValidationError as error:
            raise ValidationError({"address": error.messages}) from None

    @describe(
        operation_id="addSuppression",
        summary="Suppress an address",
        parameters=[TENANT],
        request=NewSuppressionSerializer,
        responses={
            200: OpenApiResponse(SuppressionSerializer, description="It is there already, as it was."),
            201: SuppressionSerializer,
        },
        examples=[_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        """List an address or a domain. The same twice is one entry."""
        self.require("add")
        serializer = NewSuppressionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        entry, is_new = delivery.suppress(
            tenant_id=self.tenant.pk,
            address=delivery.checked_entry(values["address"]),
            reason=values["reason"],
            note=values.get("note", ""),
            by=self.principal,
        )
        location = url_of(request, "mailconfig-email-suppression", suppression_id=str(entry.pk))
        status = 201 if is_new else 200
        return Response(SuppressionSerializer(entry).data, status=status, headers={"Location": location})


class SuppressionEntry(SuppressionsView):
    """One entry."""

    def entry(self, suppression_id: str) -> Suppression:
        """Return the entry.

        Raises:
            NotFound: the tenant has none by this id.
        """
        found: Suppression | None = None
        if _DIGITS.fullmatch(suppression_id):
            found = self.rows().filter(pk=int(suppression_id)).first()
        if found is None:
            raise NotFound
        return found

    @describe(
        operation_id="getSuppression",
        summary="Read an entry",
        parameters=[TENANT],
        responses={200: SuppressionSerializer},
    )
    def get(self, request: Request, suppression_id: str) -> Response:
        """The entry."""
        self.require("view")
        return Response(SuppressionSerializer(self.entry(suppression_id)).data)

    @describe(
        operation_id="removeSuppression",
        summary="Let mail go to an address again",
        parameters=[TENANT],
        responses={204: None},
    )
    def delete(self, request: Request, suppression_id: str) -> Response:
        """Take the entry away. Others of the same address, for other reasons, stay in force."""
        self.require("delete")
        self.entry(suppression_id).delete()
        return Response(status=204)
