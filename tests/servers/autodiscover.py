"""Autodiscover's answers in plain XML ([MS-OXDSCLI] §2.2.4), which the fake of Exchange gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

PATH = "/autodiscover/autodiscover.xml"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook"
_OUTER = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"


@dataclass(frozen=True)
class Discovered:
    """An answer at one path."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wants_login: bool = True
    hangs: bool = False
    """Say nothing until the server ends."""


@dataclass
class FakeAutodiscover:
    """What is answered, by path, and what was asked."""

    answers: dict[str, Discovered] = field(default_factory=dict)
    asked: list[tuple[str, str, bool]] = field(default_factory=list)
    """Path, address, and whether a login came along."""


def address_of(body: bytes) -> str:
    """The address that is asked for."""
    root = ET.fromstring(body)  # noqa: S314 - what our own client wrote
    return root.findtext(f"{{{OUTLOOK}/requestschema/2006}}Request/{{*}}EMailAddress", "")


def account(inner: str) -> bytes:
    """An answer about a mailbox."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{_OUTER}"><Response xmlns="{OUTLOOK}/responseschema/2006a">'
        f"<User><DisplayName>Bob</DisplayName></User><Account>{inner}</Account></Response></Autodiscover>"
    ).encode()


def protocols(**urls: str) -> bytes:
    """An answer with Exchange's web service for each type of protocol."""
    found = "".join(
        f"<Protocol><Type>{name}</Type><EwsUrl>{url}</EwsUrl></Protocol>" for name, url in urls.items()
    )
    return account(f"<AccountType>email</AccountType><Action>settings</Action>{found}")


def to_url(url: str) -> bytes:
    """An answer that leads to another place."""
    return account(f"<Action>redirectUrl</Action><RedirectUrl>{url}</RedirectUrl>")


def to_address(address: str) -> bytes:
    """An answer that leads to another address."""
    return account(f"<Action>redirectAddr</Action><RedirectAddr>{address}</RedirectAddr>")
