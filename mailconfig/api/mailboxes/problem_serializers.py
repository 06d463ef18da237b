"""Shapes of what is wrong, in a document of errors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers


class ErrorSource(serializers.Serializer[Any]):
    """The member of the document, or the parameter, that is to blame."""

    pointer = serializers.CharField(required=False)
    parameter = serializers.CharField(required=False)


class ErrorMeta(serializers.Serializer[Any]):
    """Details of a failed check."""

    stage = serializers.CharField()
    attribute = serializers.CharField(
        help_text="The value that is probably guilty; empty: none is known to be."
    )
    serverText = serializers.CharField(required=False, help_text="The server's own words; staff only.")


@extend_schema_serializer(component_name="MailboxError")
class ErrorObject(serializers.Serializer[Any]):
    """Something that is wrong."""

    id = serializers.CharField(help_text="A stable word, such as validationError.")
    title = serializers.CharField()
    detail = serializers.CharField()
    source = ErrorSource(required=False)  # type: ignore[assignment]  # a field, not DRF's attribute
    code = serializers.CharField(required=False, help_text="Of a failed check.")
    meta = ErrorMeta(required=False, help_text="Of a failed check.")


@extend_schema_serializer(component_name="MailboxProblem")
class MailboxProblem(serializers.Serializer[Any]):
    """Everything that is wrong, in the caller's language."""

    errors = ErrorObject(many=True)  # type: ignore[assignment]  # a field, not DRF's attribute
