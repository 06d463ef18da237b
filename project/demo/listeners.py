"""Listening sockets on loopback: the usual port if it is free, else any."""

from __future__ import annotations

import errno
import socket

HOST = "127.0.0.1"


def listen(port: int) -> list[socket.socket]:
    """Listen on ``port`` of 127.0.0.1 and, where there is IPv6, of ::1; on a free port if that one is taken.

    Both, because browsers look for ``localhost`` at either, and another program might answer there.
    """
    for candidate in (port, *[0] * 20):
        sockets: list[socket.socket] = []
        try:
            sockets.append(_listen(socket.AF_INET, HOST, candidate))
            if _has_ipv6():
                sockets.append(_listen(socket.AF_INET6, "::1", sockets[0].getsockname()[1]))
        except OSError as error:
            for opened in sockets:
                opened.close()
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
        else:
            return sockets
    raise OSError(errno.EADDRINUSE, "no free port was found on 127.0.0.1")


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named; each EHLO would take 40 ms.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Only after our own restart: on Linux this takes no port that somebody listens on.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(128)
    except OSError:
        opened.close()
        raise
    return opened


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
