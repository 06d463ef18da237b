"""Nothing is connected to what must not be: tripwires on loopback see no connection."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from mailconfig.exceptions import ConnectionFailed, HostNotAllowed, TransportError
from mailconfig.transports.network.gate import connect, resolve
from mailconfig.values import ConnectionSettings, NetworkPolicy, Security, Stage
from tests.integration.transports.sessions import open_session, settings_for
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, NO_HOST_NAMES

PUBLIC = NetworkPolicy(allowed_ports=None)
NAMES = ("localhost", "ip6-localhost", "metadata.google.internal", "localtest.me", "mail.test", "runsc")


class Tripwire:
    """Listens on loopback, IPv4 and IPv6, and counts who comes."""

    def __init__(self) -> None:
        self.accepted = 0
        self._listeners = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._listeners[0].getsockname()[1]
        with suppress(OSError):
            self._listeners.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self._threads = [
            threading.Thread(target=self._count, args=(listener,), daemon=True)
            for listener in self._listeners
        ]
        for thread in self._threads:
            thread.start()

    def _count(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.accepted += 1
                connection.close()

    def close(self) -> None:
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    found = Tripwire()
    yield found
    found.close()


@contextmanager
def nothing_comes(tripwire: Tripwire) -> Iterator[None]:
    """Nobody has come when the one connection we make ourselves has been counted."""
    yield
    with socket.create_connection(("127.0.0.1", tripwire.port)) as own:
        assert own.recv(1) == b""
    assert tripwire.accepted == 1


def test_no_hostile_host_or_literal_reaches_this_machine(tripwire: Tripwire) -> None:
    assert len(NO_HOST_NAMES) + len(FORBIDDEN_LITERALS) >= 60
    with nothing_comes(tripwire):
        for host, security in itertools.product((*NO_HOST_NAMES, *FORBIDDEN_LITERALS), Security):
            with pytest.raises(HostNotAllowed):
                open_session(settings_for(tripwire.port, host=host, security=security), policy=PUBLIC)


@pytest.mark.parametrize("host", NAMES)
def test_no_name_of_this_machine_reaches_it(host: str, tripwire: Tripwire) -> None:
    with nothing_comes(tripwire), pytest.raises(ConnectionFailed) as caught:
        open_session(
            settings_for(tripwire.port, host=host),
            policy=PUBLIC,
            resolver=lambda _host, _port: ["::1", "127.0.0.1"],
        )
    assert not caught.value.temporary


def test_the_systems_own_name_for_loopback_is_blocked(tripwire: Tripwire) -> None:
    with nothing_comes(tripwire), pytest.raises(ConnectionFailed) as caught:
        open_session(settings_for(tripwire.port, host="localhost"), policy=PUBLIC)
    assert "127.0.0.1" in caught.value.detail or "::1" in caught.value.detail
    assert "127.0.0.1" not in str(caught.value)


def test_a_thousand_rebinding_tries_reach_nothing(
    tripwire: Tripwire, blocked_connections: list[object]
) -> None:
    answers = itertools.cycle([["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
    looked_up = []

    def rebinding(_host: str, _port: int) -> list[str]:
        looked_up.append(1)
        return next(answers)

    settings = ConnectionSettings(host="rebind.test", port=tripwire.port, security=Security.NONE)
    with nothing_comes(tripwire):
        for _ in range(1000):
            with pytest.raises(TransportError):
                open_session(settings, policy=PUBLIC, resolver=rebinding)
    assert len(looked_up) == 1000, "one look-up a connection, never a second"
    # The guard of the tests stood in the way of the public address, and of nothing else.
    assert {str(address[0]) for address in blocked_connections} == {"8.8.8.8"}  # type: ignore[index]
    blocked_connections.clear()


def test_an_address_of_this_very_machine_is_blocked_although_it_looks_public(tripwire: Tripwire) -> None:
    # 127.0.0.1 stands for a public address of ours: `connect` does not ask whether it is public.
    addresses = resolve("mail.test", tripwire.port, PUBLIC, resolver=lambda _host, _port: ["8.8.8.8"])
    own = resolve("127.0.0.1", tripwire.port, replace(PUBLIC, allowed_hosts=frozenset({"127.0.0.1"})))
    assert addresses != own
    with nothing_comes(tripwire), pytest.raises(ConnectionFailed) as caught:
        connect(own, "mail.test", tripwire.port, PUBLIC)
    assert not caught.value.temporary


def test_a_dead_address_leaves_time_for_the_next(policy: NetworkPolicy, tripwire: Tripwire) -> None:
    addresses = resolve(
        "mail.test", tripwire.port, policy, resolver=lambda _host, _port: ["127.0.0.9", "127.0.0.1"]
    )
    with connect(addresses, "mail.test", tripwire.port, policy) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_refused_connection_is_temporary_and_says_no_more_than_a_blocked_one(policy: NetworkPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionFailed) as refused:
        open_session(settings_for(port), policy=policy)
    with pytest.raises(ConnectionFailed) as blocked:
        open_session(settings_for(port, host="localhost"), policy=PUBLIC)
    assert refused.value.temporary
    assert refused.value.stage is Stage.CONNECT
    assert str(refused.value) == str(blocked.value)
    assert (refused.value.code, refused.value.hint) == (blocked.value.code, blocked.value.hint)
