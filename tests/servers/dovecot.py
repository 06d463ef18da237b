"""Logins for a Postfix: the server's side of Dovecot's authentication protocol, for PLAIN, over TCP."""

from __future__ import annotations

import base64
import contextlib
import os
import socketserver
import threading
from collections.abc import Mapping


class DovecotLogins:
    """Serves on a loopback port between :meth:`start` and :meth:`stop`."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    outer.serve(self)

        self._credentials = credentials
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, client: socketserver.StreamRequestHandler) -> None:
        """Greet, then answer each request."""
        greeting = [
            "VERSION\t1\t1",
            "MECH\tPLAIN\tplaintext",
            f"SPID\t{os.getpid()}",
            "CUID\t1",
            "COOKIE\t0",
            "DONE",
        ]
        client.wfile.write("".join(f"{line}\n" for line in greeting).encode())
        for raw in client.rfile:
            command, *rest = raw.decode().rstrip("\n").split("\t")
            if command != "AUTH":
                continue
            number = rest[0]
            response = next((word[5:] for word in rest if word.startswith("resp=")), "")
            _, user, password = base64.b64decode(response).decode().split("\0")
            right = self._credentials.get(user) == password
            answer = f"OK\t{number}\tuser={user}\n" if right else f"FAIL\t{number}\tuser={user}\n"
            client.wfile.write(answer.encode())
