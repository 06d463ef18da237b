"""Mails, connections and answers under the names of the email service's clients."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailconfig import delivery
from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
    TextsField,
    TimeField,
)
from mailconfig.api.common.serializers import StrictSerializer
from mailconfig.exceptions import InvalidMessage
from mailconfig.models import MessageState
from mailconfig.models.validators import validate_address

LONGEST_MESSAGE = 1_000_000
MOST_ATTACHMENTS = 10
LONGEST_URL = 2048
ALSO_TAKEN = "A PII token is accepted: the worker resolves it when the mail is sent."


def _is_token(value: str) -> bool:
    """Return whether the whole of it is a token.

    Raises:
        ValidationError: it is longer than any token.
    """
    try:
        return delivery.is_token(value)
    except InvalidMessage:
        raise DjangoValidationError(_("This is longer than any token."), code="max_length") from None


def validate_recipient(value: str) -> None:
    """A token, or one address.

    Raises:
        ValidationError: it is neither.
    """
    if not _is_token(value):
        validate_address(value)


def validate_token(value: str) -> None:
    """Any text; one that is a token only as long as tokens are.

    Raises:
        ValidationError: it is longer than any token.
    """
    _is_token(value)


class AttachmentsField(serializers.ListField):
    """URLs of files, or tokens that stand for them."""

    child = LineField(max_length=LONGEST_URL, validators=[validate_token])
    default_error_messages = {
        "not_a_list": _("Must be a list of URLs."),
        "max_length": _("There may be at most {max_length} attachments."),
    }


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mail",
            request_only=True,
            value={
                "subject": "Your order",
                "recipient": "customer@example.net",
                "message": "Thank you.\nWe have sent it today.",
            },
        )
    ]
)
class SendEmailSerializer(StrictSerializer):
    """A mail that shall be sent."""

    subject = LineField(
        max_length=998, required=False, validators=[validate_token], help_text=f"One line. {ALSO_TAKEN}"
    )
    recipient = LineField(
        max_length=254, validators=[validate_recipient], help_text=f"One address. {ALSO_TAKEN}"
    )
    message = TextsField(
        max_length=LONGEST_MESSAGE,
        required=False,
        validators=[validate_token],
        help_text=f"Plain text. {ALSO_TAKEN}",
    )
    attachments = AttachmentsField(
        max_length=MOST_ATTACHMENTS,
        required=False,
        help_text=f"https URLs of files to attach. {ALSO_TAKEN}",
    )
    unsubscribe = StrictBooleanField(
        required=False,
        help_text="Say how the recipient opts out, by header fields (RFC 8058) and below the text.",
    )


@extend_schema_field({"type": "string", "pattern": "^[0-9]{1,5}$"})
class PortTextField(PortField):
    """A port as a text of ASCII digits, and not as a number."""

    default_error_messages = {"invalid": _("A port is a text of digits, such as “587”, from 1 to 65535.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(digits=True, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "format": "password"})
class PasswordField(SecretEntryField):
    """A secret that is used for this call and never stored."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=False, **kwargs)


@extend_schema_field({"type": "string", "minLength": 1})
class NamedField(serializers.RegexField):
    """An identifier of a few plain characters."""

    default_error_messages = {"invalid": _("Enter the identifier as Microsoft shows it.")}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class MicrosoftAuthSerializer(StrictSerializer):
    """An app registration at Microsoft, whose token logs in with OAuth 2.0."""

    tenant_id = NamedField(
        r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z",
        max_length=253,
        help_text="The directory: its id, or one of its domains.",
    )
    client_id = NamedField(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=128, help_text="The application.")
    client_secret = PasswordField(required=True, longest=1024)
    user = AddressField(required=False, help_text="Whose mailbox sends; else smtp_user, else the sender.")

    def validate_client_secret(self, value: Any) -> Any:
        """Refuse none at all."""
        if value is None:
            raise serializers.ValidationError(_("This is needed."), code="blank")
        return value


class ConnectionSerializer(StrictSerializer):
    """A mail server, and a login there."""

    smtp_user = LineField(
        source="username", max_length=255, required=False, allow_blank=True, help_text="Empty: no login."
    )
    smtp_pass = PasswordField(source="secret")


class ValidateCredentialsSerializer(ConnectionSerializer):
    """Credentials to be tried out: nothing else is looked at, and nothing kept."""

    smtp_host = HostField(source="host", allowed_only=True)
    smtp_port = PortTextField(source="port", help_text="465: TLS from the first byte.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require both halves of a login, or none."""
        username, secret = attrs.get("username", ""), attrs.get("secret")
        if username and secret is None:
            raise serializers.ValidationError({"smtp_pass": [_("A login needs a password.")]})
        if secret is not None and not username:
            raise serializers.ValidationError({"smtp_user": [_("A login needs a user name.")]})
        return attrs


class SendTestEmailSerializer(ConnectionSerializer):
    """A test mail, and what of the connection is another one than that stored."""

    email = AddressField(help_text="Where the test mail goes.")
    smtp_host = HostField(source="host", allowed_only=True, required=False)
    smtp_port = PortTextField(source="port", required=False, help_text="465: TLS from the first byte.")
    from_name = LineField(max_length=255, required=False, allow_blank=True)
    from_address = AddressField(source="from_email", required=False)
    microsoft_auth = MicrosoftAuthSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two ways to log in at once."""
        if "microsoft_auth" in attrs and "secret" in attrs:
            words = _("Send a password or microsoft_auth, not both.")
            raise serializers.ValidationError({"smtp_pass": [words]})
        return attrs


class EmailServiceAnswer(serializers.Serializer[Any]):
    """An answer for people: what became of the call."""

    message = serializers.CharField()


class EmailServiceProblem(EmailServiceAnswer):
    """The reason for which a call failed."""

    code = serializers.CharField(required=False, help_text="With 422: what the mail server did, in a word.")
    stage = serializers.CharField(required=False, help_text="With 422: how far the connection came.")


class CredentialsAnswer(serializers.Serializer[Any]):
    """The outcome of a check that was made."""

    success = serializers.BooleanField()
    message = serializers.CharField()


class EmailMessageAnswer(serializers.Serializer[Any]):
    """A mail that was sent or will be; neither its text nor whom it goes to."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=MessageState.values)
    code = serializers.CharField(help_text="Why it waits or failed, in a word; empty: there is no reason.")
    reason = serializers.CharField(help_text="The same for people, in the caller's language.")
    next_at = TimeField(
        allow_null=True,
        help_text="When it may go, as things are; null: nobody knows, or nothing will happen.",
    )
    attempts = serializers.IntegerField(help_text="How often it was tried.")
    created_at = TimeField()
    settled_at = TimeField(allow_null=True)
