"""Django's connection to PostgreSQL for threads that share a few: each has one for a statement or a transaction only.

Nobody has to give anything back: a connection returns to the stock when the last cursor is closed, outside a
transaction. So whoever waits for a mail server, a storage or a commit of somebody else's keeps none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg import Error
from psycopg.pq import TransactionStatus

from mailconfig.delivery.postgres.bounds import bound_transactions
from mailconfig.delivery.postgres.stock import Lent, Stock, is_doubtful

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class LendingWrapper(DatabaseWrapper):
    """The part of a wrapper that lends. Its other base is the wrapper of the project's ``ENGINE``.

    Where the project has a pool of its own (``OPTIONS["pool"]``) that one lends, within its own bounds.

    It rests on what Django's wrappers do: they connect by ``connect()`` when they are used without a connection, hand
    out cursors by ``_cursor()``, close by ``_close()``, and end a transaction by ``set_autocommit(True)``.
    """

    stock: Stock | None = None
    """``None``: the project's pool."""
    _lent: Lent | None = None
    _is_connecting = False
    _has_connected = False

    def connect(self) -> None:
        """Take a connection from the stock, or make one for it.

        Whoever listens for ``connection_created`` hears of each connection that is made, and of each wrapper.
        """
        lent = None if self.stock is None else self.stock.take()
        self._is_connecting = True
        try:
            if lent is not None and is_doubtful(lent) and not _answers(lent.raw):
                lent.raw.close()
                lent = None
            if lent is None:
                lent = self._make()
            else:
                self._go_on(lent)
        except BaseException:
            self._abandon()
            raise
        finally:
            self._is_connecting = False
        self._lent, self._has_connected = lent, True

    def _make(self) -> Lent:
        begun_at = time.monotonic()
        super().connect()
        if self.stock is not None:
            bound_transactions(self)
        return Lent(self.connection, begun_at)

    def _go_on(self, lent: Lent) -> None:
        """Go on with a connection that was in use before: it was made ready then."""
        self.connection = lent.raw
        self.autocommit, self.errors_occurred, self.closed_in_transaction = True, False, False
        if not self._has_connected:
            connection_created.send(sender=type(self), connection=self)

    def _abandon(self) -> None:
        """Let go of a connection that could not be made ready."""
        with suppress(Exception):
            super()._close()  # type: ignore[misc] # not in the stubs
        self.connection = None
        self._note_gone()

    def _note_gone(self) -> None:
        if self.stock is not None:
            self.stock.drop()

    def _cursor(self, name: str | None = None) -> Any:
        """Return a cursor that counts as a use of the connection until it is closed."""
        cursor = super()._cursor(name)  # type: ignore[misc] # not in the stubs
        if not self._is_connecting:
            cursor.close = _both(cursor.close, self.hold())
        return cursor

    def hold(self) -> Callable[[], None]:
        """Keep the connection; there is one from now on.

        Returns:
            What lets go of it, once.

        Raises:
            DatabaseError: none could be had.
        """
        self.ensure_connection()
        lent = self._lent
        if lent is None:
            return _nothing
        lent.uses += 1
        is_held = True

        def release() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                lent.uses -= 1
                if lent is self._lent:
                    self._give_back_if_free()

        return release

    def set_autocommit(
        self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
    ) -> None:
        """Begin or end a transaction."""
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if autocommit:
            self._give_back_if_free()

    def _give_back_if_free(self) -> None:
        """Give the connection back unless something still needs it."""
        lent = self._lent
        if lent is None or lent.uses or self.in_atomic_block or not self.autocommit or self._is_connecting:
            return
        status = lent.raw.pgconn.transaction_status
        if status in _IN_TRANSACTION:  # begun by hand
            return
        if self.stock is None or status != TransactionStatus.IDLE:
            self.close()
        else:
            self.connection = self._lent = None
            self.stock.give_back(lent)

    def close(self) -> None:
        """Close the connection, or give it to the project's pool.

        Whoever asks for that, also while there is none, does not trust the database: the next connection is a new one.
        """
        super().close()
        if self.stock is not None:
            self.stock.renew()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc] # not in the stubs
        finally:
            if self._lent is not None:
                self._lent = None
                self._note_gone()


def _answers(raw: Any) -> bool:
    try:
        raw.execute("SELECT 1")
    except Error:
        return False
    return True


def _nothing() -> None:
    """There is nothing to let go of."""


def _both(close: Callable[[], object], release: Callable[[], None]) -> Callable[[], None]:
    """Both, one after the other, whatever the first one raises."""

    def close_and_release() -> None:
        try:
            close()
        finally:
            release()

    return close_and_release


_kinds: dict[type[BaseDatabaseWrapper], type[LendingWrapper]] = {DatabaseWrapper: LendingWrapper}


def make_lending(usual: BaseDatabaseWrapper, stock: Stock) -> LendingWrapper:
    """Return a wrapper for this thread in the place of its usual one."""
    engine_s = type(usual)
    kind = _kinds.get(engine_s)
    if kind is None:
        kind = _kinds[engine_s] = type(f"Lending{engine_s.__name__}", (LendingWrapper, engine_s), {})
    wrapper = kind(usual.settings_dict, usual.alias)
    wrapper.stock = None if usual.settings_dict["OPTIONS"].get("pool") else stock
    return wrapper
