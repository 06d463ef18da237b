"""Programs of the project as processes of their own, that tests kill, stop and wait for."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from django.db import DatabaseError, connection

from tests.servers.sidecar import ROOT

PATIENCE = 180.0
"""Seconds after which what did not happen will not. Nothing waits so long that goes well, however busy the machine."""

STOPPED = frozenset("TtZX")
"""States of threads that have stopped, or ended."""
TAIL = 4000
"""How many characters of what a child said are shown where a test gives up."""

_numbers = itertools.count(1)
_running: weakref.WeakSet[Child] = weakref.WeakSet()


def until(
    condition: Callable[[], object], *, seconds: float = PATIENCE, why: str = "it did not happen"
) -> None:
    """Return when ``condition`` is true.

    Raises AssertionError after so many seconds; its text has what the children say and what PostgreSQL's sessions do.
    """
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"{why} within {seconds} s\n{look_around()}"
        time.sleep(0.02)


def look_around() -> str:
    """What the running children said last, and which of PostgreSQL's sessions wait or stand in a transaction."""
    said = [
        f"--- {child.pid} {child.states()}:\n{child.said()[-TAIL:]}"
        for child in sorted(_running, key=lambda child: child.pid)
    ]
    return "\n".join([*said, "--- PostgreSQL:", *_sessions()])


def _sessions() -> list[str]:
    """A line for each other session of the test database; none where another database is tested."""
    if connection.vendor != "postgresql":
        return []
    columns = "pid, state, wait_event_type, wait_event, now() - state_change, pg_blocking_pids(pid), left(query, 200)"
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM pg_stat_activity WHERE {others} ORDER BY pid")  # noqa: S608 - constants
            return [" ".join(map(str, row)) for row in cursor.fetchall()]
    except (DatabaseError, RuntimeError) as error:  # it is down, or this test may not ask it
        return [str(error)]


def environment(mailconfig: Mapping[str, Any] | None = None, *, crash_at: str = "") -> dict[str, str]:
    """For a child: the test database, these settings over those of the tests, a crash point."""
    merged = {**json.loads(os.environ.get("TESTS_MAILCONFIG", "{}")), **(mailconfig or {})}
    own = {
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings"),
        "TESTS_MAILCONFIG": json.dumps(merged),
        "MAILCONFIG_CRASH_AT": crash_at,
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **own}


class Child:
    """A running program. As a context manager it is gone at the end, whatever happened, with all it started."""

    def __init__(self, *arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        """Start ``python <arguments>``; what it prints goes to a file in ``folder``."""
        self.log = folder / f"child-{next(_numbers)}.log"
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.leashed", *arguments],
                cwd=ROOT,
                env=dict(env) if env is not None else environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        _running.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill it, and whatever it started that is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        _running.discard(self)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stand_still(self) -> None:
        """SIGSTOP, and wait until each of its threads has stopped: on a busy machine one goes on for a while."""
        self.signal(signal.SIGSTOP)
        until(self.stands_still, why="it did not stand still")

    def stands_still(self) -> bool:
        """Whether each of its threads has stopped."""
        return set(self.states()) <= STOPPED

    def states(self) -> str:
        """A letter for each of its threads (proc_pid_stat(5)); empty: it has gone."""
        tasks = Path(f"/proc/{self.pid}/task")
        return "".join(map(_state, tasks.iterdir())) if tasks.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, *, seconds: float = PATIENCE) -> int:
        """Its exit code; negative: the signal that ended it.

        Raises AssertionError if it runs longer; what it said is in the message.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.pid} still runs after {seconds} s:\n{self.said()}") from None

    def terminate(self, *, seconds: float = PATIENCE) -> int:
        """SIGTERM, then its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds=seconds)

    def kill(self) -> None:
        """``kill -9``, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def said(self) -> str:
        """What it printed so far."""
        return self.log.read_text(errors="replace")


def _state(task: Path) -> str:
    """Return the state of a thread; it follows the name in brackets."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"


def drain_worker(
    folder: Path, mailconfig: Mapping[str, Any] | None = None, *, crash_at: str = "", once: bool = False
) -> Child:
    """``manage.py mailconfig_drain``, a worker without Celery."""
    arguments = ["manage.py", "mailconfig_drain", *(["--once"] if once else [])]
    return Child(*arguments, folder=folder, env=environment(mailconfig, crash_at=crash_at))
