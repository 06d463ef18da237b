"""Accounts under the names of a surface, and objects whose names are all known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from mailconfig.models import Account

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def shown_name(name: str) -> str:
    """Return a name that somebody sent, if it can be one; what cannot may be a secret in the wrong place."""
    return name if _NAME.fullmatch(name) else "?"


class StrictSerializer(serializers.Serializer[Any]):
    """An object of which each name has to be known."""

    def __repr__(self) -> str:
        """Return nothing of what was sent: error reports show every variable."""
        return f"<{type(self).__name__}>"

    def to_internal_value(self, data: Any) -> Any:
        """Read the values as REST framework does.

        Raises:
            ValidationError: by name, also for each that nobody knows.
        """
        if not isinstance(data, Mapping) or data.keys() <= self.fields.keys():
            return super().to_internal_value(data)
        unknown = [name for name in data if name not in self.fields]
        errors: dict[str, Any] = {shown_name(name): [_("There is no such field.")] for name in unknown}
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= dict(error.detail) if isinstance(error.detail, dict) else {}
        raise serializers.ValidationError(errors)


class AccountSerializer(serializers.Serializer[Account]):
    """A field's ``source`` names the account's column; storing is not its affair.

    A subclass declares the fields. ``validated_data`` is put onto an account by :meth:`apply`, and stored by
    :func:`mailconfig.delivery.save_account`. Unknown fields are ignored.
    """

    def __repr__(self) -> str:
        """DRF's shows the data with the password in it, and error reports show every variable."""
        return f"<{type(self).__name__}>"

    @classmethod
    def wire_names(cls) -> dict[str, str]:
        """Return the name of each column on the wire, for errors that speak of columns."""
        declared = cls._declared_fields.items()
        return {
            field.source or name: name for name, field in declared if not field.read_only or not field.source
        }

    def apply(self, account: Account) -> Account:
        """Put what was sent onto ``account``, which is not stored by that."""
        values: dict[str, Any] = self.validated_data
        for name, value in values.items():
            setattr(account, name, value)
        return account
