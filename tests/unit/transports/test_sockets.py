"""One place opens connections: whatever else wants one goes through its gate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailconfig

PACKAGE = Path(mailconfig.__file__).parent
GATE = PACKAGE / "transports" / "network"
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if GATE not in path.parents]
OPENERS = frozenset(
    {"socket", "create_connection", "create_server", "socketpair", "fromfd", "getaddrinfo", "gethostbyname"}
)
"""Functions of the module ``socket`` that connect, listen or ask a name server."""
CLIENTS = frozenset(
    {"smtplib", "imaplib", "poplib", "ftplib", "nntplib", "telnetlib", "http.client", "urllib.request"}
    | {"requests", "httpx", "aiohttp", "urllib3", "xmlrpc.client"}
)
"""Modules that open connections by themselves."""
ADAPTED = {
    "transports/http/adapter.py": {"requests", "http.client"},
    "transports/services/backends.py": {"requests"},
    "transports/services/session.py": {"requests"},
}
"""What is used of those modules where requests go through an adapter of ours: its types, and sessions without another."""
REQUESTS = frozenset({"request", "get", "head", "options", "post", "put", "patch", "delete"})
"""Functions of the module ``requests``, which make a session of their own."""


def openers(tree: ast.Module) -> Iterator[str]:
    """Yield what could open a connection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in CLIENTS)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            if node.module in CLIENTS or names & CLIENTS:
                yield str(node.module)
            yield from (
                f"socket.{a.name}" for a in node.names if node.module == "socket" and a.name in OPENERS
            )
        elif isinstance(node, ast.Call):
            yield from _called(node.func)


def _called(function: ast.expr) -> Iterator[str]:
    match function:
        case ast.Attribute(value=ast.Name(id="socket"), attr=name) if name in OPENERS:
            yield f"socket.{name}"
        case ast.Attribute(value=ast.Name(id="requests"), attr=name) if name in REQUESTS:
            yield f"requests.{name}"
        case ast.Attribute(attr="wrap_socket" | "open_connection" as name):
            yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_gate_opens_connections(path: Path) -> None:
    found = set(openers(ast.parse(path.read_text(encoding="utf-8"))))

    assert found == ADAPTED.get(str(path.relative_to(PACKAGE)), set())


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.create_connection(('a', 1))",
        "import socket\nwith socket.socket() as s: pass",
        "from socket import getaddrinfo",
        "import smtplib",
        "from http import client",
        "from urllib.request import urlopen",
        "context.wrap_socket(sock)",
        "requests.post('https://example.com')",
    ],
)
def test_what_opens_a_connection_is_seen(code: str) -> None:
    assert list(openers(ast.parse(code)))


def test_the_gate_itself_would_be_seen() -> None:
    tree = ast.parse((GATE / "gate.py").read_text(encoding="utf-8"))

    assert "socket.socket" in set(openers(tree))
