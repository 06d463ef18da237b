"""An alias's attributes under the names of its clients, and the shapes of the documents around them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mailconfig.api.common.fields import TimeField

from .related import MailboxRelationship
from .serializers import AuthorizationMeta, CountMeta, MailboxResource, PageLinks, SelfLink

ALIAS_TYPE = "mailAlias"


class AliasAttributes(serializers.Serializer[Any]):
    """All that an alias has."""

    canSend = serializers.BooleanField(required=False, help_text="Whether the mailbox may send from it.")
    createdAt = TimeField(read_only=False, required=False)
    email = serializers.CharField(required=False)
    emailHash = serializers.CharField(
        required=False, help_text="HMAC-SHA-256 of the address in small letters."
    )
    updatedAt = TimeField(read_only=False, required=False)


class AliasRelationships(serializers.Serializer[Any]):
    """Mailbox of an alias."""

    mailbox = MailboxRelationship(required=False)


class AliasResource(serializers.Serializer[Any]):
    """Another address of a mailbox."""

    type = serializers.ChoiceField(choices=[ALIAS_TYPE])
    id = serializers.IntegerField(min_value=1)
    attributes = AliasAttributes()
    relationships = AliasRelationships()
    links = SelfLink()
    meta = AuthorizationMeta(required=False, help_text="With provideAuthorizationMeta=true.")


class MailAliasDocument(serializers.Serializer[Any]):
    """An alias in its document."""

    data = AliasResource()  # type: ignore[assignment]  # a field, not DRF's attribute
    included = MailboxResource(many=True, required=False, help_text="With include.")


class MailAliasPage(serializers.Serializer[Any]):
    """Some aliases."""

    data = AliasResource(many=True)  # type: ignore[assignment]  # a field, not DRF's attribute
    included = MailboxResource(many=True, required=False, help_text="With include.")
    links = PageLinks()
    meta = CountMeta(required=False, help_text="With count=true.")
