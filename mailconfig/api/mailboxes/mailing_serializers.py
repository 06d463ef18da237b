"""A mailing's attributes under the names of its clients, and the shapes of the documents around them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from mailconfig import delivery
from mailconfig.api.common.fields import AddressField, LineField, StrictBooleanField, TextsField, TimeField

from .fields import MomentField
from .related import MailboxRelationship
from .serializers import (
    UNSAID,
    UNSAID_TEXT,
    AuthorizationMeta,
    CountMeta,
    PageLinks,
    RelationshipLinks,
    SelfLink,
)

MAILING_TYPE, RECIPIENT_TYPE = "mailing", "mailingRecipient"
LONGEST_BODY = 1_000_000
MOST_RECIPIENTS = 100
STATES = [str(state) for state in delivery.MailingState]


class MailingAttributes(serializers.Serializer[Any]):
    """All that a mailing has."""

    bodyHtml = TextsField(
        max_length=LONGEST_BODY, help_text="null: there is none, or it is kept back.", **UNSAID_TEXT
    )
    bodyText = TextsField(
        max_length=LONGEST_BODY, help_text="null: there is none, or it is kept back.", **UNSAID_TEXT
    )
    createdAt = TimeField()
    deliveredAt = TimeField(allow_null=True)
    errorReason = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="Why it waits, failed or came back, in the caller's language.",
    )
    mailboxAddress = AddressField(
        help_text="The address it comes from: the mailbox's, or an alias that may send.", **UNSAID_TEXT
    )
    messageId = serializers.CharField(read_only=True)
    recipients = serializers.ListField(
        child=LineField(max_length=254),
        write_only=True,
        allow_empty=False,
        max_length=MOST_RECIPIENTS,
        help_text="Addresses, all of which stand in To.",
    )
    retryAt = TimeField(allow_null=True)
    retryCount = serializers.IntegerField(read_only=True)
    scheduledAt = MomentField(help_text="When it goes at the earliest; null or past: now.", **UNSAID)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    stateChangedAt = TimeField()
    subject = LineField(max_length=998, **UNSAID_TEXT)
    unsubscribe = StrictBooleanField(
        write_only=True,
        default=False,
        help_text="Say how its one recipient opts out, by header fields (RFC 8058) and below the text by optOutSignature.",
    )

    def __repr__(self) -> str:
        """Nothing of what was sent: error reporters show every variable."""
        return "<MailingAttributes>"


@extend_schema_serializer(component_name="ShownMailingAttributes")
class ShownMailing(MailingAttributes):
    """All that is shown of a mailing, or what of it was asked for."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The attributes that are shown; none of them has to be there."""
        fields = {name: field for name, field in super().get_fields().items() if not field.write_only}
        for field in fields.values():
            field.read_only = field.required = False
        return fields


MAILING_ATTRIBUTES = frozenset(MailingAttributes().fields)
WRITABLE_OF_MAILING = frozenset(
    name for name, field in MailingAttributes().fields.items() if not field.read_only
)
SHOWN_OF_MAILING = tuple(ShownMailing().fields)


class RecipientIdentifier(serializers.Serializer[Any]):
    """A recipient by number."""

    type = serializers.ChoiceField(choices=[RECIPIENT_TYPE])
    id = serializers.IntegerField(min_value=1)


class RecipientsRelationship(serializers.Serializer[Any]):
    """Recipients of a mailing; who they are with include."""

    data = RecipientIdentifier(many=True, required=False)  # type: ignore[assignment]  # a field, not DRF's attribute
    links = RelationshipLinks()


class MailingRelationships(serializers.Serializer[Any]):
    """Mailbox and recipients of a mailing."""

    mailbox = MailboxRelationship(required=False)
    recipients = RecipientsRelationship(required=False)


class MailingResource(serializers.Serializer[Any]):
    """A mail of a mailbox."""

    type = serializers.ChoiceField(choices=[MAILING_TYPE])
    id = serializers.IntegerField(min_value=1)
    attributes = ShownMailing()
    relationships = MailingRelationships()
    links = SelfLink()
    meta = AuthorizationMeta(required=False, help_text="With provideAuthorizationMeta=true.")


class RecipientAttributes(serializers.Serializer[Any]):
    """All that is told of a recipient."""

    address = serializers.CharField(required=False)
    errorReason = serializers.CharField(required=False, allow_null=True)
    state = serializers.ChoiceField(choices=STATES, required=False)
    statusCode = serializers.CharField(
        required=False, allow_null=True, help_text="Enhanced status code of the refusal (RFC 3463)."
    )


class RecipientResource(serializers.Serializer[Any]):
    """Somebody a mailing goes to."""

    type = serializers.ChoiceField(choices=[RECIPIENT_TYPE])
    id = serializers.IntegerField(min_value=1)
    attributes = RecipientAttributes()


class IncludedResource(serializers.Serializer[Any]):
    """A mailbox or a recipient."""

    type = serializers.ChoiceField(choices=["mailbox", RECIPIENT_TYPE])
    id = serializers.IntegerField(min_value=1)
    attributes = serializers.DictField()
    relationships = serializers.DictField(required=False)
    links = SelfLink(required=False)


class MailingDocument(serializers.Serializer[Any]):
    """A mailing in its document."""

    data = MailingResource()  # type: ignore[assignment]  # a field, not DRF's attribute
    included = IncludedResource(many=True, required=False, help_text="With include.")


class MailingPage(serializers.Serializer[Any]):
    """Some mailings."""

    data = MailingResource(many=True)  # type: ignore[assignment]  # a field, not DRF's attribute
    included = IncludedResource(many=True, required=False, help_text="With include.")
    links = PageLinks()
    meta = CountMeta(required=False, help_text="With count=true.")


class RecipientPage(serializers.Serializer[Any]):
    """Some recipients."""

    data = RecipientResource(many=True)  # type: ignore[assignment]  # a field, not DRF's attribute
    links = PageLinks()
    meta = CountMeta(required=False, help_text="With count=true.")


class SentMailbox(serializers.Serializer[Any]):
    """A mailbox by number."""

    type = serializers.ChoiceField(choices=["mailbox"])
    id = serializers.IntegerField(min_value=1, help_text="A whole number, or one in digits.")


class SentMailboxRelationship(serializers.Serializer[Any]):
    """The mailbox that sends it."""

    data = SentMailbox()  # type: ignore[assignment]  # a field, not DRF's attribute


class SentMailingRelationships(serializers.Serializer[Any]):
    """Relationships of a new mailing."""

    mailbox = SentMailboxRelationship()


class NewMailing(serializers.Serializer[Any]):
    """A mailing that shall be queued."""

    type = serializers.ChoiceField(choices=[MAILING_TYPE])
    attributes = MailingAttributes()
    relationships = SentMailingRelationships()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mailing",
            request_only=True,
            value={
                "data": {
                    "type": MAILING_TYPE,
                    "attributes": {
                        "subject": "Hello",
                        "bodyText": "How are you?",
                        "recipients": ["customer@example.net"],
                    },
                    "relationships": {"mailbox": {"data": {"type": "mailbox", "id": 12}}},
                }
            },
        )
    ]
)
class NewMailingDocument(serializers.Serializer[Any]):
    """A document of a new mailing."""

    data = NewMailing()  # type: ignore[assignment]  # a field, not DRF's attribute
