"""Notices of PostgreSQL that a lane became due, so that an idle worker need not look to know."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.delivery.wake import CHANNEL

logger = logging.getLogger("mailconfig.drain")

PROOF_SECONDS = 5.0
"""How long a notice of our own may take. A pooler that lends connections by transaction never delivers it."""
LOOK_UP_SECONDS = 0.5
"""How often it is asked whether to end."""
RECONNECT_SECONDS = 2.0
AGAIN_SECONDS = 600.0
"""When notices that did not arrive are tried again."""


class _NoticesLostError(Exception):
    """A notice was sent, and did not arrive."""


class Listener:
    """Listens in a thread, on a connection of its own, which is made anew when it is lost.

    As a context manager it begins and ends. It is a help and no more: without it, due mail is found a little later.
    """

    def __init__(self, on_notice: Callable[[], object]) -> None:
        """Call ``on_notice``, from its thread, when a lane may have become due."""
        self._on_notice = on_notice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailconfig-listener", daemon=True)

    def __enter__(self) -> Self:
        if has_psycopg3():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PROOF_SECONDS)

    def _run(self) -> None:
        is_known = False
        while not self._stop.is_set():
            pause = RECONNECT_SECONDS
            try:
                self._listen()
            except _NoticesLostError:
                logger.warning(
                    "PostgreSQL's notices do not arrive, as behind a pooler that lends connections by transaction:"
                    " due mail is looked for every RING_SECONDS"
                )
                pause = AGAIN_SECONDS
            except Error as error:
                if not is_known:
                    logger.warning("nobody tells of due mail, it is looked for every RING_SECONDS: %s", error)
                is_known = True
            except Exception:
                logger.exception("listening for due mail: an error of our own; trying again")
            finally:
                connection.close()
            self._stop.wait(pause)

    def _listen(self) -> None:
        """Listen until it is to end.

        Raises:
            _NoticesLostError: they do not arrive.
            DatabaseError, InterfaceError: the connection was lost.
        """
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        raw: Any = connection.connection
        proof = uuid.uuid4().hex
        _notify(proof)
        is_proved, give_up_at = False, time.monotonic() + PROOF_SECONDS
        self._on_notice()  # what became due meanwhile was told to nobody
        while not self._stop.is_set():
            with connection.wrap_database_errors:
                for notice in raw.notifies(timeout=LOOK_UP_SECONDS):
                    if notice.payload:
                        is_proved = is_proved or notice.payload == proof
                    else:
                        self._on_notice()
            if not is_proved and time.monotonic() > give_up_at:
                raise _NoticesLostError


def _notify(payload: str) -> None:
    """Send a notice over another connection than the one that listens: a pooler delivers what comes over the same."""
    other = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
    finally:
        other.close()
