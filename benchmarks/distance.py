"""A proxy that makes a server far away, in a process of its own: ``python -m benchmarks.distance --port <port> --delay <ms>``.

What the server says leaves the delay after it came, and delays overlap: there is distance and no less bandwidth.
"""

from __future__ import annotations

import argparse
import asyncio
import sys


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read, each piece so much later, until the end."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due_at, piece = await pieces.get()
            if due_at > loop.time():
                await asyncio.sleep(due_at - loop.time())
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    writing = asyncio.create_task(write())
    piece = b"-"
    while piece:
        try:
            piece = await reader.read(65536)
        except OSError:
            piece = b""
        pieces.put_nowait((loop.time() + delay, piece))
    await asyncio.gather(writing, return_exceptions=True)


async def _serve(port: int, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(reader, server_writer, 0.0), _pass_on(server_reader, writer, delay))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until the parent closes our standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True, help="milliseconds")
    options = parser.parse_args()
    asyncio.run(_serve(options.port, options.delay / 1000))


if __name__ == "__main__":
    main()
