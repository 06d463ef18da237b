"""An SMTP server whose every answer can be scripted, and which records what it saw.

In a test: ``with ChaosServer(pipelining=True) as server: server.on("mail", Reply.of("421 4.3.2 bye"), at=2)``.
As a process: ``python -m tests.servers.chaos --port 0 --record FILE`` prints its port and writes a line of JSON
for each message, and for each session that ended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import fstat
from typing import Self, TextIO

from tests.servers.children import PATIENCE
from tests.servers.dialogue import Dialogue
from tests.servers.faults import VERBS, Action, Fault, Reply, parse_fault


@dataclass(frozen=True)
class ReceivedMessage:
    """A message whose acceptance was decided."""

    at: float
    """``time.time()`` of that moment."""
    session: int
    mail_from: str
    recipients: tuple[str, ...]
    data: bytes
    """The RFC 5322 bytes, dots taken off again."""

    def as_json(self) -> str:
        """One line; ``data`` is Latin-1 text, so that every byte survives."""
        fields = {**self.__dict__, "data": self.data.decode("latin-1")}
        return json.dumps(fields)


class ChaosServer:
    """Listens on loopback while used as a context manager.

    Args:
        tls: the server's context; implicit TLS unless ``starttls``.
        credentials: user names and passwords (or tokens); ``None`` offers no AUTH, ``{}`` refuses all.
        latency: seconds after which each reply leaves, counted from its command.
        lenient_data: answer DATA by 354 even if no recipient was accepted (RFC 2920 §3.1 knows such servers).
        auth_in_clear: offer AUTH without TLS as well.
        small_buffers: let the kernel hold little of what was not read, so that the client feels our pace.
    """

    def __init__(
        self,
        *,
        pipelining: bool = True,
        size: int | None = 10 * 1024 * 1024,
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
        credentials: Mapping[str, str] | None = None,
        mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN", "XOAUTH2"),
        auth_in_clear: bool = False,
        latency: float = 0.0,
        lenient_data: bool = False,
        small_buffers: bool = False,
        port: int = 0,
        record: TextIO | None = None,
    ) -> None:
        self.name = "chaos.test"
        self.pipelining, self.size, self.latency = pipelining, size, latency
        self.tls, self.starttls = tls, starttls
        self.credentials, self.mechanisms, self.auth_in_clear = credentials, mechanisms, auth_in_clear
        self.lenient_data = lenient_data
        self.token_error = ""
        """What a refused token is answered with before the verdict; empty: JSON that repeats the token."""
        self.body_fault_after = 1
        self.refuses_overlap = False
        """Answer 503 to whatever came behind a dot before its reply, as Haraka does."""
        self.mails_per_session: int | None = None
        self.after_most_mails: Action = Reply.of("421 4.7.0 enough for one session")
        """At the MAIL after so many; a ``Close`` comes right behind the last 250."""
        self.bytes_per_second: float | None = None
        """How fast bodies are read, steadily; ``None``: as fast as they come."""
        self.stopping = threading.Event()
        self.messages: list[ReceivedMessage] = []
        self.commands: list[tuple[int, str]] = []
        self.auth_attempts: list[tuple[str, str, str]] = []
        self.sessions = 0
        self.sessions_open = 0
        self.most_sessions = 0
        self._faults: list[Fault] = []
        self._changed = threading.Condition()
        self._record = record
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        if small_buffers:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        self._clients: dict[int, Dialogue] = {}
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, daemon=True)
        self._threads.append(thread)
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every connection and wait for the threads."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            clients = list(self._clients.values())
        for client in clients:
            with contextlib.suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()

    # The script

    def on(
        self,
        verb: str,
        action: Action,
        *,
        at: int | None = None,
        accept: bool = False,
        when: Callable[[str], bool] | None = None,
    ) -> None:
        """Do ``action`` at the ``at``-th ``verb`` from now on (or at each one) instead of answering."""
        if verb not in VERBS:
            raise ValueError(f"not a verb: {verb}")
        self.add(Fault(verb, action, at=at, accept=accept, when=when))

    def add(self, fault: Fault) -> None:
        """Add to the script; of several faults that apply the first wins."""
        with self._changed:
            self._faults.append(fault)

    def calm(self) -> None:
        """Forget the script: from now on every answer is proper."""
        with self._changed:
            self._faults.clear()

    def has_fault(self, verb: str) -> bool:
        """Whether the script has anything for this verb."""
        with self._changed:
            return any(fault.verb == verb for fault in self._faults)

    def fault_at(self, verb: str, line: str) -> Fault | None:
        """What the script says to this occurrence."""
        if not self._faults:
            return None
        with self._changed:
            applying = [fault for fault in self._faults if fault.applies(verb, line)]
        return applying[0] if applying else None

    # What a dialogue asks and tells

    def greeting(self, *, encrypted: bool) -> tuple[str, ...]:
        """The lines of the EHLO reply."""
        offers = [self.name, "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self.pipelining:
            offers.append("PIPELINING")
        if self.size is not None:
            offers.append(f"SIZE {self.size}")
        if self.starttls and not encrypted:
            offers.append("STARTTLS")
        if self.credentials is not None and (encrypted or self.auth_in_clear):
            offers.append("AUTH " + " ".join(self.mechanisms))
        return (*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}")

    def accepts(self, user: str, password: str) -> bool:
        """Whether these are the credentials."""
        return (self.credentials or {}).get(user) == password

    def record_command(self, session: int, line: str) -> None:
        """Keep a line that a client sent."""
        with self._changed:
            self.commands.append((session, line))
            self._changed.notify_all()

    def record_auth(self, mechanism: str, user: str, password: str) -> None:
        """Keep a login."""
        with self._changed:
            self.auth_attempts.append((mechanism, user, password))
            self._changed.notify_all()

    def record_message(self, session: int, mail_from: str, recipients: tuple[str, ...], data: bytes) -> None:
        """Keep a message."""
        with self._changed:
            message = ReceivedMessage(time.time(), session, mail_from, recipients, data)
            self.messages.append(message)
            if self._record is not None:
                self._record.write(message.as_json() + "\n")
            self._changed.notify_all()

    # What a test asks

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = PATIENCE) -> bool:
        """Wait until something that is recorded here makes ``condition`` true; whether it did."""
        with self._changed:
            return self._changed.wait_for(condition, timeout=seconds)

    def verbs(self) -> list[str]:
        """The commands so far, as upper-case verbs."""
        with self._changed:
            return [line.split(" ", 1)[0].upper() for _, line in self.commands]

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self.sessions += 1
                self.sessions_open += 1
                self.most_sessions = max(self.most_sessions, self.sessions_open)
                dialogue = Dialogue(self, sock, self.sessions)
                self._clients[self.sessions] = dialogue
                self._changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(dialogue,), daemon=True)
            self._threads = [old for old in self._threads if old.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, dialogue: Dialogue) -> None:
        try:
            dialogue.run()
        finally:
            with self._changed:
                self.sessions_open -= 1
                del self._clients[dialogue.number]
                if self._record is not None:
                    fields = {"ended": dialogue.number, "began": dialogue.began, "last": dialogue.last}
                    self._record.write(json.dumps(fields) + "\n")
                self._changed.notify_all()


def main() -> None:
    """Serve until SIGTERM, or until the pipe at standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", help="file for one line of JSON a message")
    parser.add_argument("--no-pipelining", dest="pipelining", action="store_false")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--size", type=int, default=10 * 1024 * 1024)
    parser.add_argument(
        "--user", action="append", default=[], help="name:password; offers AUTH, in clear too"
    )
    parser.add_argument("--fault", action="append", default=[], help="verb[@nth][+accept]=action")
    options = parser.parse_args()
    users = dict(user.split(":", 1) for user in options.user)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as stack:
        record = None
        if options.record:
            record = stack.enter_context(open(options.record, "a", buffering=1, encoding="utf-8"))  # noqa: PTH123
        server = ChaosServer(
            pipelining=options.pipelining,
            latency=options.latency,
            size=options.size,
            credentials=users or None,
            auth_in_clear=True,
            port=options.port,
            record=record,
        )
        for text in options.fault:
            server.add(parse_fault(text))
        stack.enter_context(server)
        print(server.port, flush=True)  # noqa: T201 - the parent reads it
        if stat.S_ISFIFO(fstat(sys.stdin.fileno()).st_mode):
            threading.Thread(target=_set_at_end_of_input, args=(stop,), daemon=True).start()
        stop.wait()


def _set_at_end_of_input(event: threading.Event) -> None:
    sys.stdin.read()
    event.set()


if __name__ == "__main__":
    main()
