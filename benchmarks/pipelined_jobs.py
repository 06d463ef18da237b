"""Sessions that pipeline bytes that are ready: no database, nothing remembered. What the server and the network allow."""

from __future__ import annotations

import asyncio
import time

from . import mails

READY = (
    f"Subject: {mails.subject(0)}\r\n\r\n{mails.TEXT}\r\n.\r\n".replace("\r\n", "\n")
    .replace("\n", "\r\n")
    .encode()
)


def drain(port: int, sessions: int, mails_each: int) -> float:
    """Send over so many sessions at once, each envelope behind the dot before it: mails per second."""
    begun = time.perf_counter()
    asyncio.run(_all(port, sessions, mails_each))
    return sessions * mails_each / (time.perf_counter() - begun)


def drain_ten(count: int, port: int) -> float:
    """Send all over ten sessions: mails per second."""
    return drain(port, sessions=10, mails_each=count // 10)


async def _all(port: int, sessions: int, mails_each: int) -> None:
    await asyncio.gather(*(_session(port, mails_each) for _ in range(sessions)))


async def _session(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _reply(reader, b"220")
    writer.write(b"EHLO bench\r\n")
    await _reply(reader, b"250")
    writer.write(_envelope(0))
    for number in range(count):
        for code in (b"250", b"250", b"354"):
            await _reply(reader, code)
        is_last = number + 1 == count
        writer.write(READY + (b"QUIT\r\n" if is_last else _envelope(number + 1)))
        await _reply(reader, b"250")
    await _reply(reader, b"221")
    writer.close()
    await writer.wait_closed()


def _envelope(number: int) -> bytes:
    return f"MAIL FROM:<{mails.SENDER}>\r\nRCPT TO:<{mails.recipient(number)}>\r\nDATA\r\n".encode()


async def _reply(reader: asyncio.StreamReader, code: bytes) -> None:
    """Read a reply of any number of lines.

    Raises:
        RuntimeError: it is another one.
    """
    while True:
        line = await reader.readline()
        if not line.startswith(code):
            raise RuntimeError(f"{line!r} instead of {code!r}")
        if line[3:4] != b"-":
            return
