"""Empties the database after a test that commits, as Django's flush does, which takes a hundred times as long.

Flush makes all content types and permissions anew, and truncates on PostgreSQL, where each table is a new file.
"""

from django.apps import apps
from django.db import connection, transaction
from django.test import TransactionTestCase

KEPT = {"auth_permission", "django_content_type"}
"""Tables that say what the models are, which no test changes."""


def install() -> None:
    """From now on ``TransactionTestCase``, and what pytest-django makes of it, ends by :func:`empty`."""
    TransactionTestCase._fixture_teardown = _tear_down  # type: ignore[attr-defined]


def _tear_down(case: TransactionTestCase) -> None:
    empty()


def empty() -> None:
    """Delete every row of every model but those in :data:`KEPT`; foreign keys are looked at when it commits."""
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} - KEPT
    statements = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]  # noqa: S608 - names of ours
    if connection.vendor == "postgresql":
        statements = [
            "; ".join(statements)
        ]  # a way there and back for each takes longer than what it deletes
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
