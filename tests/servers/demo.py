"""`manage.py demo` as a process of its own, and requests to its web server."""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
END_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What the web server said."""

    status: int
    headers: Message
    body: bytes

    def cookie(self, name: str) -> str:
        """The value of a cookie that it set."""
        jar = SimpleCookie("; ".join(self.headers.get_all("Set-Cookie") or []))
        return jar[name].value


@dataclass(frozen=True)
class Demo:
    """A demo that is up."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    def children(self) -> list[int]:
        """The processes it started."""
        pid = self.process.pid
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
        )
        return [int(line) for line in found.stdout.split()]

    def get(self, path: str, *, host: str = "", cookie: str = "") -> Answer:
        """The answer to a GET."""
        return self.request("GET", path, {"Host": host} if host else {}, cookie=cookie)

    def request(
        self, method: str, path: str, headers: dict[str, str], body: str = "", *, cookie: str = ""
    ) -> Answer:
        """The answer to any request, on a connection of its own."""
        address = urlsplit(self.said["url"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            connection.request(method, path, body or None, headers | ({"Cookie": cookie} if cookie else {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: object = None, *, host: str = "", **headers: str) -> Answer:
        """The answer to an API request of the admin's; ``host``: a name instead of the address, without the port."""
        given = {"Authorization": f"Bearer {self.said['token']}", **headers}
        if host:
            given["Host"] = f"{host}:{urlsplit(self.said['url']).port}"
        if body is None:
            return self.request(method, path, given)
        return self.request(method, path, given | {"Content-Type": "application/json"}, json.dumps(body))

    def inbox(self) -> list[dict[str, Any]]:
        """What the mail server received."""
        mails: list[dict[str, Any]] = json.loads(self.get(urlsplit(self.said["inbox"]).path).body)
        return mails

    def smtp(self) -> smtplib.SMTP:
        """A session with its mail server."""
        return smtplib.SMTP(self.said["smtp"]["host"], self.said["smtp"]["port"], timeout=30)


def environment(folder: Path) -> dict[str, str]:
    """That of somebody who just cloned the project."""
    ours = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "DEMO_RUN"}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"DEMO_DIR": str(folder)}


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Demo]:
    """`demo --json` until it is up, and what it said. A test that leaves it running has seen it end by SIGTERM.

    Raises:
        AssertionError: it failed at that, or left a process or its folder behind.
    """
    with (
        (folder.parent / "errors").open("w+") as errors,
        subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--json", *arguments],
            cwd=ROOT,
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            errors.seek(0)
            assert line, errors.read()
            demo = Demo(process, json.loads(line))
            yield demo
            if process.poll() is None:
                _end(demo, folder)
        finally:
            if process.poll() is None:
                process.terminate()


def is_alive(pid: int) -> bool:
    """Whether a process that is no child of ours runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _end(demo: Demo, folder: Path) -> None:
    """End it as ``kill`` does, and look for what is left."""
    children, run = demo.children(), set(folder.glob("run-*"))
    demo.process.terminate()
    assert demo.process.wait(END_SECONDS) == 0
    assert not any(is_alive(pid) for pid in children)
    assert not any(path.exists() for path in run)
