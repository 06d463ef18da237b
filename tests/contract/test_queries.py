"""How many questions each call asks the database: the tables pin them, so that a loop that asks for each row shows."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailconfig import delivery
from mailconfig.delivery import telling
from mailconfig.delivery.sync import activity
from tests.contract.access import expected_of
from tests.contract.surface import Call
from tests.contract.surfaces import having
from tests.contract.world import World, undone

TRANSACTION = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT", "BEGIN", "COMMIT")


@pytest.fixture(autouse=True)
def _everybody_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Note all people and webhooks before anything is counted: that is done now and then, whatever is called, and here once."""
    monkeypatch.setattr(activity, "NOTED_EVERY", 3600.0)
    monkeypatch.setattr(telling, "LOOK_SECONDS", 3600.0)
    telling.listening_tenants()
    for person in get_user_model().objects.all():
        delivery.note_activity(person)


def rows_of(table: str) -> dict[str, dict[str, int]]:
    """By call, the number on each database. The first line names the databases."""
    head, *lines = [line.split() for line in table.strip().splitlines()]
    return {
        f"{method} {route}": dict(zip(head, map(int, cells), strict=True)) for method, route, *cells in lines
    }


def questions(world: World, call: Call) -> list[str]:
    """What a call asks, but for the marks of transactions."""
    with undone(), CaptureQueriesContext(connection) as asked:
        response = world.send(call)
    assert response.status_code == expected_of(world.surface)[call.method, call.route]["keeper"], (
        response.content
    )
    texts = [query["sql"] for query in asked.captured_queries]
    return [text for text in texts if not text.startswith(TRANSACTION)]


def test_every_call_asks_as_many_questions_as_its_table_says(world: World) -> None:
    vendor = {"postgresql": "postgres"}.get(connection.vendor, connection.vendor)
    expected = {call: numbers[vendor] for call, numbers in rows_of(world.surface.queries).items()}

    found = {str(call): len(questions(world, call)) for call in world.surface.calls}

    assert found == expected


def test_every_call_stands_in_the_table(world: World) -> None:
    rows = rows_of(world.surface.queries)
    assert set(rows) == {f"{method} {route}" for method, route in expected_of(world.surface)}


@having("listing")
def test_a_long_list_asks_no_more_than_a_short_one(world: World) -> None:
    call = world.surface.listing
    assert call
    short = questions(world, call)
    for _ in range(15):
        world.make_row(world.tenant, "owner")
    assert len(questions(world, call)) == len(short)
