"""An outbound e-mail under the names of its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
    WordField,
)
from mailconfig.api.common.serializers import AccountSerializer
from mailconfig.models import Account, Scope
from mailconfig.models.choices import SMTP
from mailconfig.values import Authentication, Secret, Security

SERVICES = {"gmail": "google", "exchange_online": "exchange", "outlook": "outlook", "other": "other"}
ENCRYPTIONS = {Security.NONE: "0", Security.TLS: "1", Security.STARTTLS: "2"}
# What has no word of its own. "0" promises nothing, so opportunistic STARTTLS is that and never "2".
OTHER_SERVICE = "other"
OTHER_ENCRYPTION = "0"
ALWAYS = frozenset({"id", "_acl", "_module"})
"""The keys that a listed record has whatever is asked for."""
BLANK = LineField().error_messages["blank"]


class SendTypeField(WordField):
    """``smtp`` in any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(words={SMTP: "smtp"}, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data.lower() if isinstance(data, str) else data)


class LoginField(StrictBooleanField):
    """Boolean: the server wants a login; any way to log in is ``true``."""

    def to_internal_value(self, data: Any) -> Any:
        wanted = super().to_internal_value(data)
        return Authentication.PASSWORD if wanted else Authentication.NONE

    def to_representation(self, value: Any) -> bool:
        return bool(value != Authentication.NONE)


@extend_schema_field(
    {
        "anyOf": [
            {"type": "string", "format": "password", "nullable": True},
            {"type": "boolean", "enum": [True]},
        ]
    }
)
class PasswordField(SecretEntryField):
    """A secret that comes in. ``true``, which is what answers say of a stored one, keeps that one."""

    default_error_messages = {"nothing_stored": _("There is no stored password to keep.")}

    def to_internal_value(self, data: Any) -> Secret | None:
        if data is True:
            account = getattr(self.parent, "instance", None)
            if account is None or not account.has_secret:
                self.fail("nothing_stored")
            raise serializers.SkipField
        return super().to_internal_value(data)


@extend_schema_serializer(
    component_name="OutboundEmail",
    examples=[
        OpenApiExample(
            "An account that logs in",
            request_only=True,
            value={
                "name": "My Exchange Account",
                "mail_smtptype": "exchange",
                "mail_smtpserver": "smtp.example.com",
                "mail_smtpport": 465,
                "mail_smtpuser": "foo@example.com",
                "mail_smtppass": "<the password>",
                "mail_smtpauth_req": True,
                "mail_smtpssl": "1",
            },
        )
    ],
)
class OutboundEmailSerializer(AccountSerializer):
    """Values that a client sends."""

    # How it is answered is for record_of.

    name = LineField(max_length=255)
    type = WordField(
        source="scope",
        words={scope: scope.value for scope in Scope},
        required=False,
        help_text="Always user: the application makes the others.",
    )
    mail_sendtype = SendTypeField(source="send_method", default=SMTP)
    mail_smtptype = WordField(source="preset", words=SERVICES, fallback=OTHER_SERVICE, default="other")
    mail_smtpserver = HostField(source="host")
    mail_smtpport = PortField(source="port", digits=True, default=465)
    mail_smtpuser = LineField(
        source="username", max_length=255, allow_blank=True, allow_null=True, default=""
    )
    mail_smtppass = PasswordField(source="secret")
    mail_smtpauth_req = LoginField(source="authentication", default=Authentication.NONE)
    mail_smtpssl = WordField(
        source="security",
        words=ENCRYPTIONS,
        also=((0, "0"), (1, "1"), (2, "2")),
        fallback=OTHER_ENCRYPTION,
        default=Security.TLS,
        help_text="0: none. 1: TLS from the first byte (SSL). 2: STARTTLS, required.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return DRF's fields. A change has no defaults, and its schema must not speak of any: generated clients send them."""
        fields = super().get_fields()
        if self.partial:
            for each in fields.values():
                each.default = serializers.empty
        return fields

    def validate_name(self, value: str) -> str:
        """More than spaces."""
        if not value.strip():
            raise serializers.ValidationError(BLANK, code="blank")
        return value

    def validate_mail_smtpuser(self, value: str | None) -> str:
        """``null`` is none."""
        return value or ""

    def changes(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was sent by column, but for what says the same as the record that was read.

        A record sent back so changes nothing, not even where several values of the model have the same word.

        Args:
            shown: the record as it is answered; empty for a new one.
        """
        sent = self.validated_data
        changed: dict[str, Any] = {}
        for name, field in self.fields.items():
            column = field.source or name
            if column not in sent:
                continue
            if (
                column == "secret"
                or name not in shown
                or field.to_representation(sent[column]) != shown[name]
            ):
                changed[column] = sent[column]
        return changed


def set_changes(changes: Mapping[str, Any], account: Account) -> None:
    """Put changes onto an account, which is not stored by that. Where nobody logs in no password is kept."""
    for column, value in changes.items():
        setattr(account, column, value)
    needs_none = account.authentication == Authentication.NONE and account.scope != Scope.SYSTEM_OVERRIDE
    if needs_none and "secret" in changes:
        account.secret = None


def record_of(account: Account, *, server: Account) -> dict[str, Any]:
    """The account as it is answered: the keys of :class:`OutboundEmailRecord`, and no others.

    Args:
        server: the account whose server it uses: its own but for an override.
    """
    record: dict[str, Any] = {
        "id": str(account.uuid),
        "name": account.name,
        "type": account.scope,
        "user_id": "" if account.owner_id is None else str(account.owner_id),
        "mail_sendtype": "smtp",
        "mail_smtptype": SERVICES.get(server.preset, OTHER_SERVICE),
        "mail_smtpserver": server.host,
        "mail_smtpport": server.port,
        "mail_smtpuser": account.username,
        "mail_smtppass": account.has_secret,
        "mail_smtpauth_req": server.authentication != Authentication.NONE,
        "mail_smtpssl": ENCRYPTIONS.get(Security(server.security), OTHER_ENCRYPTION),
        "deleted": False,
        "my_favorite": False,
        "_acl": {"fields": {}},
        "_module": "OutboundEmail",
    }
    if not record["mail_smtppass"]:
        del record["mail_smtppass"]
    return record


@extend_schema_field({"type": "object", "properties": {"fields": {"type": "object"}}, "required": ["fields"]})
class AclField(serializers.DictField):
    """``{"fields": {}}``: no field is kept from anybody who sees the record."""


@extend_schema_serializer(component_name="OutboundEmail")
class OutboundEmailRecord(serializers.Serializer[Any]):
    """A user's own way to send mail."""

    # Only a shape, for the OpenAPI document: answers are made by record_of.

    id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.ChoiceField(choices=[scope.value for scope in Scope])
    user_id = serializers.CharField(help_text="The owner's key; empty: nobody's.")
    mail_sendtype = serializers.ChoiceField(choices=["smtp"])
    mail_smtptype = serializers.ChoiceField(choices=list(SERVICES.values()))
    mail_smtpserver = serializers.CharField()
    mail_smtpport = serializers.IntegerField(min_value=1, max_value=65535)
    mail_smtpuser = serializers.CharField(allow_blank=True)
    mail_smtppass = serializers.BooleanField(
        required=False, help_text="true: a password is stored. Absent: none is."
    )
    mail_smtpauth_req = serializers.BooleanField()
    mail_smtpssl = serializers.ChoiceField(choices=list(ENCRYPTIONS.values()))
    deleted = serializers.BooleanField(help_text="Always false: what is deleted is not found.")
    my_favorite = serializers.BooleanField(help_text="Always false.")
    _acl = AclField()
    _module = serializers.CharField(help_text="Always OutboundEmail.")


@extend_schema_serializer(component_name="ListedOutboundEmail")
class ListedRecord(OutboundEmailRecord):
    """A user's own way to send mail, with the keys that were asked for."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The fields of a record, few of which are there whatever is asked for."""
        fields = super().get_fields()
        for name in fields.keys() - ALWAYS:
            fields[name].required = False
        return fields


class OutboundEmailPage(serializers.Serializer[Any]):
    """Some of the records."""

    next_offset = serializers.IntegerField(help_text="Where the next page begins; -1: this is the last one.")
    records = ListedRecord(many=True)


class OutboundEmailDeleted(serializers.Serializer[Any]):
    """Answer to a deletion."""

    id = serializers.UUIDField()


@extend_schema_serializer(component_name="OutboundEmailOverrideTest")
class OverrideTestSerializer(serializers.Serializer[Any]):
    """Credentials to try with the system account's server, and where the test mail shall go."""

    user_id = serializers.CharField(
        required=False, help_text="The caller's own; a superuser may name somebody else."
    )
    to_address = AddressField()
    mail_smtpuser = LineField(source="username", max_length=255)
    mail_smtppass = SecretEntryField(source="secret", required=True, allow_null=False)
    from_address = AddressField(source="from_email", required=False, allow_blank=True, default="")
    name = LineField(source="from_name", max_length=255, required=False, allow_blank=True, default="")

    def validate_mail_smtppass(self, value: Secret | None) -> Secret:
        """Not the empty string."""
        if value is None:
            raise serializers.ValidationError(BLANK, code="blank")
        return value


@extend_schema_serializer(component_name="OutboundEmailOverrideTestOutcome")
class OverrideTestOutcome(serializers.Serializer[Any]):
    """Outcome of a test mail: accepted or not."""

    status = serializers.BooleanField()
    errorMessage = serializers.CharField(allow_blank=True)


@extend_schema_serializer(component_name="OutboundEmailProblem")
class OutboundEmailProblem(serializers.Serializer[Any]):
    """A problem, in the caller's language."""

    error = serializers.CharField(help_text="A stable word, such as invalid_parameter.")
    error_message = serializers.CharField(help_text="Names the fields that are to blame.")
