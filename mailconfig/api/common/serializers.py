"""Accounts under the names of a surface."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mailconfig.models import Account


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
