"""A worker of Celery with everything at its defaults, in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.sidecar import ROOT

from .processes import LEASHED, Place


@contextmanager
def running(place: Place, env: dict[str, str]) -> Iterator[None]:
    """Have it work until the end of the block; then nothing of it is left.

    Raises:
        RuntimeError: it ended by itself; what it said is in the text.
    """
    said = Path(place.folder) / "celery.log"
    # Celery tells root to be somebody else, and goes on.
    environment = place.environment_of(env) | {"PYTHONWARNINGS": "ignore"}
    command = [*LEASHED, sys.executable, "-m", "celery", "-A", "benchmarks.celery_app", "worker"]
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"Celery's worker ended:\n{said.read_text(errors='replace')[-4000:]}")
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
