"""Starts jobs in processes of their own and brings back what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tests.servers.sidecar import ROOT


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
        environment = (
            os.environ
            | self.environment
            | {
                "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
                "BENCH_DATABASE_URL": self.database_url,
                "BENCH_FOLDER": self.folder,
            }
        )
        environment |= env or {}
        return Running(job, arguments, environment)

    def run(self, job: str, /, *, env: dict[str, str] | None = None, **arguments: object) -> Outcome:
        """Run ``module:function`` of this package to its end."""
        return self.start(job, env=env, **arguments).outcome()


class Running:
    """A job under way."""

    def __init__(self, job: str, arguments: dict[str, object], environment: dict[str, str]) -> None:
        self._job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", job, json.dumps(arguments)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def outcome(self) -> Outcome:
        """Wait for its end.

        Raises:
            RuntimeError: it failed; its standard error is in the text.
        """
        out, err = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"{self._job} failed:\n{err[-4000:]}")
        answer = json.loads(out.splitlines()[-1])
        return Outcome(answer["result"], answer["peak_rss_mb"])
