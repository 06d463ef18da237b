"""Runs one test command on several databases at the same time, since tests wait more than they compute.

``python -m tests.databases sqlite postgres -- -m pytest -q``: each run finds its database in TEST_DB. What the first
one says is seen as it comes, what the others say after that. Tests that use no database, or prove the
same on each, run with the first one alone. The exit code is that of the first run that failed. With ``--cover-first`` before
the databases, the first run is measured by coverage.
A single database is not looked after: the command takes this process over, terminal and all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType
from typing import IO

COVER_FIRST = "--cover-first"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run:
    """The command on one database: in a session of its own, which Ctrl-C does not reach, and not longer than we run."""

    def __init__(self, database: str, command: Sequence[str], *, output: IO[bytes] | None) -> None:
        self._title = f"Tests on {database}"
        self._output = output
        if output is None:
            print(self._title, flush=True)  # noqa: T201 - for the person at the terminal
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.leashed", *command],
            env=os.environ | {"TEST_DB": database} | ({"TEST_DB_AGAIN": "1"} if output is not None else {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """What Ctrl-C does to pytest, once: it ends its workers and servers."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Its exit code, when it has said everything."""
        code = self._process.wait()
        if self._output is not None:
            print(self._title, flush=True)  # noqa: T201 - as above
            self._output.seek(0)
            shutil.copyfileobj(self._output, sys.stdout.buffer)
            sys.stdout.flush()
        return code


def main() -> int:
    """Run the command on each database; who ends this process ends them."""
    middle = sys.argv.index("--")
    databases, command = sys.argv[1:middle], sys.argv[middle + 1 :]
    covers_first = databases[0] == COVER_FIRST
    databases = databases[covers_first:]
    first = ["-m", "coverage", "run", *command] if covers_first else command
    if len(databases) == 1:
        print(f"Tests on {databases[0]}", flush=True)  # noqa: T201 - as above
        os.environ["TEST_DB"] = databases[0]
        os.execv(sys.executable, [sys.executable, *first])  # noqa: S606 - the project's own program
    runs: list[Run] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        for run in runs:
            run.interrupt()

    for number in ENDINGS:
        signal.signal(number, interrupt)
    for index, database in enumerate(databases):
        output = tempfile.TemporaryFile() if index else None  # noqa: SIM115 - as long as this process
        runs.append(Run(database, command if index else first, output=output))
    return next((code for code in [run.wait() for run in runs] if code), 0)


if __name__ == "__main__":
    sys.exit(main())
