"""Prepared statements that were sent to PostgreSQL and whose answers are fetched later: both sides work meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import OperationalError, generators
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from mailconfig.delivery.postgres.stock import hold

_Answer = tuple[PGresult, Any]
"""A result, and what loads its rows."""


_LOST = "the connection was lost before the answer came"


def _nothing() -> Iterator[Any]:
    yield from ()


def prepare(raw: Any, name: str, sql: str) -> None:
    """Prepare a statement by the protocol, and not by SQL: the answer to ``EXECUTE`` then says whether its name arrives.

    A pooler that keeps account of what is prepared by the protocol (pgbouncer since 1.21) gives it another name at the server. What
    was prepared by SQL it does not know, and it ends the connection over which that is to be run by the protocol.

    Raises:
        psycopg.Error: it could not be prepared.
    """
    _await_others(raw)
    raw.pgconn.send_prepare(name.encode(), sql.encode())
    (result,) = raw.wait(generators.execute(raw.pgconn))
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)


def _await_others(raw: Any) -> None:
    """Let statements under way over this connection come first."""
    if "wait" in vars(raw):
        raw.wait(_nothing())


class UnderWay:
    """Statements sent in one go, each in a transaction of its own.

    Whoever uses the connection next, the ORM say, first waits for these answers, which are kept for :meth:`rows`.
    """

    def __init__(self, database: BaseDatabaseWrapper, steps: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Send statements: the names under which they were prepared, and their values.

        Raises:
            DatabaseError: the connection is gone.
        """
        self._database = database
        self.raw = database.connection
        """The driver's connection over which they were sent."""
        self._answers: list[_Answer] | None = None
        self._loss: OperationalError | None = None
        """Why there are fewer than statements."""
        self._number = len(steps)
        with database.wrap_database_errors:
            _await_others(self.raw)
            self._send(steps)
        self._release = hold(database)  # until the answers are there, whoever fetches them
        self.raw.wait = self._wait_in_line

    def _send(self, steps: Sequence[tuple[str, Sequence[Any]]]) -> None:
        server, pipelined = self.raw.pgconn, len(steps) > 1
        dumped = [(name.encode(), *self._dump(params)) for name, params in steps]
        if pipelined:
            server.enter_pipeline_mode()
        for name, values, formats in dumped:
            server.send_query_prepared(name, values, param_formats=formats, result_format=Format.BINARY)
            if pipelined:
                server.pipeline_sync()  # ends its transaction

    def _dump(self, params: Sequence[Any]) -> tuple[Sequence[Any], list[Format] | None]:
        """Write values as text but for bytes: psycopg's binary form of a number depends on its size, not on the parameter's type."""
        transformer = Transformer(self.raw)
        formats = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in params]
        return transformer.dump_sequence(params, formats), transformer.formats

    def _wait_in_line(self, *arguments: Any, **options: Any) -> Any:
        """In the place of the connection's method by which psycopg does everything: our answers come first."""
        self._fetch()
        return self.raw.wait(*arguments, **options)

    def _fetch(self) -> None:
        del self.raw.wait
        self._answers = []  # all that there will be, if the connection is lost now
        try:
            for results in self._fetch_each():
                self._answers.append(self._readable(_answer_among(results)))
            if self._number > 1:
                self.raw.pgconn.exit_pipeline_mode()
        except OperationalError as error:
            # What was committed before the connection was lost counts, and whoever asks for the rest hears of it.
            if not self.raw.closed:
                raise
            self._loss = error
        finally:
            self._release()

    def _fetch_each(self) -> Iterator[list[PGresult]]:
        """The results of each statement, once its transaction has ended.

        Raises:
            OperationalError: the connection was lost before.
        """
        fetch = generators.execute
        for _ in range(self._number):
            results: list[PGresult] = []
            is_over = False
            while not is_over:
                results += self.raw.wait(fetch(self.raw.pgconn))
                fetch = generators.fetch_many
                # A pipeline says when the transaction of one of its statements is over; by itself, that is its end.
                is_over = self._number == 1 or (
                    bool(results) and results[-1].status == ExecStatus.PIPELINE_SYNC
                )
                if self.raw.closed and not (is_over and results):
                    raise OperationalError(_LOST)
            yield results

    def _readable(self, result: PGresult) -> _Answer:
        """The answer with all that it takes to read it: the connection may be somebody else's then, or closed."""
        transformer = Transformer(self.raw)
        if result.status == ExecStatus.TUPLES_OK:
            transformer.set_pgresult(result)
        return result, transformer

    def rows(self, number: int) -> list[tuple[Any, ...]]:
        """The rows of one of the statements, counted from 0.

        Raises:
            DatabaseError: it failed, or the connection was lost before its answer came.
        """
        with self._database.wrap_database_errors:
            if self._answers is None:
                self._fetch()
            return self._rows_of(number)

    def _rows_of(self, number: int) -> list[tuple[Any, ...]]:
        answers = self._answers or ()
        if number >= len(answers):
            raise self._loss or OperationalError(_LOST)
        answer, transformer = answers[number]
        if answer.status != ExecStatus.TUPLES_OK:
            raise error_from_result(answer)
        rows: list[tuple[Any, ...]] = transformer.load_rows(0, answer.ntuples, tuple)
        return rows


def _answer_among(results: Sequence[PGresult]) -> PGresult:
    """The answer to a statement: its rows, unless an error came, if only after them, from the commit.

    What is looked at when a transaction ends, Django's foreign keys say, fails there.
    """
    errors = (result for result in results if result.status not in _SOUND)
    return next(errors, results[0])


_SOUND = (ExecStatus.TUPLES_OK, ExecStatus.PIPELINE_SYNC)
