"""A letterbox that takes mail by HTTP, one request for each, and may be told to misbehave."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Letter:
    """A mail that was taken."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes


class LetterboxServer:
    """Listens on loopback while used as a context manager.

    ``GET /`` asks whether the token is right, ``GET /senders/…`` whether one may send from there, ``POST /letters``
    hands a letter over; its answer names the recipients it is not for.
    """

    def __init__(self, *, token: str = "") -> None:
        self.token = token
        self.letters: list[Letter] = []
        self.requests: list[str] = []
        self.unknown: set[str] = set()
        """Recipients that are refused."""
        self.strangers: set[str] = set()
        """Senders that are refused."""
        self.busy_for: int | None = None
        """Seconds for which everybody is told to come back later."""
        self.hangs_up = False
        """Take the next letter and end the connection without an answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, letter: dict[str, Any]) -> list[str]:
        """Keep a letter, and say whom it is not for."""
        refused = [address for address in letter["recipients"] if address in self.unknown]
        taken = tuple(address for address in letter["recipients"] if address not in self.unknown)
        if taken:
            self.letters.append(Letter(letter["sender"], taken, base64.b64decode(letter["body"])))
        return refused

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        box = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                box.requests.append(f"GET {self.path}")
                stranger = self.path.removeprefix("/senders/") in box.strangers
                if box.token and self.headers["Authorization"] != f"Bearer {box.token}":
                    self.answer(401, {"error": "wrong token"})
                else:
                    self.answer(*((403, {"error": "not your address"}) if stranger else (200, {})))

            def do_POST(self) -> None:
                box.requests.append(f"POST {self.path}")
                letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if box.busy_for is not None:
                    self.answer(429, {"error": "come back later"}, retry_after=box.busy_for)
                    return
                refused = box.take(letter)
                if box.hangs_up:
                    box.hangs_up = False
                    self.close_connection = True
                    return
                self.answer(200, {"refused": refused})

            def answer(self, status: int, body: dict[str, Any], *, retry_after: int | None = None) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if retry_after is not None:
                    self.send_header("Retry-After", str(retry_after))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler
