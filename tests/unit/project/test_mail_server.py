"""The demo's mail server takes every kind of encryption on one port."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from project.inbox.server import MailServer
from project.inbox.store import Inbox
from tests.servers.certificates import Certificates

USERNAME, PASSWORD = "demo", "not-a-real-password"


@dataclass(frozen=True)
class Running:
    """A server, what it keeps, and how a client trusts it."""

    port: int
    inbox: Inbox
    trust: ssl.SSLContext


@pytest.fixture
def server() -> Iterator[Running]:
    certificates = Certificates()
    listener = socket.create_server(("127.0.0.1", 0))
    inbox = Inbox()
    server = MailServer(inbox, [listener], username=USERNAME, password=PASSWORD, tls=certificates.good)
    server.start()
    trust = ssl.create_default_context(cafile=certificates.ca_file)
    yield Running(listener.getsockname()[1], inbox, trust)
    server.stop()
    listener.close()
    certificates.close()


def client(server: Running, security: str) -> smtplib.SMTP:
    if security == "tls":
        return smtplib.SMTP_SSL("127.0.0.1", server.port, timeout=10, context=server.trust)
    plain = smtplib.SMTP("127.0.0.1", server.port, timeout=10)
    if security == "starttls":
        plain.starttls(context=server.trust)
    return plain


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_mail_arrives_whatever_the_encryption(server: Running, security: str) -> None:
    with client(server, security) as smtp:
        smtp.login(USERNAME, PASSWORD)
        smtp.sendmail("a@example.com", ["b@example.net"], f"Subject: {security}\r\n\r\ntext\r\n")
    assert [mail.subject for mail in server.inbox.mails()] == [security]


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_wrong_password_is_refused_whatever_the_encryption(server: Running, security: str) -> None:
    with client(server, security) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(USERNAME, "wrong")


def test_clients_that_say_nothing_or_nonsense_keep_nobody_else_waiting(server: Running) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port)),
        socket.create_connection(("127.0.0.1", server.port)) as odd,
    ):
        odd.sendall(b"\x16\x00nonsense")
        with client(server, "tls") as smtp:
            assert smtp.noop()[0] == 250
