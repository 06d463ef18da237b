"""Runs a server in a child process that ends it when this process ends, however this one ends.

The child waits for the end of its standard input. The kernel closes our end of that pipe also when we are
killed, so neither SIGTERM nor SIGKILL leaves a server behind; a session of its own keeps Ctrl-C from it.
"""

import atexit
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]


def unmeasured() -> dict[str, str]:
    """The environment for a child that runs nothing of mailconfig: coverage would only slow it down."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}


class Sidecar:
    """A running ``python -m <module> <arguments>``; ``url`` is the line it printed when it was ready."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Start it and wait until it is ready.

        Raises RuntimeError if it ends instead; its standard error then says why.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        atexit.register(self.stop)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.stop()
            raise RuntimeError(f"{module} did not start; see above")

    def stop(self) -> None:
        """End the server and wait until nothing of it is left. Further calls do nothing."""
        atexit.unregister(self.stop)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def announce_and_wait(url: str) -> None:
    """Say where the server is, then return when the parent has gone. For use in the child."""
    signal.signal(signal.SIGTERM, _leave)
    print(url, flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
