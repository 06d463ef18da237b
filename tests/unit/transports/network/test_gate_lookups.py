"""Looking names up: the gate's resolver, its time and its verdict. The resolver is an argument."""

import socket
import threading
from dataclasses import replace
from time import monotonic

import pytest

from mailconfig.exceptions import ConnectionFailed, HostNotAllowed
from mailconfig.transports.network import gate
from mailconfig.values import ErrorCode, NetworkPolicy, Stage
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, PUBLIC_LITERALS

POLICY = NetworkPolicy()


def _answers(*addresses: str) -> gate.Resolver:
    return lambda _host, _port: list(addresses)


def _fails(number: int) -> gate.Resolver:
    def resolver(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(number, "as the resolver says")

    return resolver


def _resolve(resolver: gate.Resolver, policy: NetworkPolicy = POLICY) -> list[str]:
    return [str(address) for address in gate.resolve("mail.test", 25, policy, resolver=resolver)]


@pytest.mark.parametrize("blocked", FORBIDDEN_LITERALS)
def test_one_blocked_address_among_public_ones_blocks_the_name(blocked: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        _resolve(_answers(PUBLIC_LITERALS[0], blocked))
    assert caught.value.code is ErrorCode.CONNECT_FAILED
    assert not caught.value.temporary
    assert blocked.split("%", maxsplit=1)[0] not in str(caught.value)


def test_a_hundred_addresses_are_cut_to_two_of_both_families() -> None:
    many = [f"2606:4700::{number}" for number in range(1, 100)]
    assert _resolve(_answers(*many, "8.8.8.8")) == ["2606:4700::1", "8.8.8.8"]


def test_a_name_of_the_deployment_may_have_private_addresses() -> None:
    policy = replace(POLICY, allowed_hosts=frozenset({"mail.test"}))
    assert _resolve(_answers("10.0.0.1"), policy) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("typed", "asked"), [("mailpit", "mailpit"), ("Mailpit.", "mailpit."), ("mail_server", "mail_server")]
)
def test_a_container_is_looked_up_as_it_was_typed_and_known_without_its_dot(typed: str, asked: str) -> None:
    policy = replace(POLICY, allowed_hosts=frozenset({"mailpit", "mail_server"}))
    lookups: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return ["172.18.0.2"]

    assert [str(address) for address in gate.resolve(typed, 25, policy, resolver=resolver)] == ["172.18.0.2"]
    assert lookups == [asked]
    assert gate.vet_host(typed, 25, policy) == asked.removesuffix(".")


@pytest.mark.parametrize("typed", ["mailpit.", "mail_server"])
def test_a_container_that_nobody_listed_is_no_host(typed: str) -> None:
    with pytest.raises(HostNotAllowed):
        gate.resolve(typed, 25, POLICY, resolver=_answers("172.18.0.2"))


@pytest.mark.parametrize(
    ("resolver", "temporary"),
    [
        (_fails(socket.EAI_NONAME), False),
        (_fails(socket.EAI_AGAIN), True),
        (_fails(socket.EAI_FAIL), True),
        (_answers(), False),
        (_answers("nonsense"), True),
    ],
)
def test_a_name_that_does_not_resolve_says_whether_waiting_helps(
    resolver: gate.Resolver, temporary: bool
) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        _resolve(resolver)
    assert caught.value.temporary is temporary
    assert (caught.value.code, caught.value.stage) == (ErrorCode.CONNECT_FAILED, Stage.RESOLVE)


def test_unknown_and_blocked_names_get_the_same_words() -> None:
    words = set()
    for resolver in (_fails(socket.EAI_NONAME), _answers("127.0.0.1"), _fails(socket.EAI_AGAIN)):
        with pytest.raises(ConnectionFailed) as caught:
            _resolve(resolver)
        words.add((str(caught.value), caught.value.hint, caught.value.field, caught.value.code))
    assert len(words) == 1


def test_dead_resolvers_block_nobody_for_long_and_never_pile_up() -> None:
    dead = threading.Event()
    started = []

    def resolver(_host: str, _port: int) -> list[str]:
        started.append(1)
        dead.wait(30)
        return ["8.8.8.8"]

    policy = replace(POLICY, resolve_timeout=0.02)
    before = threading.active_count()
    try:
        for _ in range(gate.MAX_LOOKUPS + 10):
            began = monotonic()
            with pytest.raises(ConnectionFailed) as caught:
                _resolve(resolver, policy)
            assert monotonic() - began < 2
            assert caught.value.temporary
        assert len(started) == gate.MAX_LOOKUPS
        assert threading.active_count() - before <= gate.MAX_LOOKUPS
    finally:
        dead.set()
    assert _resolve(_answers("8.8.8.8")) == ["8.8.8.8"]


@pytest.mark.parametrize("port", [0, -1, 65536, 2**31, 22, 6379, True])
def test_a_port_that_is_none_or_not_for_mail_is_refused(port: int) -> None:
    with pytest.raises(HostNotAllowed) as caught:
        gate.vet_host("mail.test", port, POLICY)
    assert caught.value.field == "port"


def test_any_port_may_be_allowed() -> None:
    assert gate.vet_host("Mail.test", 4711, replace(POLICY, allowed_ports=None)) == "mail.test"


@pytest.mark.parametrize("literal", FORBIDDEN_LITERALS)
def test_a_forbidden_literal_is_not_a_host(literal: str) -> None:
    with pytest.raises(HostNotAllowed) as caught:
        gate.vet_host(literal, 25, POLICY)
    assert caught.value.code is ErrorCode.HOST_NOT_ALLOWED


@pytest.mark.parametrize("literal", PUBLIC_LITERALS)
def test_a_public_literal_is_a_host(literal: str) -> None:
    assert gate.vet_host(literal, 25, POLICY) == literal
