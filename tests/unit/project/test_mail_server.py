"""The demo's mail servers take every kind of encryption on one port."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from project.inbox.imap import IMAPServer
from project.inbox.server import MailServer
from tests.servers.certificates import Certificates

USERNAME, PASSWORD = "demo", "not-a-real-password"


@dataclass(frozen=True)
class Running:
    """Both servers, what SMTP took, and how a client trusts them."""

    smtp_port: int
    imap_port: int
    taken: list[tuple[str, tuple[str, ...], bytes]]
    trust: ssl.SSLContext


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    certificates = Certificates()
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    taken: list[tuple[str, tuple[str, ...], bytes]] = []

    def take(mail_from: str, recipients: tuple[str, ...], content: bytes) -> int:
        taken.append((mail_from, recipients, content))
        return len(taken)

    smtp = MailServer(take, listeners[:1], username=USERNAME, password=PASSWORD, tls=certificates.good)
    imap = IMAPServer(listeners[1:], passwords={USERNAME: PASSWORD}, tls=certificates.good)
    for started in (smtp, imap):
        started.start()
    trust = ssl.create_default_context(cafile=certificates.ca_file)
    ports = [listener.getsockname()[1] for listener in listeners]
    yield Running(ports[0], ports[1], taken, trust)
    for started in (smtp, imap):
        started.stop()
    for listener in listeners:
        listener.close()
    certificates.close()


def client(server: Running, security: str) -> smtplib.SMTP:
    if security == "tls":
        return smtplib.SMTP_SSL("127.0.0.1", server.smtp_port, timeout=10, context=server.trust)
    plain = smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=10)
    if security == "starttls":
        plain.starttls(context=server.trust)
    return plain


def imap_client(server: Running, security: str) -> imaplib.IMAP4:
    if security == "tls":
        return imaplib.IMAP4_SSL("127.0.0.1", server.imap_port, ssl_context=server.trust, timeout=10)
    plain = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=10)
    if security == "starttls":
        plain.starttls(server.trust)
    return plain


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_mail_arrives_whatever_the_encryption(server: Running, security: str) -> None:
    with client(server, security) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(USERNAME, "wrong")
        smtp.login(USERNAME, PASSWORD)
        smtp.sendmail("a@example.com", ["b@example.net"], f"Subject: {security}\r\n\r\ntext\r\n")
    assert server.taken[-1] == (
        "a@example.com",
        ("b@example.net",),
        f"Subject: {security}\r\n\r\ntext\r\n".encode(),
    )


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mailbox_is_opened_whatever_the_encryption(server: Running, security: str) -> None:
    with imap_client(server, security) as imap:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            imap.login(USERNAME, "wrong")
        imap.login(USERNAME, PASSWORD)
        assert imap.select(readonly=True) == ("OK", [b"0"])


def test_clients_that_say_nothing_or_nonsense_keep_nobody_else_waiting(server: Running) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.smtp_port)),
        socket.create_connection(("127.0.0.1", server.smtp_port)) as odd,
    ):
        odd.sendall(b"\x16\x00nonsense")
        with client(server, "tls") as smtp:
            assert smtp.noop()[0] == 250
