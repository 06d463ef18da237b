"""The SMTP servers that the benchmarks send to; all on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
def own(
    *,
    delay_ms: float = 0.0,
    pipelining: bool = True,
    record: Path | None = None,
    addresses: Sequence[str] = ("127.0.0.1",),
    answers_dot: bool = True,
) -> Iterator[int]:
    """The port of our own sink, one of all addresses; see :mod:`benchmarks.sink`."""
    arguments = ["--delay", str(delay_ms), *(f"--address={address}" for address in addresses)]
    if not pipelining:
        arguments.append("--no-pipelining")
    if not answers_dot:
        arguments.append("--silent-at-dot")
    if record is not None:
        arguments.append(f"--record={record}")
    sidecar = Sidecar("benchmarks.sink", *arguments)
    try:
        yield int(sidecar.url)
    finally:
        sidecar.stop()


@contextmanager
def far_away(port: int, *, delay_ms: float = FAR_MS) -> Iterator[int]:
    """The port behind which the server at another one is so far away; see :mod:`benchmarks.distance`."""
    sidecar = Sidecar("benchmarks.distance", "--port", str(port), "--delay", str(delay_ms))
    try:
        yield int(sidecar.url)
    finally:
        sidecar.stop()


@contextmanager
def swallowing(addresses: Sequence[str]) -> Iterator[list[int]]:
    """The port at each address where a SYN is answered by nothing: its backlog is full, and nobody accepts."""
    with ExitStack() as stack:
        ports = []
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, 0))
            listener.listen(0)
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(listener.getsockname())
            ports.append(listener.getsockname()[1])
        yield ports


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
