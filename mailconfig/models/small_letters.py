"""Addresses as they are compared in the database: in small letters, whatever language the database sorts by."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField
from django.db.models.functions import Lower


@CharField.register_lookup
class SmallLetters(Lower):
    """The text in small letters, as Python makes them of ASCII, which is all that stored addresses have.

    PostgreSQL makes them by the rules of the column's language: in Turkish the small letter of I is none of ASCII, so that
    INFO@ and info@ would be two addresses, and Python's INFO@ nobody's.
    """

    lookup_name = "small_letters"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return it by the rules of no language."""
        return super().as_sql(
            compiler, connection, template='%(function)s(%(expressions)s COLLATE "C")', **context
        )
