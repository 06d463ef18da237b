"""The demo's web server: waitress, in threads of this process, which also holds the inbox."""

from __future__ import annotations

import socket
import threading

from waitress.server import create_server

from project.wsgi import application


def serve(listeners: list[socket.socket]) -> None:
    """Answer at these sockets until the process ends."""
    server = create_server(application, sockets=listeners, threads=8, ident=None)
    threading.Thread(target=server.run, name="web-server", daemon=True).start()
