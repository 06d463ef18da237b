"""A web server whose answers are scripted byte by byte, and which records what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

Script = bytes | Iterable[bytes] | Callable[["Asked"], bytes | Iterable[bytes]]
"""An answer: all of it, its pieces, or a function that makes it of the request."""


@dataclass(frozen=True)
class Asked:
    """A request that came whole."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes


def answer(
    body: bytes = b"", *, status: str = "200 OK", fields: str = "", length: int | None = None
) -> bytes:
    """Return a usual answer; ``fields`` are further lines, each with its end."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{fields}\r\n".encode() + body


class ScriptedHttpServer:
    """Listens on loopback while used as a context manager; paths that no script has are answered by 404.

    A server that has said what it had to say closes, unless it keeps connections; one that is in the middle ends when the
    client has gone.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.scripts: dict[str, Script] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.says_goodbye = True
        """Whether the end of TLS is announced (close_notify)."""
        self.keeps = False
        """Whether a connection takes one request after another."""
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        """Return the URL of a path here."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def forget(self) -> None:
        """Forget what was scripted and asked."""
        self.scripts.clear()
        self.asked.clear()
        self.connections = 0
        self.says_goodbye = True
        self.keeps = False

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                with self._lock:
                    self._open.add(sock)
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        talk = sock
        try:
            if self._tls is not None:
                talk = self._tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.add(talk)
            self._answer_one(talk)
            while self.keeps:
                self._answer_one(talk)
            self._end(talk)
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= {sock, talk}
            with contextlib.suppress(OSError):
                talk.close()

    def _answer_one(self, talk: socket.socket) -> None:
        asked = _read(talk)
        self.asked.append(asked)
        for piece in self._pieces(asked):
            talk.sendall(piece)

    def _pieces(self, asked: Asked) -> Iterable[bytes]:
        script = self.scripts.get(asked.target.partition("?")[0], answer(b"not here", status="404 Not Found"))
        if callable(script):
            script = script(asked)
        return [script] if isinstance(script, bytes) else script

    def _end(self, talk: socket.socket) -> None:
        if isinstance(talk, ssl.SSLSocket) and self.says_goodbye:
            with contextlib.suppress(OSError):
                talk.unwrap()
            return
        # A FIN, and no reset that would overtake what was said.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(talk, socket.SHUT_WR)
            while socket.socket.recv(talk, 65536):
                pass


def _read(sock: socket.socket) -> Asked:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(sock)
    return Asked(method, target, headers, body)


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise ValueError("the client has gone")
    return data
