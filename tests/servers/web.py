"""The tests' project behind a real web server (waitress), and requests to it byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass
from typing import Any, Self

from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from waitress.server import create_server


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The value of the body."""
        return json.loads(self.body)


class WebServer:
    """Answers on loopback while used as a context manager. The test's data has to be committed."""

    def __init__(self, handler: WSGIHandler | None = None, *, threads: int = 2) -> None:
        self._map: dict[int, Any] = {}
        self._django = handler or WSGIHandler()
        self._server = create_server(self._answer, host="127.0.0.1", port=0, threads=threads, map=self._map)
        self._thread = threading.Thread(target=self._run, name="web-server", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.effective_port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.task_dispatcher.shutdown()
        # As its own run() does at the end; its loop leaves when nothing is open any more.
        self._server.trigger.pull_trigger(self._close)
        self._thread.join(10)

    def send(self, data: bytes) -> Answer:
        """Send these bytes over a connection of their own, and read until its end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(data)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while chunk := sock.recv(65536):
                    received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        return Answer(int(first.split(" ")[1]), headers, body)

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Send a request with just these headers, besides Host and ``Connection: close``."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Django's answer, from a thread that leaves no connection to the test database behind."""
        try:
            with contextlib.closing(self._django(environ, start_response)) as response:
                return [b"".join(response)]
        finally:
            connections.close_all()

    def _run(self) -> None:
        self._server.asyncore.loop(timeout=1, map=self._map)

    def _close(self) -> None:
        for dispatcher in list(self._map.values()):
            dispatcher.close()
