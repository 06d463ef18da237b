"""A stored secret goes where it was entered for, and nowhere else: not by any change of the connection."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from mailconfig import delivery
from mailconfig.models import Account, Scope
from mailconfig.values import Secret
from tests.canary import CANARY, LOGIN
from tests.contract.surface import Body, Call
from tests.contract.surfaces import SURFACES, having
from tests.contract.surfaces.outbound_email import OUTBOUND_EMAIL, TEST_MAIL
from tests.contract.world import World, digest, undone, value_of
from tests.factories import make_email
from tests.servers.chaos import ChaosServer


def moves_of(world: World, thief: ChaosServer) -> Iterator[Body]:
    """Every change of the destination: each field alone, each two, all, with each of their values."""
    choices = [
        (name, type(world.surface.server(1)[name])(thief.port) if value == "{port}" else value)
        for name, values in world.surface.moves.items()
        for value in values
    ]
    for name, value in choices:
        yield {name: value}
    for one, other in combinations(choices, 2):
        if one[0] != other[0]:
            yield dict((one, other))
    yield dict(choices)


def stored(world: World) -> tuple[Any, ...]:
    """What is kept of the row's connection."""
    row = Account.objects.get(pk=world.row.pk)
    return (row.host, row.port, row.security, row.authentication, row.username, row.revision, row.has_secret)


def without_secret(world: World, move: Body) -> Body:
    """What a client sends to change just that. An upsert names everything else as it is."""
    whole = world.valid() if world.surface.update.whole else {}
    return {name: value for name, value in {**whole, **move}.items() if name != world.surface.secret}


def test_no_change_of_the_connection_takes_the_stored_secret_along(
    world: World, server: ChaosServer, thief: ChaosServer
) -> None:
    refused = world.surface.status(400)
    before, kept = digest(), stored(world)
    tried = 0
    for move in moves_of(world, thief):
        response = world.send(world.surface.update, body=without_secret(world, move))
        assert response.status_code == refused, f"{move}: {response.status_code} {response.content!r}"
        named = world.surface.problem(refused, value_of(response))
        assert named is None or world.surface.secret in named, move
        assert stored(world) == kept, move
        tried += 1
    assert tried > 2 * len(world.surface.moves)
    assert digest() == before
    assert not thief.sessions, "nothing was even connected"
    assert not server.sessions
    assert not thief.auth_attempts


@pytest.mark.parametrize("cleared", [None, ""])
def test_a_secret_that_is_cleared_is_not_remembered(
    world: World, thief: ChaosServer, cleared: str | None
) -> None:
    """In one call or in two: it is gone before the server may change."""
    for move in (move for move in moves_of(world, thief) if len(move) == 1):
        with undone():
            body = without_secret(world, move) | {world.surface.secret: cleared}
            world.send(world.surface.update, body=body)
            world.send(world.surface.check, "clerk")
    assert not [attempt for attempt in thief.auth_attempts if CANARY in attempt]


def test_a_mask_moves_nothing(world: World, thief: ChaosServer) -> None:
    before = digest()
    for move in moves_of(world, thief):
        for mask in ("***", True) if len(move) == 1 else ("••••",):
            body = without_secret(world, move) | {world.surface.secret: mask}
            assert world.send(world.surface.update, body=body).status_code == world.surface.status(400)
    assert digest() == before
    assert not thief.sessions


def test_with_the_secret_the_server_may_change(world: World, thief: ChaosServer) -> None:
    """So that the refusals above are about the secret, and the thief does write logins down."""
    thief.credentials = {LOGIN: CANARY}
    body = without_secret(world, world.surface.server(thief.port)) | {world.surface.secret: CANARY}

    assert world.send(world.surface.update, body=body).status_code == 200
    assert world.send(world.surface.check, "clerk").status_code < 300
    assert ("PLAIN", LOGIN, CANARY) in thief.auth_attempts


@having("stores")
def test_an_account_that_sends_for_the_project_is_led_elsewhere_by_nobody_who_may_not_choose_such(
    world: World, thief: ChaosServer
) -> None:
    """Password resets go through it: so what was vouched for may not become another's server."""
    renamed = without_secret(world, world.surface.rename)
    assert world.send(world.surface.update, body=renamed).status_code == 200
    Account.objects.filter(pk=world.row.pk).update(serves_project=True)
    thief.credentials = {LOGIN: CANARY}
    kept = stored(world)
    body = without_secret(world, world.surface.server(thief.port)) | {world.surface.secret: CANARY}

    assert world.send(world.surface.update, body=body).status_code == world.surface.status(400)
    assert stored(world) == kept
    assert not thief.sessions, "nothing was even connected"

    assert world.send(world.surface.update, body=renamed).status_code == 200
    assert world.send(world.surface.update, "superuser", body=body).status_code == 200
    assert Account.objects.get(pk=world.row.pk).serves_project


def test_a_change_that_concerns_no_connection_keeps_the_secret(world: World, server: ChaosServer) -> None:
    body = without_secret(world, world.surface.rename)

    assert world.send(world.surface.update, body=body).status_code == 200
    assert world.send(world.surface.check, "clerk").status_code < 300
    assert ("PLAIN", LOGIN, CANARY) in server.auth_attempts


@having("read")
def test_the_same_server_in_another_spelling_is_the_same_server(world: World, server: ChaosServer) -> None:
    """What was read can be sent back."""
    assert world.surface.read
    read = value_of(world.send(world.surface.read))

    response = world.send(world.surface.update, body=read)

    assert response.status_code == 200 or world.surface.secret in read, response.content


def test_a_server_that_moves_under_an_account_gets_no_secret(
    world: World, server: ChaosServer, thief: ChaosServer
) -> None:
    """By any way, also past the API: a script, a migration, a copied row."""
    Account.objects.filter(pk=world.row.pk).update(port=thief.port)

    response = world.send(world.surface.check, "clerk")

    assert response.status_code >= 400
    delivery.enqueue(make_email(), account=Account.objects.get(pk=world.row.pk))
    delivery.drain_account(account_id=world.row.pk)
    assert not thief.auth_attempts
    assert not server.auth_attempts


@pytest.mark.parametrize("surface", SURFACES, ids=str)
def test_every_part_of_the_destination_is_tried(surface: Any) -> None:
    assert set(surface.server(1)) == set(surface.moves)


@pytest.mark.parametrize("surface", [OUTBOUND_EMAIL], ids=str, indirect=True)
def test_a_system_server_that_moves_takes_no_overrides_secret_along(world: World, thief: ChaosServer) -> None:
    """The fall-back: an override's secret goes to the server of the system account it was entered for."""
    override = world.make_row(world.tenant, "owner", scope=Scope.SYSTEM_OVERRIDE, name="Override")
    system = Account.objects.get(scope=Scope.SYSTEM)
    system.port, system.secret = thief.port, Secret("not-a-real-password")
    system.save()
    places = world.places(Account.objects.get(pk=override.pk))
    before = len(thief.auth_attempts)

    for body in ({}, {"mail_smtpuser": LOGIN}, {"mail_smtppass": True}, {"name": "Override"}):
        for call in (world.surface.update, Call("GET", world.surface.update.route)):
            world.send(call, "owner", body=body if call.method == "PUT" else None, places=places)
    world.send(world.surface.further[0], "owner", body={**TEST_MAIL, "mail_smtppass": None})
    delivery.enqueue(make_email(), account=Account.objects.get(pk=override.pk))
    delivery.drain_account(account_id=override.pk)

    assert thief.auth_attempts[before:] == []


@pytest.mark.parametrize("surface", [OUTBOUND_EMAIL], ids=str, indirect=True)
def test_a_preset_moves_nothing(world: World, server: ChaosServer) -> None:
    """Over the API it is a word that is kept; host, port and encryption stay."""
    kept = stored(world)
    for word in ("google", "exchange", "outlook", "other"):
        assert world.send(world.surface.update, body={"mail_smtptype": word}).status_code == 200
        assert stored(world)[:5] == kept[:5]
    assert {attempt[1] for attempt in server.auth_attempts} == {LOGIN}
