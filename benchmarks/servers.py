"""The SMTP servers that the benchmarks send to; all on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.sidecar import Sidecar

FAR_MS = 20.0
"""How far away the far server is, there and back."""


def smtp_sink() -> str | None:
    """Postfix's sink, if it is installed."""
    return shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec/postfix")


@contextmanager
def local() -> Iterator[int]:
    """The port of a server that answers at once: Postfix's smtp-sink, else our own."""
    program = smtp_sink()
    if program is None:
        with own() as port:
            yield port
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "100"], stdout=subprocess.DEVNULL)
    try:
        _await(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def own(*, delay_ms: float = 0.0, pipelining: bool = True, record: Path | None = None) -> Iterator[int]:
    """The port of our own sink; see :mod:`benchmarks.sink`."""
    arguments = [str(delay_ms), "1" if pipelining else "0", *([str(record)] if record else [])]
    sidecar = Sidecar("benchmarks.sink", *arguments)
    try:
        yield int(sidecar.url)
    finally:
        sidecar.stop()


def _await(port: int) -> None:
    give_up_at = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
