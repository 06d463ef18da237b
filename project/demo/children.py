"""The worker and beat as child processes: started, watched, started again, ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from project.folders import ROOT, RUN, make

ERROR = re.compile(r"^\[[^\]]*: (ERROR|CRITICAL)/")
NEW_LINE = re.compile(r"^\[\d{4}-")
END_SECONDS = 4.0
LAST_LINES = 25


class ChildFailed(Exception):
    """A process ended before it was ready, or does not stay up."""


class Child:
    """One process, in a session of its own: a Ctrl-C at the terminal reaches the demo alone, which then ends it.

    Args:
        name: what people call it; its log is ``RUN/name.log``.
        arguments: of ``celery``.
        ready: stands in a line of its output when it is up.
        say: shows a line to the person at the terminal.
    """

    def __init__(self, name: str, arguments: list[str], *, ready: str, say: Callable[[str], None]) -> None:
        self.name = name
        self.log: Path = RUN / f"{name}.log"
        self._arguments = arguments
        self._ready_word = ready
        self._say = say
        self._is_ready = threading.Event()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process, anew if it had ended."""
        self._is_ready.clear()
        self._last.clear()
        # The filesystem broker moves each message it takes through the temporary folder: have that on the same disk.
        environment = os.environ | {"TMPDIR": str(make(RUN / "tmp")), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "project.child", *self._arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def wait_until_ready(self, *, until: float) -> None:
        """Wait for its word.

        Raises:
            ChildFailed: it ended, or did not say so by ``until`` (of ``time.monotonic``).
        """
        while not self._is_ready.wait(0.1):
            if self.exit_code is not None:
                raise ChildFailed(
                    f"The {self.name} ended with {self.exit_code} at its start.\n{self.last_lines()}"
                )
            if time.monotonic() >= until:
                raise ChildFailed(f"The {self.name} is not up yet. Its last words:\n{self.last_lines()}")

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.poll() if self._process else None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self._process.pid if self._process else 0

    def last_lines(self) -> str:
        """The end of its output."""
        if self.exit_code is not None and self._reader:
            self._reader.join(timeout=2)
        return "\n".join(f"  {line}" for line in list(self._last))

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def end(self, *, until: float) -> None:
        """Wait for its end, and from ``until`` on kill whatever it started."""
        if not self._process:
            return
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        # Its group has its own number and nobody else in it; not reaped yet, the number cannot be another's.
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _read(self, process: subprocess.Popen[str]) -> None:
        """Write its output to the log; show errors, with the lines that belong to them."""
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        shown = False
        with self.log.open("a", encoding="utf-8") as log, process.stdout:
            for line in process.stdout:
                log.write(line)
                log.flush()
                stripped = line.rstrip()
                if stripped:
                    self._last.append(stripped)
                if self._ready_word in line:
                    self._is_ready.set()
                if NEW_LINE.match(line):
                    shown = bool(ERROR.match(line))
                if shown and stripped:
                    self._say(f"{self.name}: {stripped}")


class Children:
    """The worker and beat together."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        worker = ["worker", "--pool=threads", "--concurrency=4", "--loglevel=INFO"]
        worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        beat = ["beat", "--loglevel=INFO", "--pidfile="]
        self.all = [
            Child("worker", worker, ready=" ready.", say=say),
            Child("beat", beat, ready="beat: Starting...", say=say),
        ]
        self._restarts = 0

    def start(self) -> None:
        """Start both; :meth:`wait_until_ready` tells when they are up."""
        for child in self.all:
            child.start()

    def wait_until_ready(self, *, seconds: float) -> None:
        """Wait for both.

        Raises:
            ChildFailed: one of them ended or is not up in time.
        """
        until = time.monotonic() + seconds
        for child in self.all:
            child.wait_until_ready(until=until)

    def look_after(self) -> None:
        """Start anew what was killed: nothing is lost by it.

        Raises:
            ChildFailed: it happens all the time.
        """
        for child in self.all:
            if child.exit_code is None:
                continue
            self._restarts += 1
            if self._restarts > 20:
                raise ChildFailed(f"The {child.name} does not stay up. Its last words:\n{child.last_lines()}")
            self._say(f"The {child.name} ended with {child.exit_code}; it is started again.")
            child.start()

    def end(self) -> None:
        """End both, politely for some seconds."""
        for child in self.all:
            child.ask_to_end()
        until = time.monotonic() + END_SECONDS
        for child in self.all:
            child.end(until=until)
