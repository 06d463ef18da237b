"""One connection of a chaos server: the SMTP dialogue, and the faults that the script has for it."""

from __future__ import annotations

import base64
import contextlib
import hmac
import queue
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from tests.servers.faults import Action, Close, Endless, Fault, Hang, LongLine, Raw, Reply, Reset, Slow

if TYPE_CHECKING:
    from tests.servers.chaos import ChaosServer

_RST = struct.pack("ii", 1, 0)


class GoneError(Exception):
    """The connection is over, by the client or by the script."""


class Dialogue:
    """Talks to one client until it has gone."""

    def __init__(self, server: ChaosServer, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self.began = self.last = time.time()
        """When the client came, and when it last said something."""
        self.buffer = bytearray()
        self.encrypted = False
        self.polite = False
        """End by FIN and read what still comes, so that no RST overtakes the last reply."""
        self.mail_from: str | None = None
        self.recipients: list[str] = []
        self.taken = 0
        self.overlapping = 0
        """Bytes of commands that came behind a dot before its reply."""
        self.outbox: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
        self.writer: threading.Thread | None = None

    def run(self) -> None:
        """The thread of this connection."""
        try:
            if self.server.tls is not None and not self.server.starttls:
                self.handshake()
            self.answer("banner", "", f"220 {self.server.name} chaos")
            while True:
                self.command(self.read_line())
        except (GoneError, OSError, ValueError):
            pass
        finally:
            self.finish()

    def finish(self) -> None:
        """Close, after what is still to be written has been."""
        if self.writer is not None:
            self.outbox.put(None)
            self.writer.join()
        with contextlib.suppress(OSError):
            if self.polite:
                self.sock.shutdown(socket.SHUT_WR)
                while socket.socket.recv(self.sock, 65536):
                    pass
        with contextlib.suppress(OSError):
            self.sock.close()

    # Reading and writing

    def fill(self) -> None:
        data = self.sock.recv(256 * 1024)
        if not data:
            raise GoneError
        self.last = time.time()
        self.buffer += data

    def read_line(self) -> str:
        while (end := self.buffer.find(b"\r\n")) < 0:
            self.fill()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line.decode("utf-8", "surrogateescape")

    def write(self, data: bytes) -> None:
        """Now, or ``latency`` seconds after now; delays of several replies overlap."""
        if not self.server.latency:
            self.sock.sendall(data)
            return
        if self.writer is None:
            self.writer = threading.Thread(target=self.write_later, daemon=True)
            self.writer.start()
        self.outbox.put((time.monotonic() + self.server.latency, data))

    def write_later(self) -> None:
        while (item := self.outbox.get()) is not None:
            due, data = item
            self.server.stopping.wait(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                self.sock.sendall(data)

    # Faults

    def answer(self, verb: str, line: str, *usual: str) -> bool:
        """Answer as usual or as the script says; whether it was a yes."""
        fault = self.server.fault_at(verb, line)
        if fault is None:
            self.write(_lines(usual))
            return usual[-1][:1] in "23"
        return self.act(fault.action)

    def act(self, action: Action) -> bool:
        match action:
            case Reply(lines, close):
                self.write(_lines(lines))
                if close:
                    self.polite = True
                    raise GoneError
                return lines[-1][:1] in "23"
            case Raw(data):
                self.write(data)
                return True
            case Slow() | Endless() | LongLine():
                self.dribble_or_flood(action)
                return True
            case Hang():
                self.hang()
            case Reset():
                self.flush()
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                raw = self.sock.detach()  # no TLS goodbye before it
                socket.close(raw)
            case Close():
                pass
        raise GoneError

    def dribble_or_flood(self, action: Slow | Endless | LongLine) -> None:
        match action:
            case Slow(line, seconds):
                for byte in _lines((line,)):
                    self.write(bytes([byte]))
                    if self.server.stopping.wait(seconds):
                        raise GoneError
            case Endless(line):
                block = _lines((line,)) * max(1, 65536 // len(line))
                while True:
                    self.write(block)
            case LongLine(size):
                for _ in range(size // 65536):
                    self.write(b"x" * 65536)
                self.write(b"\r\n")

    def flush(self) -> None:
        if self.writer is not None:
            self.outbox.put(None)
            self.writer.join()
            self.writer = None

    def hang(self) -> None:
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while not self.server.stopping.is_set() and not poll.poll(50):
            pass

    def fault_of_stage(self, verb: str) -> bool:
        """Act where the stage has no reply of its own; whether there was a fault."""
        fault = self.server.fault_at(verb, "")
        if fault is not None:
            self.act(fault.action)
        return fault is not None

    # Verbs

    def command(self, line: str) -> None:
        self.server.record_command(self.number, line)
        verb = line.split(" ", 1)[0].lower()
        if self.overlapping > 0:
            self.overlapping -= len(line) + 2
            self.write(b"503 5.5.1 pipelined after end of DATA\r\n")
            return
        handler = getattr(self, f"do_{verb}", None)
        if handler is None:
            self.write(b"502 5.5.2 what?\r\n")
        else:
            handler(line)

    def do_ehlo(self, line: str) -> None:
        self.forget()
        self.answer("ehlo", line, *self.server.greeting(encrypted=self.encrypted))

    def do_helo(self, line: str) -> None:
        self.forget()
        self.answer("helo", line, f"250 {self.server.name}")

    def do_starttls(self, line: str) -> None:
        if self.answer("starttls", line, "220 2.0.0 go ahead"):
            self.flush()
            self.handshake()

    def handshake(self) -> None:
        fault = self.server.fault_at("handshake", "")
        if fault is not None:
            self.read_client_hello()
            self.act(fault.action)
            raise GoneError
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        self.encrypted = True

    def read_client_hello(self) -> None:
        """A TLS record: with it the client is in the handshake for certain.

        Right after accept a reset may still meet the client's connect; bytes left unread turn a close into one.
        """
        head = self.read_bytes(5)
        self.read_bytes(int.from_bytes(head[3:]))

    def read_bytes(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.fill()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def do_auth(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism == "LOGIN":
            user = self.ask(b"334 VXNlcm5hbWU6\r\n")
            credentials = (user, self.ask(b"334 UGFzc3dvcmQ6\r\n"))
        elif mechanism == "CRAM-MD5":
            challenge = f"<{self.number}@{self.server.name}>".encode()
            user, digest = self.ask(b"334 " + base64.b64encode(challenge) + b"\r\n").rsplit(" ", 1)
            password = (self.server.credentials or {}).get(user, "")
            right = hmac.new(password.encode(), challenge, "md5").hexdigest() == digest
            credentials = (user, password if right else "")
        else:
            decoded = _decode(initial[0]) if initial else self.ask(b"334 \r\n")
            credentials = credentials_in(mechanism, decoded)
        self.server.record_auth(mechanism, *credentials)
        if self.server.accepts(*credentials):
            self.answer("auth", line, "235 2.7.0 welcome")
        elif mechanism in {"XOAUTH2", "OAUTHBEARER"} and self.server.fault_at("auth", line) is None:
            said = self.server.token_error or f'{{"status":"401","seen":"{credentials[1]}"}}'
            self.write(b"334 " + base64.b64encode(said.encode()) + b"\r\n")
            self.server.record_command(self.number, self.read_line())
            self.write(b"535 5.7.8 bad token\r\n")
        else:
            self.answer("auth", line, "535 5.7.8 bad credentials")

    def ask(self, challenge: bytes) -> str:
        self.write(challenge)
        line = self.read_line()
        self.server.record_command(self.number, line)
        return _decode(line)

    def is_full(self) -> bool:
        most = self.server.mails_per_session
        return most is not None and self.taken >= most

    def do_mail(self, line: str) -> None:
        if self.is_full():
            self.act(self.server.after_most_mails)
        elif self.mail_from is not None:
            self.write(b"503 5.5.1 nested MAIL\r\n")
        elif self.answer("mail", line, "250 2.1.0 ok"):
            self.mail_from = _path(line)

    def do_rcpt(self, line: str) -> None:
        if self.mail_from is None:
            self.write(b"503 5.5.1 MAIL first\r\n")
        elif self.answer("rcpt", line, "250 2.1.5 ok"):
            self.recipients.append(_path(line))

    def do_data(self, line: str) -> None:
        ready = self.mail_from is not None and (self.recipients or self.server.lenient_data)
        usual = "354 go ahead" if ready else "503 5.5.1 RCPT first"
        if self.answer("data", line, usual) and ready:
            self.body()

    def body(self) -> None:
        if self.server.has_fault("body"):
            while len(self.buffer) < self.server.body_fault_after and not self.has_whole_body():
                self.fill()
            self.fault_of_stage("body")
        data = self.read_body()
        fault = self.server.fault_at("dot", "")
        mail_from, recipients = self.mail_from or "", tuple(self.recipients)
        self.forget()
        accepted = fault is None or fault.accept or _says_yes(fault)
        if accepted and recipients:
            self.server.record_message(self.number, mail_from, recipients, data)
        self.taken += bool(accepted and recipients)
        if self.server.refuses_overlap:
            self.overlapping = len(self.buffer)
        if fault is None:
            self.write(b"250 2.0.0 queued\r\n" if recipients else b"554 5.5.1 no recipients\r\n")
            if self.is_full() and isinstance(self.server.after_most_mails, Close):
                self.polite = True
                raise GoneError
        else:
            self.act(fault.action)

    def fill_steadily(self) -> None:
        """As :meth:`fill`, at the pace that the server has for bodies."""
        rate = self.server.bytes_per_second
        if rate is None:
            self.fill()
            return
        data = self.sock.recv(max(1, int(rate / 50)))
        if not data:
            raise GoneError
        self.buffer += data
        if self.server.stopping.wait(len(data) / rate):
            raise GoneError

    def has_whole_body(self) -> bool:
        return self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer

    def read_body(self) -> bytes:
        end = searched = 0
        if self.begins_with_dot():
            end = -2
        else:
            while (end := self.buffer.find(b"\r\n.\r\n", max(0, searched - 4))) < 0:
                searched = len(self.buffer)
                self.fill_steadily()
        data = bytes(self.buffer[: end + 2])
        del self.buffer[: end + 5]
        if data.startswith(b"."):
            data = data[1:]
        return data.replace(b"\r\n.", b"\r\n")

    def begins_with_dot(self) -> bool:
        """Whether the message is empty."""
        while len(self.buffer) < 3 and b".\r\n".startswith(self.buffer):
            self.fill()
        return self.buffer.startswith(b".\r\n")

    def do_rset(self, line: str) -> None:
        self.forget()
        self.answer("rset", line, "250 2.0.0 ok")

    def do_noop(self, line: str) -> None:
        self.answer("noop", line, "250 2.0.0 ok")

    def do_quit(self, line: str) -> None:
        self.answer("quit", line, "221 2.0.0 bye")
        self.polite = True
        raise GoneError

    def forget(self) -> None:
        self.mail_from = None
        self.recipients = []


def _says_yes(fault: Fault) -> bool:
    return isinstance(fault.action, Reply) and fault.action.lines[-1].startswith("250")


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _path(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()


def credentials_in(mechanism: str, decoded: str) -> tuple[str, str]:
    """User name and password or token of a response."""
    if mechanism == "XOAUTH2":
        user, token = decoded.removeprefix("user=").rstrip("\x01").split("\x01auth=Bearer ")
        return user, token
    if mechanism == "OAUTHBEARER":
        name, *pairs = decoded.rstrip("\x01").split("\x01")
        token = dict(pair.split("=", 1) for pair in pairs)["auth"].removeprefix("Bearer ")
        return name.split(",")[1].removeprefix("a=").replace("=2C", ",").replace("=3D", "="), token
    _, user, password = decoded.split("\0")
    return user, password
