"""A stored password goes to the server it was entered for, and nowhere else."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from django.contrib.auth.models import User

from mailconfig.models import Account, Message
from mailconfig.values import Secret
from tests.factories import make_message
from tests.integration.api.tenant_config.calls import OK, SEED, Route, body_of, config_of, stored

pytestmark = pytest.mark.django_db

MOVES: dict[str, dict[str, Any]] = {
    "host": {"host": "elsewhere.example"},
    "port": {"port": "2525"},
    "port to its default": {"port": ""},
    "tls instead": {"ssl": "true"},
    "encryption optional": {"starttls": "false"},
    "user": {"user": "another@acme.example"},
    "no user": {"user": ""},
}
TOGETHER = [one for number in (1, 2) for one in combinations(MOVES, number)]
WITHOUT = {name: value for name, value in SEED.items() if name != "password"}
AGAIN = "password: The server, encryption, login or user name changed: enter the password again."


def moved(names: tuple[str, ...]) -> dict[str, Any]:
    return {field: value for name in names for field, value in MOVES[name].items()}


@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_what_moves_the_password_elsewhere_is_refused_as_a_whole(
    route: Route, alice: User, names: tuple[str, ...]
) -> None:
    route.configure(alice, SEED)
    before = stored()

    answer = route.configure(alice, WITHOUT | {"fromDisplayName": "Changed"} | moved(names))

    assert (answer.status_code, body_of(answer)) == (
        400,
        {"message": AGAIN, "status": "BAD_REQUEST", "subSystem": 8},
    )
    assert stored() == before
    assert config_of().transport_settings().secret.reveal() == SEED["password"]  # type: ignore[union-attr]


@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_with_the_password_it_moves(route: Route, alice: User, names: tuple[str, ...]) -> None:
    route.configure(alice, SEED)

    assert body_of(route.configure(alice, SEED | {"password": "also-not-real"} | moved(names))) == OK

    config = config_of()
    if "no user" in names and moved(names)["user"] == "":
        assert config.secret is None
    else:
        assert config.transport_settings().secret.reveal() == "also-not-real"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["host", "port", "tls instead", "user"])
@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "blank"])
def test_clearing_it_does_not_let_a_login_move_without_one(
    route: Route, alice: User, name: str, nothing: str | None
) -> None:
    route.configure(alice, SEED)
    before = stored()

    answer = route.configure(alice, SEED | {"password": nothing} | MOVES[name])

    assert (answer.status_code, body_of(answer)["message"]) == (400, "password: A login needs a password.")
    assert stored() == before


@pytest.mark.parametrize(
    "change",
    [
        {"from": "other@acme.example"},
        {"fromDisplayName": ""},
        {"replyTo": "x@acme.example"},
        {"replyToDisplayName": "x"},
        {"envelopeFrom": "bounces@acme.example"},
        {"port": 587},
        {"starttls": True, "ssl": False},
        {"ssl": ""},
    ],
    ids=str,
)
def test_what_goes_nowhere_else_needs_no_password(route: Route, alice: User, change: dict[str, Any]) -> None:
    route.configure(alice, SEED)

    assert body_of(route.configure(alice, WITHOUT | change)) == OK
    assert config_of().transport_settings().secret.reveal() == SEED["password"]  # type: ignore[union-attr]


def test_without_a_stored_password_the_server_may_change_freely(route: Route, alice: User) -> None:
    relay = WITHOUT | {"user": ""}
    route.configure(alice, relay)

    assert body_of(route.configure(alice, relay | {"host": "elsewhere.example", "port": 2525})) == OK


def test_an_access_token_of_the_administrators_is_not_taken_for_a_password(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    config = config_of()
    config.authentication, config.secret = "oauth2", Secret("not-a-real-token")
    config.save()

    answer = route.configure(alice, WITHOUT)

    assert (answer.status_code, body_of(answer)["message"]) == (400, AGAIN)
    assert config_of().authentication == "oauth2"


def test_waiting_mail_goes_where_the_configuration_now_says(route: Route, alice: User) -> None:
    route.configure(alice, SEED)
    make_message(config_of())

    assert body_of(route.configure(alice, SEED | {"host": "elsewhere.example"})) == OK

    assert Message.objects.get().account == Account.objects.get(host="elsewhere.example")
