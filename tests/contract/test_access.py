"""Who may call what, by the table; and that what is somebody else's looks like what is not there."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.urls import get_resolver

from tests.contract.access import METHODS, expected_of, methods_at, routes_of
from tests.contract.people import ACTORS
from tests.contract.surface import Call, Surface
from tests.contract.surfaces import DOCUMENT, SURFACES
from tests.contract.world import UNKNOWN_UUID, World, digest, undone, value_of

PER_ANSWER = {"X-Request-ID", "Request-ID", "Date"}


def calls_of_resolver() -> set[tuple[str, str]]:
    """Every method at every route of the package."""
    routes = get_resolver("mailconfig.urls").url_patterns
    return {(method, route) for route, view in routes_of(routes) for method in methods_at(view)}


def test_every_route_and_method_stands_in_a_table() -> None:
    tables = {key for surface in SURFACES for key in expected_of(surface)}
    documents = {key for key in calls_of_resolver() if key[1].endswith(DOCUMENT)}
    # Pages for browsers, services and scrapers: who may see them, tests/integration/connecting, opting_out, webhooks and
    # api/metrics say.
    others = ("mailconfig/metrics", "oauth2/", "unsubscribe/", "webhooks/")
    pages = {key for key in calls_of_resolver() if key[1].startswith(others)}

    assert tables == calls_of_resolver() - documents - pages
    assert {route for _method, route in pages} == {
        "mailconfig/metrics",
        "mailconfig/metrics.json",
        "oauth2/callback/",
        "oauth2/connect/<uuid:uuid>/",
        "oauth2/connect/<uuid:uuid>/disconnect/",
        "unsubscribe/<str:token>",
        "webhooks/<slug:service>/<str:token>",
    }
    assert documents
    assert {method for method, _route in documents} == {"GET"}


@pytest.mark.parametrize("surface", SURFACES, ids=str)
def test_every_call_of_a_surface_is_described(surface: Surface) -> None:
    assert {(call.method, call.route) for call in surface.calls} == set(expected_of(surface))


@pytest.mark.parametrize("surface", SURFACES[:1], ids=str)
def test_everybody_may_read_a_document(world: World) -> None:
    for method, route in calls_of_resolver():
        for actor in ACTORS if route.endswith(DOCUMENT) else ():
            assert world.send(Call(method, route), actor).status_code == 200, f"{route} for {actor}"


def answers(world: World, call: Call) -> dict[str, int]:
    """The status for each actor."""
    statuses = {}
    for actor in ACTORS:
        with undone():
            statuses[actor] = world.send(call, actor).status_code
    return statuses


def test_each_actor_is_answered_as_the_table_says(world: World) -> None:
    expected = expected_of(world.surface)

    found = {str(call): answers(world, call) for call in world.surface.calls}

    assert found == {f"{method} {route}": dict(statuses) for (method, route), statuses in expected.items()}


def test_what_an_actor_may_not_do_changes_nothing_and_connects_nowhere(world: World) -> None:
    before = digest()

    for call in world.surface.calls:
        for actor, status in expected_of(world.surface)[call.method, call.route].items():
            if status >= 400:
                world.send(call, actor)

    assert digest() == before


def alike(response: HttpResponse, places: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """What can be told of an answer by who asked for a certain row."""
    body = response.content
    for value in places.values():
        body = body.replace(value.encode(), b"<place>")
    headers = {name: value for name, value in response.items() if name not in PER_ANSWER}
    return response.status_code, body, headers


@pytest.mark.parametrize("actor", [actor for actor in ACTORS if actor not in {"superuser", "outsider"}])
def test_what_is_somebody_elses_looks_like_what_is_not_there(world: World, actor: str) -> None:
    """Not for back-office rows, which whoever has the permission may see; their checks are somebody's."""
    foreign, unknown = world.places(world.foreign), world.unknown_places()
    compared = 0
    for call in world.surface.calls:
        if not call.parameters and not world.surface.names_tenant:
            continue
        with undone():
            theirs = world.send(call, actor, places=foreign)
        with undone():
            nobodys = world.send(call, actor, places=unknown)
        if world.surface.shares_rows and theirs.status_code < 400:
            continue
        assert alike(theirs, foreign) == alike(nobodys, unknown), f"{call} by {actor}"
        compared += 1
    assert compared


@pytest.mark.parametrize("actor", ACTORS)
def test_a_check_of_somebody_else_looks_like_none(world: World, actor: str) -> None:
    """Also by who may see the row: a check is for who asked for it."""
    calls = [call for call in world.surface.calls if "check_id" in call.parameters]
    theirs = world.places(check_id=str(world.make_check(world.row, "owner").uuid))
    nobodys = world.places(check_id=UNKNOWN_UUID)
    for call in calls:
        if actor != "owner":
            answers = [world.send(call, actor, places=places) for places in (theirs, nobodys)]
            assert alike(answers[0], theirs) == alike(answers[1], nobodys)
            assert answers[0].status_code in {401, 403, 404}


@pytest.mark.parametrize("method", [*METHODS, "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_method_without_a_row_is_refused(world: World, method: str) -> None:
    """HEAD answers as GET does, without a body; OPTIONS tells the methods and nothing of the row."""
    expected = expected_of(world.surface)
    before = digest()
    for route in {call.route for call in world.surface.calls}:
        if (method, route) in expected:
            continue
        get = expected.get(("GET", route), {})
        response = world.send(Call(method, route), "keeper")
        if method == "OPTIONS":
            assert response.status_code in {200, 204}
            assert response.content == b""
            assert response["Allow"]
        elif method == "HEAD" and get:
            assert response.status_code == get["keeper"]
            assert response.content == b""
        else:
            assert response.status_code == 405, f"{method} {route}"
            assert "Allow" in response
            if method != "HEAD":
                world.surface.problem(405, value_of(response))
        anonymous = world.send(Call(method, route), "anonymous")
        assert anonymous.status_code == 401
    assert method == "HEAD" or digest() == before, "HEAD of a call that connects does so"
