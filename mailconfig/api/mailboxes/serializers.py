"""A mailbox's attributes under the names of its clients, and the shapes of the documents around them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailconfig.api.common.connection_checks import CheckSerializer
from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
    TextsField,
    TimeField,
    WordField,
)
from mailconfig.models.choices import EmailProvider, ExchangeVersion, MailboxSendMethod, SyncMethod
from mailconfig.models.mailbox import LONGEST_TEXT

from .fields import EndpointField, VerifyModeField, WholeField

LONGEST_PERIOD = 366 * 86400
MOST_RETRIES = 32767
UNSAID: dict[str, Any] = {"required": False, "allow_null": True}
"""Of all attributes: what is null was not said."""
UNSAID_TEXT: dict[str, Any] = {**UNSAID, "allow_blank": True}
SEND_METHODS = {
    method: method.value
    for method in (MailboxSendMethod.EWS, MailboxSendMethod.SENDGRID, MailboxSendMethod.SMTP)
}


@extend_schema_serializer(component_name="MailboxAttributes")
class MailboxAttributes(serializers.Serializer[Any]):
    """All that a mailbox has."""

    # How it is answered is for resources.attributes_of.

    authId = serializers.IntegerField(read_only=True, allow_null=True, help_text="Always null.")
    createdAt = TimeField()
    editable = serializers.BooleanField(read_only=True, help_text="Whether the caller may change it.")
    email = AddressField(help_text="Where mail comes from.", **UNSAID_TEXT)
    emailHash = serializers.CharField(
        read_only=True, allow_null=True, help_text="HMAC-SHA-256 of the address in small letters."
    )
    emailProvider = WordField(
        words={provider: provider.value for provider in EmailProvider},
        help_text="Fills the servers, ports and encryption that nobody said, where they are known.",
        **UNSAID,
    )
    emailSignature = TextsField(max_length=LONGEST_TEXT, **UNSAID_TEXT)
    ewsEndpoint = EndpointField(help_text="Begins with https.", **UNSAID_TEXT)
    ewsSslVerifyMode = VerifyModeField(**UNSAID)
    exchangeVersion = WordField(words={version: version.value for version in ExchangeVersion}, **UNSAID)
    imapHost = HostField(allowed_only=True, **UNSAID)
    imapPort = PortField(**UNSAID)
    imapSsl = StrictBooleanField(**UNSAID)
    maxEmailsPerDay = WholeField(help_text="In and out. null: no limit; 0: nothing goes.", **UNSAID)
    maxMailingsPerDay = WholeField(help_text="In 24 hours. null: no limit; 0: nothing goes.", **UNSAID)
    maxMailingsPerWeek = WholeField(help_text="In 7 days. null: no limit; 0: nothing goes.", **UNSAID)
    optOutMessage = TextsField(max_length=512, **UNSAID_TEXT)
    optOutSignature = TextsField(max_length=512, **UNSAID_TEXT)
    password = SecretEntryField(longest=LONGEST_TEXT)
    prospectEmailExclusions = TextsField(
        max_length=LONGEST_TEXT, help_text="One pattern a line.", **UNSAID_TEXT
    )
    providerId = serializers.IntegerField(read_only=True, allow_null=True, help_text="Always null.")
    providerType = serializers.CharField(read_only=True, allow_null=True, help_text="Always null.")
    sendDisabled = StrictBooleanField(help_text="Mail waits; a test mail goes out all the same.", **UNSAID)
    sendErroredAt = TimeField(allow_null=True)
    sendMaxRetries = WholeField(most=MOST_RETRIES, help_text="null: as the deployment says.", **UNSAID)
    sendMethod = WordField(
        words=SEND_METHODS, help_text="Said by nobody, it follows from smtpHost and ewsEndpoint.", **UNSAID
    )
    sendPeriod = WholeField(least=1, most=LONGEST_PERIOD, help_text="Seconds of sendThreshold.", **UNSAID)
    sendRequiresSync = StrictBooleanField(
        help_text="Mail waits unless the last sync is younger than twice syncPassiveFrequency.", **UNSAID
    )
    sendSuccessAt = TimeField(allow_null=True)
    sendThreshold = WholeField(help_text="Mails in sendPeriod. null: no limit; 0: nothing goes.", **UNSAID)
    sendgridApiKey = SecretEntryField(longest=LONGEST_TEXT)
    sendgridWebhookUrl = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="Where SendGrid's event webhook reports, for those who may change the mailbox. Null: it has never sent by"
        " SendGrid, or the deployment does not say where it is reached.",
    )
    smtpHost = HostField(allowed_only=True, **UNSAID)
    smtpPassword = SecretEntryField(longest=LONGEST_TEXT, help_text="null: password serves SMTP, too.")
    smtpPort = PortField(**UNSAID)
    smtpSsl = StrictBooleanField(
        help_text=(
            "true: TLS from the first byte at port 465, STARTTLS elsewhere, required. "
            "false: STARTTLS if the server offers it, and no login without it."
        ),
        **UNSAID,
    )
    smtpUsername = LineField(max_length=255, help_text="null: username.", **UNSAID_TEXT)
    syncActiveFrequency = WholeField(least=1, most=LONGEST_PERIOD, help_text="In seconds.", **UNSAID)
    syncDisabled = StrictBooleanField(**UNSAID)
    syncErroredAt = TimeField(allow_null=True)
    syncFinishedAt = TimeField(allow_null=True)
    syncMethod = WordField(
        words={method: method.value for method in SyncMethod},
        help_text="Said by nobody, it follows from imapHost and ewsEndpoint.",
        **UNSAID,
    )
    syncOutreachFolder = StrictBooleanField(
        help_text="The folder Outreach and not the inbox; Exchange2007_SP1 only.", **UNSAID
    )
    syncPassiveFrequency = WholeField(
        least=1, most=LONGEST_PERIOD, help_text="In seconds; null: 1800.", **UNSAID
    )
    syncSuccessAt = TimeField(allow_null=True)
    updatedAt = TimeField()
    userId = serializers.IntegerField(read_only=True, allow_null=True, help_text="Of the relationship user.")
    username = LineField(max_length=255, help_text="null: email.", **UNSAID_TEXT)
    validateSend = StrictBooleanField(
        write_only=True, help_text="true: stored only if mail can be sent.", **UNSAID
    )
    validateSync = StrictBooleanField(
        write_only=True, help_text="true: stored only if mail can be synced.", **UNSAID
    )

    def __repr__(self) -> str:
        """DRF's shows the data with the password in it, and error reports show every variable."""
        return "<MailboxAttributes>"


@extend_schema_serializer(component_name="ShownMailboxAttributes")
class ShownAttributes(MailboxAttributes):
    """All that is shown of a mailbox, or what of it was asked for."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The attributes that are no secrets; none of them has to be there."""
        fields = {name: field for name, field in super().get_fields().items() if not field.write_only}
        for field in fields.values():
            field.read_only = field.required = False
        return fields


DECLARED = MailboxAttributes().fields
ATTRIBUTES = frozenset(DECLARED)
WRITABLE = frozenset(name for name, field in DECLARED.items() if not field.read_only)
SHOWN = tuple(name for name, field in DECLARED.items() if not field.write_only)


class Identifier(serializers.Serializer[Any]):
    """A user by number."""

    type = serializers.ChoiceField(choices=["user"])
    id = serializers.IntegerField(min_value=1)


class RelationshipLinks(serializers.Serializer[Any]):
    """Where the other side is."""

    related = serializers.URLField()


_KEY = {"type": "integer", "minimum": 1}
_IS_USER = {"type": "string", "enum": ["user"]}
_NAMED = {"type": "object", "properties": {"name": {"type": "string"}}}


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "properties": {"type": _IS_USER, "id": _KEY},
        "required": ["id", "type"],
    }
)
class LinkageField(serializers.DictField):
    """A user by number, or null."""


@extend_schema_field(
    {
        "type": "object",
        "nullable": True,
        "properties": {"type": _IS_USER, "id": _KEY, "attributes": _NAMED},
        "required": ["attributes", "id", "type"],
    }
)
class UserField(serializers.DictField):
    """A user, or null."""


class UserRelationship(serializers.Serializer[Any]):
    """A user that a mailbox refers to."""

    data = LinkageField()  # type: ignore[assignment]  # a field, not DRF's attribute
    links = RelationshipLinks()


class LinkedRelationship(serializers.Serializer[Any]):
    """Resources that are found elsewhere."""

    links = RelationshipLinks()


class MailboxRelationships(serializers.Serializer[Any]):
    """Users of a mailbox, its aliases and its mailings."""

    user = UserRelationship(required=False)
    creator = UserRelationship(required=False)
    updater = UserRelationship(required=False)
    mailAliases = LinkedRelationship(required=False)
    mailings = LinkedRelationship(required=False)


class SelfLink(serializers.Serializer[Any]):
    """Where it is."""

    self = serializers.URLField()


class AuthorizationMeta(serializers.Serializer[Any]):
    """Rights of the caller."""

    canWrite = serializers.BooleanField()
    canDelete = serializers.BooleanField()


class MailboxResource(serializers.Serializer[Any]):
    """A mailbox."""

    type = serializers.ChoiceField(choices=["mailbox"])
    id = serializers.IntegerField(min_value=1)
    attributes = ShownAttributes()
    relationships = MailboxRelationships()
    links = SelfLink()
    meta = AuthorizationMeta(required=False, help_text="With provideAuthorizationMeta=true.")


class UserAttributes(serializers.Serializer[Any]):
    """All that is told of a user."""

    name = serializers.CharField(required=False, help_text="Unless fields[user] leaves it out.")


class UserResource(serializers.Serializer[Any]):
    """A user."""

    type = serializers.ChoiceField(choices=["user"])
    id = serializers.IntegerField(min_value=1)
    attributes = UserAttributes()


class UserDocument(serializers.Serializer[Any]):
    """A user, or nobody."""

    data = UserField()  # type: ignore[assignment]  # a field, not DRF's attribute


class MailboxDocument(serializers.Serializer[Any]):
    """A mailbox in its document."""

    data = MailboxResource()  # type: ignore[assignment]  # a field, not DRF's attribute
    included = UserResource(many=True, required=False, help_text="With include.")


class PageLinks(serializers.Serializer[Any]):
    """Other pages; null: there is none."""

    first = serializers.URLField()
    prev = serializers.URLField(allow_null=True)
    next = serializers.URLField(allow_null=True)


class CountMeta(serializers.Serializer[Any]):
    """Number of resources on all pages."""

    count = serializers.IntegerField()


@extend_schema_serializer(many=False)
class MailboxPage(serializers.Serializer[Any]):
    """Some mailboxes."""

    data = MailboxResource(many=True)  # type: ignore[assignment]  # a field, not DRF's attribute
    included = UserResource(many=True, required=False, help_text="With include.")
    links = PageLinks()
    meta = CountMeta(required=False, help_text="With count=true.")


class SentUserRelationship(serializers.Serializer[Any]):
    """The user whose the mailbox shall be."""

    data = Identifier()  # type: ignore[assignment]  # a field, not DRF's attribute


class SentRelationships(serializers.Serializer[Any]):
    """Relationships that can be set."""

    user = SentUserRelationship(required=False)


class NewMailbox(serializers.Serializer[Any]):
    """A mailbox that shall be made."""

    type = serializers.ChoiceField(choices=["mailbox"])
    attributes = MailboxAttributes(required=False)
    relationships = SentRelationships(required=False)


class ChangedMailbox(NewMailbox):
    """Changes of a mailbox."""

    id = serializers.IntegerField(min_value=1, help_text="A whole number, or one in digits.")


EXAMPLE = {
    "email": "me@example.com",
    "smtpHost": "smtp.example.com",
    "smtpPort": 587,
    "smtpSsl": True,
    "sendThreshold": 2,
    "sendPeriod": 60,
}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mailbox that sends",
            request_only=True,
            value={"data": {"type": "mailbox", "attributes": EXAMPLE}},
        )
    ]
)
class NewMailboxDocument(serializers.Serializer[Any]):
    """A document of a new mailbox."""

    data = NewMailbox()  # type: ignore[assignment]  # a field, not DRF's attribute


class ChangedMailboxDocument(serializers.Serializer[Any]):
    """A document of changes."""

    @property
    def partial(self) -> bool:
        """No: drf-spectacular takes the document of a PATCH for one without required members."""
        return False

    @partial.setter
    def partial(self, value: bool) -> None:
        """Leave it so."""

    data = ChangedMailbox()  # type: ignore[assignment]  # a field, not DRF's attribute


class CheckAttributes(CheckSerializer):
    """A test mail, or a test of the sync."""

    id = None  # type: ignore[assignment]


class CheckResource(serializers.Serializer[Any]):
    """A check that a worker makes."""

    type = serializers.ChoiceField(choices=["check"])
    id = serializers.UUIDField()
    attributes = CheckAttributes()


class CheckDocument(serializers.Serializer[Any]):
    """A check in its document."""

    data = CheckResource()  # type: ignore[assignment]  # a field, not DRF's attribute
