"""Edits in the middle of a session: somebody changes a row while the mail server has a command and we have no answer yet."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection

from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply


def edit_at(server: ChaosServer, verb: str, edit: Callable[[], object], *, at: int = 2) -> None:
    """Edit when the server meets ``verb`` for the ``at``-th time, before it answers as usual."""
    seen: list[str] = []

    def happen(line: str) -> bool:
        seen.append(line)
        if len(seen) == at:
            edit()
            connection.close()  # of the server's thread
        return False

    server.on(verb, Reply.of("250 never said"), when=happen)
