"""The chaos server as a process of its own, and what its record says."""

from __future__ import annotations

import email
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from tests.servers.children import PATIENCE, until
from tests.servers.sidecar import ROOT, unmeasured


@dataclass(frozen=True)
class Received:
    """A message the server said yes to, or was about to."""

    at: float
    session: int
    mail_from: str
    recipients: tuple[str, ...]
    data: bytes

    @cached_property
    def message_id(self) -> str:
        """Of its header."""
        return str(email.message_from_bytes(self.data)["Message-ID"])


@dataclass(frozen=True)
class SessionTimes:
    """When a client came, and when it last said something."""

    number: int
    began: float
    last: float


class Sink:
    """``python -m tests.servers.chaos`` as a context manager."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it. ``options``: as on its command line."""
        self._record = folder / "sink.jsonl"
        self._record.touch()
        self._read = 0
        self._messages: list[Received] = []
        self._sessions: list[SessionTimes] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.chaos", "--record", str(self._record), *options],
            cwd=ROOT,
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    @property
    def messages(self) -> list[Received]:
        """So far, in the order in which they were accepted."""
        self._catch_up()
        return self._messages

    @property
    def sessions(self) -> list[SessionTimes]:
        """Those that ended so far."""
        self._catch_up()
        return self._sessions

    def by_message_id(self) -> dict[str, list[Received]]:
        """Copies of each message."""
        copies = defaultdict(list)
        for message in self.messages:
            copies[message.message_id].append(message)
        return dict(copies)

    def await_messages(self, count: int, *, seconds: float = PATIENCE) -> None:
        """Return when so many have come. Raises AssertionError after so many seconds."""
        until(
            lambda: len(self.messages) >= count, seconds=seconds, why=f"no {count} messages reached the sink"
        )

    def _catch_up(self) -> None:
        with self._record.open(encoding="utf-8") as lines:
            lines.seek(self._read)
            while (line := lines.readline()).endswith("\n"):
                self._read = lines.tell()
                self._note(json.loads(line))

    def _note(self, fields: dict[str, object]) -> None:
        if "ended" in fields:
            self._sessions.append(SessionTimes(fields["ended"], fields["began"], fields["last"]))  # type: ignore[arg-type]
            return
        fields["data"] = str(fields["data"]).encode("latin-1")
        fields["recipients"] = tuple(fields["recipients"])  # type: ignore[arg-type]
        self._messages.append(Received(**fields))  # type: ignore[arg-type]
