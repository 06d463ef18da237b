"""Queries whose SQL is written once: Django takes longer to write one than PostgreSQL to answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Expression, Field, QuerySet

from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.delivery.postgres.statements import Rows


class Parameter(Expression):
    """A value that is given when the query is run."""

    def __init__(self, name: str, output_field: Field[Any, Any]) -> None:
        """Make a place for a value of the field's type."""
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return a place holder, and this object for the place."""
        return "%s", (self,)


@dataclass(frozen=True, slots=True)
class _Written:
    sql: str
    names: Sequence[str]
    compiler: Any
    converters: Any


class Compiled:
    """Rows of a query that differs from run to run only in its parameters.

    On PostgreSQL (psycopg 3) it is written once and prepared; elsewhere the ORM is asked each time. It is for columns of our own alone:
    the driver hands over what it reads in binary, which of a type that it does not know, or of JSON, is not what a field of
    Django's expects.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], **fields: Field[Any, Any]) -> None:
        """Remember how the query is built.

        Args:
            build: makes it (of ``values_list``) of its parameters, by name. Whatever else it is made of is constant.
            fields: types of the parameters.
        """
        self._build, self._fields = build, fields
        self._written: _Written | None = None

    def rows(self, **values: object) -> Rows:
        """Return all rows for these values."""
        if not has_psycopg3():
            return list(self._build(**values))
        written = self._written = self._written or self._write()
        rows = statements.run(written.sql, [values[name] for name in written.names])
        if not written.converters:
            return rows
        return [tuple(row) for row in written.compiler.apply_converters(rows, written.converters)]

    def _write(self) -> _Written:
        query = self._build(**{name: Parameter(name, field) for name, field in self._fields.items()}).query
        compiler = query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        names = [param.name for param in params if isinstance(param, Parameter)]
        # Constants become part of the text, so that a plan made for all values may use a partial index.
        sql = sql.replace("%%", "%%%%") % tuple(
            "%s" if isinstance(param, Parameter) else _literal(param) for param in params
        )
        columns = [column for column, _sql, _alias in compiler.select]
        return _Written(sql, names, compiler, compiler.get_converters(columns))


def _literal(value: object) -> str:
    from psycopg import sql

    return sql.Literal(value).as_string(connection.connection).replace("%", "%%")
