"""Whatever host a surface takes, nothing of this machine or its network is connected unless the deployment says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mailconfig.models import Account
from tests.contract.world import World, undone, value_of
from tests.servers.children import until
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS

NAMES = ("localhost", "LOCALHOST", "LocalHost")
"""Names that lead here without asking a name server."""


class Tripwire:
    """Listens on both loopback addresses at one port, and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        first = socket.create_server(("127.0.0.1", 0))
        self.port = int(first.getsockname()[1])
        self._listeners = [first]
        with contextlib.suppress(OSError):  # a machine without IPv6
            self._listeners.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listener in self._listeners:
            threading.Thread(target=self._count, args=(listener,), daemon=True).start()

    def _count(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()
                self.visits += 1

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    """Of one test."""
    tripwire = Tripwire()
    yield tripwire
    tripwire.close()


@pytest.fixture
def closed(settings: Settings, deployment: None) -> None:
    """A deployment that allows public addresses only, and many checks."""
    settings.MAILCONFIG = {
        "ALLOWED_PORTS": None,
        "PROBE_SECONDS": 2.0,
        "CHECKS_PER_MINUTE": 10_000,
        "CHECKS_PER_HOUR_AND_TENANT": 10_000,
    }


def test_a_tripwire_counts(tripwire: Tripwire) -> None:
    with socket.create_connection(("127.0.0.1", tripwire.port)) as client:
        assert client.recv(1) == b""
    until(lambda: tripwire.visits == 1, why="nobody was counted")


def host_field(world: World) -> str:
    """Of the surface."""
    return next(name for name, value in world.surface.server(1).items() if value == "127.0.0.1")


@pytest.mark.usefixtures("closed")
def test_no_address_of_this_machine_or_a_private_network_is_connected(
    world: World, tripwire: Tripwire
) -> None:
    """Refused when it is stored, or when it is tried; as staff, whom nobody makes wait."""
    for host in (*FORBIDDEN_LITERALS, *NAMES):
        with undone():
            server = world.surface.server(tripwire.port) | {host_field(world): host}
            response = world.send(world.surface.create, "superuser", body=world.valid(**server))
            if response.status_code < 300:
                places = world.places(Account.objects.order_by("updated_at").last())
                response = world.send(world.surface.check, "superuser", places=places)
            expected = {world.surface.status(400), world.surface.status(422)}
            assert response.status_code in expected, f"{host}: {response.content!r}"
            world.surface.problem(response.status_code, value_of(response))
    assert not tripwire.visits


@pytest.mark.usefixtures("closed")
def test_whoever_is_not_staff_cannot_tell_a_blocked_name_from_a_closed_port(
    world: World, tripwire: Tripwire, settings: Settings
) -> None:
    """One code, one sentence, whatever is there. A literal is another matter: whoever wrote it knows it."""
    answers = []
    for networks in ([], ["127.0.0.0/8"]):  # blocked; then allowed, and nobody listens
        settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_NETWORKS": networks}
        if networks:
            tripwire.close()
        with undone():
            server = world.surface.server(tripwire.port) | {host_field(world): NAMES[0]}
            response = world.send(world.surface.create, "keeper", body=world.valid(**server))
            if response.status_code < 300:
                places = world.places(Account.objects.order_by("updated_at").last())
                response = world.send(world.surface.check, "keeper", places=places)
            answers.append((response.status_code, value_of(response)))
    assert answers[0] == answers[1]
    assert not tripwire.visits
