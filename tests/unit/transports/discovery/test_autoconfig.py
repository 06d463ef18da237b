"""Files in Thunderbird's format: the first servers that encrypt, and nothing that anybody could do with such a file."""

from __future__ import annotations

import pytest

from mailconfig.transports.discovery.autoconfig import MOST_DEPTH, read_autoconfig
from mailconfig.transports.discovery.found import FoundServer
from mailconfig.values import Security

ADDRESS = "bob.smith@example.com"


def server(kind: str, **said: str) -> str:
    """A server as a file names it."""
    known = {"hostname": "mail.example.com", "port": "465", "socketType": "SSL", "username": "%EMAILADDRESS%"}
    names = "".join(f"<{name}>{text}</{name}>" for name, text in {**known, **said}.items())
    element = "outgoingServer" if kind == "smtp" else "incomingServer"
    return f'<{element} type="{kind}">{names}</{element}>'


def file(*servers: str, before: str = "") -> bytes:
    """A whole file."""
    inner = "".join(servers)
    text = f'{before}<clientConfig version="1.1"><emailProvider id="example.com">{inner}</emailProvider></clientConfig>'
    return text.encode()


def test_the_first_servers_that_encrypt_are_taken() -> None:
    found = read_autoconfig(
        file(
            server("pop3", hostname="pop.example.com"),
            server("imap", hostname="imap.%EMAILDOMAIN%", port="143", socketType="STARTTLS"),
            server("smtp", socketType="plain", port="25"),
            server("smtp", port="587", socketType="STARTTLS", username="%EMAILLOCALPART%"),
            server("smtp", hostname="second.example.com"),
        ),
        address=ADDRESS,
    )

    assert found is not None
    assert found.sending == FoundServer(
        host="mail.example.com", port=587, security=Security.STARTTLS, username="bob.smith"
    )
    assert found.reading == FoundServer(
        host="imap.example.com", port=143, security=Security.STARTTLS, username=ADDRESS
    )
    assert found.only_oauth2 is False


@pytest.mark.parametrize(
    ("ways", "only"),
    [
        ("<authentication>OAuth2</authentication>", True),
        ("<authentication>OAuth2</authentication><authentication>password-cleartext</authentication>", False),
    ],
    ids=["alone", "beside a password"],
)
def test_a_server_that_wants_oauth2_alone_says_so(ways: str, only: bool) -> None:
    body = file(server("smtp").replace("</outgoingServer>", f"{ways}</outgoingServer>"))

    found = read_autoconfig(body, address=ADDRESS)

    assert found is not None
    assert found.only_oauth2 is only


@pytest.mark.parametrize(
    "body",
    [
        file(server("smtp"), before='<!DOCTYPE a [<!ENTITY b "c">]>'),
        file(server("smtp", hostname="2130706433")),
        file(server("smtp", hostname="mail.example.com/evil")),
        file(server("smtp", hostname="")),
        file(server("smtp", port="0")),
        file(server("smtp", port="465465465465")),
        file(server("smtp", port="0004659999")),
        file(server("smtp", port="x")),
        file(server("smtp"), before='<?xml version="1.0" encoding="no-such"?>'),
        file(server("smtp"), before='<?xml version="1.0" encoding="hex"?>'),
        file(server("smtp"), before='<?xml version="1.0" encoding="utf-7"?>'),
        file(server("smtp", socketType="plain")),
        file(server("smtp", username="bob&#10;smith")),
        file(server("smtp", username="b" * 400)),
        file(server("imap")),
        file("<a>" * MOST_DEPTH + "</a>" * MOST_DEPTH, server("smtp")),
        file(server("smtp"))[:-3],
        b"<html>Not found</html>",
        b"\x00\xff",
        b"",
    ],
    ids=lambda body: str(len(body)),
)
def test_what_is_no_such_file_names_nobody(body: bytes) -> None:
    assert read_autoconfig(body, address=ADDRESS) is None
