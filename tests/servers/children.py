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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.servers.sidecar import ROOT

PATIENCE = 180.0
"""Seconds after which what did not happen will not. Nothing waits so long that goes well, however busy the machine."""

_numbers = itertools.count(1)


def until(
    condition: Callable[[], object], *, seconds: float = PATIENCE, why: str = "it did not happen"
) -> None:
    """Return when ``condition`` is true. Raises AssertionError after so many seconds."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"{why} within {seconds} s"
        time.sleep(0.02)


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill it, and whatever it started that is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stand_still(self) -> None:
        """SIGSTOP, and wait until each of its threads has stopped: on a busy machine one goes on for a while."""
        self.signal(signal.SIGSTOP)
        until(self.stands_still, why="it did not stand still")

    def stands_still(self) -> bool:
        """Whether each of its threads has stopped."""
        return all(_is_stopped(task) for task in Path(f"/proc/{self.pid}/task").iterdir())

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


def _is_stopped(task: Path) -> bool:
    """Return whether a thread is stopped, or has ended (proc_pid_stat(5): the state follows the name in brackets)."""
    try:
        state = (task / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in {"T", "t", "Z", "X"}


def drain_worker(
    folder: Path, mailconfig: Mapping[str, Any] | None = None, *, crash_at: str = "", once: bool = False
) -> Child:
    """``manage.py mailconfig_drain``, a worker without Celery."""
    arguments = ["manage.py", "mailconfig_drain", *(["--once"] if once else [])]
    return Child(*arguments, folder=folder, env=environment(mailconfig, crash_at=crash_at))
