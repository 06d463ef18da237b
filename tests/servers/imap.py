"""An IMAP server whose every answer can be scripted, and which records what it was asked.

``with FakeIMAP() as server: server.on("fetch", Raw(b"* 1 FETCH ("))``. It knows what our client may say and no more: a
command that would change anything is answered by BAD, and stands in ``commands`` for the test to find.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.servers.dialogue import credentials_in
from tests.servers.faults import Action, Close, Endless, Fault, Hang, LongLine, Raw, Reply, Reset, Slow

VERBS = (
    "banner",
    "capability",
    "starttls",
    "handshake",
    "authenticate",
    "login",
    "enable",
    "list",
    "examine",
    "search",
    "fetch",
    "noop",
    "logout",
)
EXTENSIONS = ("SASL-IR", "ENABLE", "CONDSTORE", "QRESYNC", "ESEARCH", "LITERAL+")
INBOX = "INBOX"


@dataclass
class Message:
    """A message in a folder."""

    uid: int
    data: bytes
    flags: tuple[str, ...] = ()
    date: str = "17-Jul-2026 02:44:25 +0200"
    modseq: int = 1


@dataclass
class FakeFolder:
    """A folder, whose name is as the wire has it."""

    messages: list[Message] = field(default_factory=list)
    uid_validity: int = 4711
    attributes: str = "\\HasNoChildren"


class FakeIMAP:
    """Listens on loopback while used as a context manager.

    Args:
        tls: the server's context; implicit TLS unless ``starttls``.
        credentials: user names and passwords (or tokens).
        capabilities: offered besides IMAP4rev1; those of encryption and login are its own affair.
        mechanisms: of AUTHENTICATE.
        preauth: greet by PREAUTH.
        login_disabled: offer LOGINDISABLED in the clear.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
        credentials: Mapping[str, str] | None = None,
        capabilities: Sequence[str] = EXTENSIONS,
        mechanisms: Sequence[str] = ("PLAIN", "XOAUTH2"),
        preauth: bool = False,
        login_disabled: bool = False,
    ) -> None:
        self.tls, self.starttls = tls, starttls
        self.credentials = dict(credentials or {})
        self.capabilities, self.mechanisms = tuple(capabilities), tuple(mechanisms)
        self.preauth, self.login_disabled = preauth, login_disabled
        self.folders: dict[bytes, FakeFolder] = {INBOX.encode(): FakeFolder()}
        self.commands: list[str] = []
        """As they came, with literals and without tags; of AUTHENTICATE the name of the mechanism only."""
        self.logins: list[tuple[str, str, str]] = []
        self.sent = 0
        """Bytes that a fault wrote without end."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def accepts(self, user: str, secret: str) -> bool:
        """Whether these are the credentials."""
        return self.credentials.get(user) == secret

    def stop(self) -> None:
        """End every connection and wait for the threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def on(
        self, verb: str, action: Action, *, at: int | None = None, when: Callable[[str], bool] | None = None
    ) -> None:
        """Do ``action`` at the ``at``-th ``verb`` (or at each one) instead of answering.

        A ``Reply`` is the verdict, ``NO [X] why``; in ``Raw``, ``TAG`` stands for the tag.
        """
        if verb not in VERBS:
            raise ValueError(f"not a verb: {verb}")
        with self._lock:
            self._faults.append(Fault(verb, action, at=at, when=when))

    def add_messages(self, count: int, *, folder: str = INBOX, size: int = 200) -> None:
        """Put so many into a folder; every other one has been seen."""
        messages = self.folders[folder.encode()].messages
        for _ in range(count):
            uid = len(messages) + 1
            data = f"Subject: number {uid}\r\nMessage-ID: <{uid}@mail.test>\r\n\r\n".encode()
            data += b"x" * max(0, size - len(data))
            messages.append(Message(uid, data, ("\\Seen",) if uid % 2 else (), modseq=uid))

    def verbs(self) -> list[str]:
        """The commands so far, as upper-case verbs; ``UID`` goes with the next word."""
        with self._lock:
            return [
                re.match(r"(?:UID )?\S*", command.upper())[0]  # type: ignore[index]  # it matches anything
                for command in self.commands
            ]

    def record(self, command: str) -> None:
        """Keep a command."""
        with self._lock:
            self.commands.append(command)

    def fault_at(self, verb: str, line: str) -> Action | None:
        """What the script says to this occurrence."""
        with self._lock:
            applying = [fault for fault in self._faults if fault.applies(verb, line)]
        return applying[0].action if applying else None

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients.append(sock)
            self._start(_Client(self, sock).run)

    def keep(self, old: socket.socket, new: socket.socket) -> None:
        """Know a connection by the socket that it goes on over."""
        with self._lock:
            self._clients[self._clients.index(old)] = new


class _Over(Exception):
    """The conversation has ended."""


class _Client:
    """One connection."""

    def __init__(self, server: FakeIMAP, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self.encrypted = False
        self.folder: FakeFolder | None = None
        self.enabled: set[str] = set()
        self._buffer = b""

    def run(self) -> None:
        try:
            if self.server.tls is not None and not self.server.starttls:
                self._secure()
            hello = "PREAUTH ready" if self.server.preauth else "OK ready"
            if self._acts("banner", "", "*"):
                self.write(f"* {hello}")
            while True:
                self._serve()
        except (_Over, OSError):
            pass
        finally:
            with contextlib.suppress(OSError):
                self.sock.close()

    # The wire

    def write(self, *lines: str | bytes) -> None:
        for line in lines:
            self.sock.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise _Over
        self._buffer += data

    def _command(self) -> bytes:
        """A line with its literals put into it as they are, in angle brackets."""
        whole = b""
        while found := re.search(rb"\{(\d+)(\+?)\}\Z", line := self._line()):
            if not found[2]:
                self.write("+ go on")
            while len(self._buffer) < int(found[1]):
                self._receive()
            whole += line[: found.start()] + b"<" + self._buffer[: int(found[1])] + b">"
            self._buffer = self._buffer[int(found[1]) :]
        return whole + line

    def _secure(self) -> None:
        if not self._acts("handshake", "", "*"):
            raise _Over
        assert self.server.tls is not None
        plain = self.sock
        self.sock = self.server.tls.wrap_socket(plain, server_side=True)
        self.server.keep(plain, self.sock)
        self.encrypted = True

    # The dialogue

    def _serve(self) -> None:
        tag, _, rest = self._command().decode("utf-8", "surrogateescape").partition(" ")
        words = rest.split(" ")
        verb = words[1 if words[0].upper() == "UID" else 0].lower()
        is_login = verb == "authenticate"
        self.server.record(" ".join(words[:2]) if is_login else rest)
        known = getattr(self, f"_do_{verb}", None)
        if known is None:
            self.write(f"{tag} BAD not here")
        elif self._acts(verb, rest, tag):
            known(tag, rest)

    def _acts(self, verb: str, line: str, tag: str) -> bool:
        """Do what the script says; whether it says nothing, so that a proper answer is due."""
        action = self.server.fault_at(verb, line)
        match action:
            case None:
                return True
            case Reply(lines=lines, close=close):
                self.write(*(f"{tag} {text}" for text in lines))
                if close:
                    raise _Over
            case Raw(data=data):
                self.sock.sendall(data.replace(b"TAG", tag.encode()))
            case Hang():
                self._hang()
            case Close():
                raise _Over
            case Reset():
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise _Over
            case Slow(line=text, seconds=seconds):
                self._dribble(f"{tag} {text}\r\n".encode(), seconds)
            case Endless(line=text):
                self._flood(f"{text}\r\n".encode() * 100)
            case LongLine(size=size):
                self._flood(b"x" * 65536, most=size)
        return False

    def _hang(self) -> None:
        while self.sock.recv(65536):
            pass
        raise _Over

    def _dribble(self, data: bytes, seconds: float) -> None:
        pause = threading.Event()
        for byte in data:
            self.sock.sendall(bytes([byte]))
            pause.wait(seconds)

    def _flood(self, data: bytes, *, most: int | None = None) -> None:
        while most is None or self.server.sent < most:
            self.sock.sendall(data)
            self.server.sent += len(data)

    def _offers(self) -> str:
        offers = ["IMAP4rev1", *self.server.capabilities]
        if self.server.starttls and not self.encrypted:
            offers.append("STARTTLS")
        if self.server.login_disabled and not self.encrypted:
            offers.append("LOGINDISABLED")
        else:
            offers += [f"AUTH={name}" for name in self.server.mechanisms]
        return " ".join(offers)

    def _do_capability(self, tag: str, _: str) -> None:
        self.write(f"* CAPABILITY {self._offers()}", f"{tag} OK done")

    def _do_starttls(self, tag: str, _: str) -> None:
        self.write(f"{tag} OK begin")
        self._secure()

    def _do_authenticate(self, tag: str, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism not in self.server.mechanisms:
            self.write(f"{tag} BAD unknown mechanism")
            return
        if initial:
            response = initial[0]
        else:
            self.write("+ ")
            response = self._line().decode()
        decoded = base64.b64decode(response).decode()
        user, secret = credentials_in(mechanism, decoded)
        if mechanism != "PLAIN" and not self.server.accepts(user, secret):
            said = f'{{"status":"400","seen":"{secret}"}}'
            self.write("+ " + base64.b64encode(said.encode()).decode())
            self.server.commands.append(self._line().decode())
        self._judge(tag, mechanism, user, secret)

    def _do_login(self, tag: str, line: str) -> None:
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"|<([^>]*)>', line)
        user, secret = (re.sub(r"\\(.)", r"\1", quoted) or literal for quoted, literal in strings)
        self._judge(tag, "LOGIN", user, secret)

    def _judge(self, tag: str, way: str, user: str, secret: str) -> None:
        self.server.logins.append((way, user, secret))
        if self.server.accepts(user, secret):
            self.write(f"{tag} OK [CAPABILITY {self._offers()}] welcome")
        else:
            self.write(f"{tag} NO [AUTHENTICATIONFAILED] {secret} is wrong for {user}")

    def _do_enable(self, tag: str, line: str) -> None:
        self.enabled.update(line.upper().split()[1:])
        self.write(f"* ENABLED {' '.join(sorted(self.enabled))}", f"{tag} OK done")

    def _do_list(self, tag: str, _: str) -> None:
        for name, folder in self.server.folders.items():
            self.write(f"* LIST ({folder.attributes}) ".encode() + b'"/" "' + name + b'"')
        self.write(f"{tag} OK done")

    def _do_examine(self, tag: str, line: str) -> None:
        name = line.split('"')[1].encode("utf-8", "surrogateescape")
        self.folder = self.server.folders.get(name)
        if self.folder is None:
            self.write(f"{tag} NO [NONEXISTENT] no such folder")
            return
        messages = self.folder.messages
        self.write(
            "* FLAGS (\\Seen)",
            f"* {len(messages)} EXISTS",
            f"* OK [UIDVALIDITY {self.folder.uid_validity}] valid",
            f"* OK [UIDNEXT {max((message.uid for message in messages), default=0) + 1}] next",
            f"* OK [HIGHESTMODSEQ {max((message.modseq for message in messages), default=1)}] highest",
        )
        if found := re.search(r"QRESYNC \(\d+ (\d+)\)", line):
            self.write("* VANISHED (EARLIER) 900:905,907")
            self._describe(
                [message for message in messages if message.modseq > int(found[1])], "FLAGS MODSEQ"
            )
        self.write(f"{tag} OK [READ-ONLY] opened")

    def _messages(self, line: str) -> list[Message]:
        found = re.search(r"(?:FETCH|UID) ([0-9:,*]+)", line.removeprefix("UID "))
        messages = self.folder.messages if self.folder else []
        if found is None:
            return messages
        # An asterisk is the last message, and a range may be written from its end.
        last = max((message.uid for message in messages), default=0)
        pairs = [
            sorted(int(end) for end in part.replace("*", str(last)).split(":"))
            for part in found[1].split(",")
        ]
        return [message for message in messages if any(pair[0] <= message.uid <= pair[-1] for pair in pairs)]

    def _do_search(self, tag: str, line: str) -> None:
        changed = re.search(r"MODSEQ (\d+)", line)
        least = int(changed[1]) if changed else 0
        found = [str(message.uid) for message in self._messages(line) if message.modseq >= least]
        if "RETURN" in line:
            told = f" ALL {','.join(found)}" if found else ""
            self.write(f'* ESEARCH (TAG "{tag}") UID{told}')
        else:
            self.write(" ".join(["* SEARCH", *found]))
        self.write(f"{tag} OK done")

    def _do_fetch(self, tag: str, line: str) -> None:
        messages = self._messages(line)
        if changed := re.search(r"CHANGEDSINCE (\d+)", line):
            messages = [message for message in messages if message.modseq > int(changed[1])]
        self._describe(messages, line)
        self.write(f"{tag} OK done")

    def _describe(self, messages: Sequence[Message], wanted: str) -> None:
        everything = self.folder.messages if self.folder else []
        for message in messages:
            items = [f"UID {message.uid}".encode()]
            if "FLAGS" in wanted:
                items.append(f"FLAGS ({' '.join(message.flags)})".encode())
            if "MODSEQ" in wanted:
                items.append(f"MODSEQ ({message.modseq})".encode())
            if "INTERNALDATE" in wanted:
                items.append(f'INTERNALDATE "{message.date}"'.encode())
            if "RFC822.SIZE" in wanted:
                items.append(f"RFC822.SIZE {len(message.data)}".encode())
            if found := re.search(r"BODY\.PEEK\[([^\]]*)\]<(\d+)\.(\d+)>", wanted):
                head, _, text = message.data.partition(b"\r\n\r\n")
                section = {"": message.data, "HEADER": head + b"\r\n\r\n", "TEXT": text}[found[1]]
                piece = section[int(found[2]) : int(found[2]) + int(found[3])]
                items.append(f"BODY[{found[1]}]<{found[2]}> {{{len(piece)}}}\r\n".encode() + piece)
            self.write(f"* {everything.index(message) + 1} FETCH (".encode() + b" ".join(items) + b")")

    def _do_noop(self, tag: str, _: str) -> None:
        if self.folder is not None:
            self.write(f"* {len(self.folder.messages)} EXISTS")
        self.write(f"{tag} OK done")

    def _do_logout(self, tag: str, _: str) -> None:
        self.write("* BYE see you", f"{tag} OK done")
        raise _Over
