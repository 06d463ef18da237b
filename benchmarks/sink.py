"""Our own SMTP sink, in a process of its own: replies after a delay, PIPELINING or not, and what came when.

``python -m benchmarks.sink --delay <ms> --record <file> …``. Each reply leaves the delay after its command arrived, and
delays overlap. The file gets a line per accepted message: when its dot arrived (this machine's monotonic clock), its
envelope sender, how many recipients.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One session."""

    def __init__(self, delay: float, pipelining: bool, answers_dot: bool, record: TextIO | None) -> None:
        self._delay = delay
        self._answers_dot = answers_dot
        self._extensions = b"250-PIPELINING\r\n" if pipelining else b""
        self._record = record
        self._buffer = bytearray()
        self._in_data = False
        self._sender = ""
        self._recipients = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - TCP's are
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._say(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._data() if self._in_data else self._command():
            pass

    def _say(self, reply: bytes, *, close: bool = False) -> None:
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._write, reply, close)
        else:
            self._write(reply, close)

    def _write(self, reply: bytes, close: bool) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)
            if close:
                self._transport.close()

    def _command(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(b"250-sink\r\n" + self._extensions + b"250 8BITMIME\r\n")
        elif verb == b"DATA":
            self._in_data = True
            self._buffer[:0] = b"\r\n"  # an empty message begins with its dot
            self._say(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._say(b"221 bye\r\n", close=True)
        else:
            if verb == b"MAIL":
                self._sender, self._recipients = line[10:].split(b">")[0].strip(b"<").decode(), 0
            self._recipients += verb == b"RCPT"
            self._say(b"250 ok\r\n")
        return True

    def _data(self) -> bool:
        end = self._buffer.find(END)
        if end < 0:
            del self._buffer[: -len(END)]
            return False
        del self._buffer[: end + len(END)]
        self._in_data = False
        if self._record:
            self._record.write(f"{time.monotonic():.6f} {self._sender} {self._recipients}\n")
        if self._answers_dot:
            self._say(b"250 accepted\r\n")
        return True


async def _serve(addresses: list[str], make: Callable[[], Sink]) -> None:
    """Listen at one port of all these addresses, and say which."""
    loop = asyncio.get_running_loop()
    first, *others = addresses
    server = await loop.create_server(make, first, 0, backlog=100)
    port = server.sockets[0].getsockname()[1]
    for address in others:
        await loop.create_server(make, address, port, backlog=100)
    print(port, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until the parent closes our standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds")
    parser.add_argument("--no-pipelining", dest="pipelining", action="store_false")
    parser.add_argument(
        "--silent-at-dot", dest="answers_dot", action="store_false", help="answer no dot, ever"
    )
    parser.add_argument("--record", type=Path)
    parser.add_argument("--address", action="append", help="of loopback; again for more of them")
    options = parser.parse_args()
    # Open as long as we serve.
    record = options.record.open("w", buffering=1) if options.record else None

    def make() -> Sink:
        return Sink(options.delay / 1000, options.pipelining, options.answers_dot, record)

    asyncio.run(_serve(options.address or ["127.0.0.1"], make))


if __name__ == "__main__":
    main()
