"""Starts jobs in processes of their own and brings back what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Self

from tests.servers.sidecar import ROOT

LONGEST = 900.0
"""Seconds that no job takes that goes well."""
LEASHED = (sys.executable, "-m", "tests.servers.leashed", "--exec")
"""Before a command: it ends when we are killed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer of a job, and its own peak of resident memory."""

    result: Any
    peak_rss_mb: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs work: the database, and a folder for stored messages."""

    database_url: str
    folder: str
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, job: str, /, *, env: dict[str, str] | None = None, **arguments: object) -> Running:
        """Start ``module:function`` of this package."""
        return Running(job, arguments, self.environment_of(env or {}))

    def environment_of(self, more: dict[str, str]) -> dict[str, str]:
        """Return the environment of a process of ours. Modules are compiled once, as those of installed packages are."""
        ours = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "BENCH_DATABASE_URL": self.database_url,
            "BENCH_FOLDER": self.folder,
        }
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**inherited, **self.environment, **ours, **more}

    def run(self, job: str, /, *, env: dict[str, str] | None = None, **arguments: object) -> Outcome:
        """Run ``module:function`` of this package to its end."""
        return self.start(job, env=env, **arguments).outcome()


class Running:
    """A job under way. As a context manager it has ended at the end, whatever happened."""

    def __init__(self, job: str, arguments: dict[str, object], environment: dict[str, str]) -> None:
        self._job = job
        self._process = subprocess.Popen(
            [*LEASHED, sys.executable, "-m", "benchmarks.worker", job, json.dumps(arguments)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def outcome(self) -> Outcome:
        """Wait for its end.

        Raises:
            RuntimeError: it failed, and its standard error is in the text; or it took :data:`LONGEST`, and was ended.
        """
        try:
            out, err = self._process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            msg = f"{self._job} took longer than {LONGEST} s"
            raise RuntimeError(msg) from None
        finally:
            self.end()
        if self._process.returncode:
            raise RuntimeError(f"{self._job} failed:\n{err[-4000:]}")
        answer = json.loads(out.splitlines()[-1])
        return Outcome(answer["result"], answer["peak_rss_mb"])

    def end(self) -> None:
        """Kill it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
