"""Celery as a host runs it: a prefork worker and beat as processes, on a broker that tests disturb."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mailconfig.models import Lane
from tests.servers.children import PATIENCE, Child, environment, until

APP = "tests.acceptance.celery_app"


class Broker:
    """Where it is, as environment of whoever uses it."""

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self.url = url
        self.env = {"CELERY_BROKER_URL": url}
        if folder is not None:
            for name in ("tasks", "tasks-control"):
                (folder / name).mkdir()
            self.env["TESTS_BROKER_FOLDER"] = str(folder / "tasks")
        self._folder = folder

    def flush(self) -> None:
        """Whatever waited in it is gone."""
        if self._folder is None:
            self.say("FLUSHALL")
        else:
            for task in (self._folder / "tasks").iterdir():
                task.unlink(missing_ok=True)

    def say(self, command: str) -> None:
        """A command to the Redis server, in its inline form. One that a test paused answers when the pause is over."""
        host, port = self.url.removeprefix("redis://").split("/")[0].split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(f"{command}\r\n".encode())
            answer = connection.recv(100)
        assert answer.startswith(b"+OK"), answer


class Crew:
    """A worker and beat; each can be started anew. As a context manager all is gone at the end."""

    def __init__(
        self,
        broker: Broker,
        folder: Path,
        mailconfig: Mapping[str, Any],
        *,
        pool: str = "prefork --concurrency 2",
    ) -> None:
        """Start both. ``pool``: the worker's, with further options."""
        self.broker = broker
        self.folder = folder
        self.env = {**environment(mailconfig), **broker.env}
        self._pool = pool
        self.worker = self.start_worker()
        self.beat = self.start_beat()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in (self.beat, self.worker):
            child.end()

    def start_worker(self) -> Child:
        """A worker with its pool."""
        options = f"worker --pool {self._pool} --loglevel INFO --without-gossip --without-mingle"
        self.worker = self._celery(*options.split())
        return self.worker

    def start_beat(self) -> Child:
        """Beat with its own schedule file."""
        self.beat = self._celery("beat", "--loglevel", "INFO", "--schedule", str(self.folder / "schedule"))
        return self.beat

    def feeder(self, ledger: Path, accounts: list[int], *, every: float = 0.05, rounds: int = 0) -> Child:
        """A host's process that queues mail and rings by Celery."""
        arguments = ["-m", "tests.acceptance.feeder", str(ledger), *map(str, accounts)]
        options = ["--every", str(every), "--rounds", str(rounds)]
        return Child(*arguments, *options, folder=self.folder, env=self.env)

    def busy_child(self) -> int:
        """The process of the worker that owns a lane now."""
        found: list[int] = []

        def find() -> bool:
            for name in Lane.objects.exclude(worker="").values_list("worker", flat=True):
                pid = int(name.rsplit(":", 1)[1])
                if pid != self.worker.pid and _group_of(pid) == self.worker.pid:
                    found.append(pid)
            return bool(found)

        until(find, why="no child of the worker had a lane")
        return found[-1]

    def _celery(self, *arguments: str) -> Child:
        return Child("-m", "celery", "-A", APP, *arguments, folder=self.folder, env=self.env)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
