"""A name server on loopback (UDP and TCP, one port) that knows the records a test writes, and can fail or keep silent."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

UDP_BYTES = 1232


class NameServer:
    """Answers while used as a context manager. Records are written as in a zone file, names without final dot."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        """By name and kind, say ``("example.com", "MX"): ["10 mx.example.com."]``."""
        self.failing: set[str] = set()
        """Names about which it cannot say anything (SERVFAIL)."""
        self.silent: set[str] = set()
        """Names that it never answers for."""
        self.asked: list[tuple[str, str]] = []
        """Name and kind of each question, in its order."""
        self._servers: list[Any] = []

    def text(self, name: str, *texts: str) -> None:
        """Give a name its TXT records, each split into strings of 255 characters."""
        self.records[name, "TXT"] = [
            " ".join(f'"{text[at : at + 255]}"' for at in range(0, max(1, len(text)), 255)) for text in texts
        ]

    @property
    def address(self) -> str:
        """As the setting ``DNS_SERVERS`` names it."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        answer = self.answer

        class OverUDP(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                if (reply := answer(data, UDP_BYTES)) is not None:
                    sock.sendto(reply, self.client_address)

        class OverTCP(socketserver.StreamRequestHandler):
            timeout = 20

            def handle(self) -> None:
                with contextlib.suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", self.rfile.read(2))
                    if (reply := answer(self.rfile.read(length), 65535)) is not None:
                        self.wfile.write(struct.pack("!H", len(reply)) + reply)

        udp, tcp = _pair(OverUDP, OverTCP)
        self.port = udp.server_address[1]
        for server in (udp, tcp):
            self._servers.append(server)
            threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="name-server", daemon=True
            ).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def answer(self, data: bytes, most: int) -> bytes | None:
        """The answer to a question as bytes; cut off where it is longer than ``most``; ``None``: none."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if name in self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.records:
            reply.answer.append(
                dns.rrset.from_text(question.name, 300, "IN", kind, *self.records[name, kind])
            )
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        wire = reply.to_wire(max_size=65535)
        if len(wire) <= most:
            return wire
        cut = dns.message.make_response(query, recursion_available=True)
        cut.flags |= dns.flags.TC
        return cut.to_wire()


class _UDP(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _TCP(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _pair(udp_handler: Any, tcp_handler: Any) -> tuple[_UDP, _TCP]:
    """Both servers on one port that is free for both."""
    for _ in range(50):
        tcp = _TCP(("127.0.0.1", 0), tcp_handler)
        try:
            return _UDP(("127.0.0.1", tcp.server_address[1]), udp_handler), tcp
        except OSError:
            tcp.server_close()
    raise OSError("no port is free for both UDP and TCP")
