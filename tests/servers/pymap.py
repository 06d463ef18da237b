"""An IMAP server that nobody here wrote, out of a wheel: ``pymap``, as the demo starts it."""

from __future__ import annotations

import socket
from typing import Self

from project.inbox.imap import IMAPServer
from tests.servers.certificates import Certificates

USER, PASSWORD = "grüße@example.com", "not-a-real-pässword"
TLS_SECONDS = 0.05
"""Clients of tests speak at once, if they speak first."""


class PymapServer:
    """Serves on one loopback port with TLS, STARTTLS or neither; ``ca_file`` trusts its certificate, which is for ``127.0.0.1``."""

    def __init__(self) -> None:
        self._certificates = Certificates()
        self.ca_file = self._certificates.ca_file
        # The protocol is named, so that asyncio sends small answers at once.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port = int(self._listener.getsockname()[1])
        self.mailboxes = IMAPServer(
            [self._listener],
            passwords={USER: PASSWORD},
            tls=self._certificates.good,
            tls_seconds=TLS_SECONDS,
        )

    def __enter__(self) -> Self:
        self.mailboxes.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mailboxes.stop()
        self._listener.close()
        self._certificates.close()
