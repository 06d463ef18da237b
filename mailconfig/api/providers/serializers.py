"""An SMTP provider under the names of the back office."""

from __future__ import annotations

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from mailconfig.api.common.fields import (
    AddressField,
    HostField,
    LineField,
    PortField,
    SecretEntryField,
    StrictBooleanField,
    TimeField,
    WordField,
)
from mailconfig.api.common.serializers import AccountSerializer
from mailconfig.models import Account
from mailconfig.models.choices import SMTP
from mailconfig.values import Authentication, Security

ENCRYPTIONS = {Security.TLS: "ssl", Security.STARTTLS: "tls"}


class ProviderSerializer(AccountSerializer):
    """A connection to a provider of SMTP. Everything but ``caption`` is needed to make one."""

    id = serializers.IntegerField(source="pk", read_only=True)
    caption = LineField(source="name", max_length=255, allow_blank=True, required=False, default="")
    driver = WordField(source="send_method", words={SMTP: "smtp"})
    host = HostField(allowed_only=True)
    port = PortField()
    username = LineField(max_length=255)
    password = SecretEntryField(source="secret", required=True)
    sendFrom = AddressField(source="from_email")
    sendFromName = LineField(source="from_name", max_length=255)
    encryption = WordField(source="security", words=ENCRYPTIONS, fallback="")
    isEnabled = StrictBooleanField(source="is_enabled", also=((1, True), (0, False)))
    hasPassword = serializers.BooleanField(source="has_secret", read_only=True)
    createTime = TimeField(source="created_at")
    updateTime = TimeField(source="updated_at")

    def apply(self, account: Account) -> Account:
        """Set the account's values. A new provider logs in with its password, as does one that had no login and now gets one.

        Any other way to log in was chosen in the admin, and stays.
        """
        gets_one = self.validated_data.get("secret") is not None
        if account._state.adding or (account.authentication == Authentication.NONE and gets_one):
            account.authentication = Authentication.PASSWORD
        return super().apply(account)


ProviderProblem = inline_serializer(
    "ProviderProblem",
    {
        "message": serializers.CharField(),
        "errors": serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()), required=False
        ),
        "code": serializers.CharField(required=False, help_text="Of a failed check."),
        "stage": serializers.CharField(required=False, help_text="Of a failed check."),
    },
)
"""What is wrong, in the caller's language."""
