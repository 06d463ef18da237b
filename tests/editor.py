"""Somebody else's transaction on PostgreSQL, which is committed at the very moment at which we wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connection, transaction

from tests.servers.children import until


class Editor:
    """Edits in a transaction of its own, in another thread, and commits once somebody waits for a lock.

    Attributes:
        error: what the edit raised.
    """

    def __init__(self, edit: Callable[[], object]) -> None:
        self.error: Exception | None = None
        self._edit = edit
        self._is_edited = threading.Event()
        self._was_waited_for = False
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        """Return when it is edited and not committed."""
        self._thread.start()
        assert self._is_edited.wait(60)

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self._edit()
                self._is_edited.set()
                until(self._is_waited_for, why="nobody waited for the lock")
                self._was_waited_for = True
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self._is_edited.set()
            connection.close()

    def _is_waited_for(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            return cursor.fetchone() is not None

    def join(self) -> None:
        """It is committed, and somebody waited for it."""
        self._thread.join(200)
        assert self._was_waited_for, self.error
