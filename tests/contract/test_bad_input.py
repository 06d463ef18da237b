"""Bad input at every surface: refused in its own words, quickly, and nothing comes of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse

from tests.canary import CANARY, hits
from tests.contract.corpus import requests, values
from tests.contract.surface import Call, Surface
from tests.contract.surfaces import SURFACES, having
from tests.contract.world import World, digest, value_of
from tests.servers.chaos import ChaosServer

SECONDS = 2.0
"""Of this thread's processor, for one request: a busy machine takes longer, but not more of it."""
LEAST = 300
"""Cases a surface."""


class Judge:
    """Sends one case after another and keeps what was wrong with the answers."""

    def __init__(self, world: World, server: ChaosServer) -> None:
        self.world, self.server = world, server
        self.failures: list[str] = []
        self.before = digest()

    def try_out(self, name: str, call: Call, expected: set[int], *, field: str = "", **how: Any) -> None:
        """Send it; the answer has one of these statuses, and nothing has changed.

        Args:
            field: the field that has to be named, if the surface names any.
        """
        begun = time.thread_time()
        savepoint = connection.savepoint() or ""
        response = self.world.send(call, **how)
        took = time.thread_time() - begun
        self.failures += [f"{call} {name}: {wrong}" for wrong in self.wrongs(response, expected, field, took)]
        if response.status_code < 400:
            connection.savepoint_rollback(savepoint)
        else:  # what it may have stored all the same is found in the end
            connection.savepoint_commit(savepoint)

    def wrongs(self, response: HttpResponse, expected: set[int], field: str, took: float) -> Iterator[str]:
        """What is wrong with an answer."""
        if response.status_code not in expected:
            yield f"{response.status_code} {response.content[:300]!r}"
        elif response.status_code >= 400:
            yield from self.envelope(response, field)
        yield from hits("the body", response.content)
        yield from hits("the header", repr(response.headers))
        if took > SECONDS:
            yield f"took {took:.1f} s"

    def envelope(self, response: HttpResponse, field: str) -> Iterator[str]:
        """Whether it is the surface's own, and names the field."""
        try:
            named = self.world.surface.problem(response.status_code, value_of(response))
        except (AssertionError, ValueError) as error:
            yield f"not the surface's envelope: {response.content[:200]!r} {error}"
            return
        if field and named is not None and field not in named:
            yield f"{field} is not named: {sorted(named)}"

    def give_judgement(self) -> None:
        """Fail if anything was wrong, or anything connected."""
        if self.failures:
            pytest.fail("\n".join([f"{len(self.failures)} wrong:", *self.failures]), pytrace=False)
        assert digest() == self.before, "something was stored by what was refused"
        assert not self.server.sessions, "nothing is connected for what is not valid"


@pytest.fixture
def judge(world: World, server: ChaosServer, caplog: pytest.LogCaptureFixture) -> Judge:
    """Of one test. Django's line for each refusal would bury what it says."""
    caplog.set_level(logging.ERROR, logger="django.request")
    return Judge(world, server)


def cases(surface: Surface) -> Iterator[tuple[str, object]]:
    """Each field with each value that it must refuse."""
    for name, tables in surface.fields.items():
        yield from ((name, value) for table in tables for value in table)


@pytest.mark.parametrize("surface", SURFACES, ids=str)
def test_there_are_enough_cases(surface: Surface) -> None:
    assert len(list(cases(surface))) >= LEAST


@pytest.mark.parametrize(
    ("surface", "name"),
    [pytest.param(surface, name, id=f"{surface}-{name}") for surface in SURFACES for name in surface.fields],
    indirect=["surface"],
)
# Both ask the same validators; SQLite, which takes more than PostgreSQL, meets each value once.
@pytest.mark.parametrize("operation", ["create", pytest.param("update", marks=pytest.mark.one_database)])
def test_a_bad_value_is_refused(world: World, judge: Judge, name: str, operation: str) -> None:
    """In a body that is right otherwise. The answer repeats nothing of the password beside it."""
    call: Call = getattr(world.surface, operation)
    expected = {world.surface.status(400)}
    for table in world.surface.fields[name]:
        for value in table:
            # What no database could store is refused with the whole body.
            named = "" if values.is_unstorable(value) else name
            body = world.valid(**{name: value})
            judge.try_out(
                f"{name}={values.label(value)}",
                call,
                expected | ({400} if not named else set()),
                field=named,
                body=body,
            )
    judge.give_judgement()


@having("further_fields")
def test_a_bad_value_in_another_body_is_refused(world: World, judge: Judge) -> None:
    bodies = {str(call): world.body_of(call) for call in world.surface.calls}
    for call, fields in world.surface.further_fields.items():
        for name, tables in fields.items():
            for value in (value for table in tables for value in table):
                expected = {world.surface.status(400)} | ({400} if values.is_unstorable(value) else set())
                body = {**bodies[str(call)], name: value}
                judge.try_out(f"{name}={values.label(value)}", call, expected, body=body)
    judge.give_judgement()


def test_a_bad_body_is_refused_at_every_call_that_takes_one(world: World, judge: Judge) -> None:
    for call in world.surface.calls:
        if call.method not in {"POST", "PUT", "PATCH"}:
            continue
        for case in requests.BODIES:
            is_read = case.status == 413 and len(case.data) <= world.surface.longest_body
            status = world.surface.status(400) if is_read or case.status == 400 else case.status
            judge.try_out(case.name, call, {400, status}, raw=case.data, content_type=case.content_type)
    judge.give_judgement()


@having("required")
def test_a_missing_value_is_refused(world: World, judge: Judge) -> None:
    for name in world.surface.required:
        for missing in ({}, {name.upper(): "x"}):
            body = world.valid() | missing
            del body[name]
            judge.try_out(
                f"without {name}", world.surface.create, {world.surface.status(400)}, field=name, body=body
            )
    judge.give_judgement()


def test_a_key_that_is_none_is_not_found(world: World, judge: Judge) -> None:
    """The surface's own 404 where its view was reached; Django's where no route leads there."""
    calls = [call for call in world.surface.calls if call.parameters]
    for call in calls:
        for key in requests.KEYS:
            places = dict.fromkeys(call.parameters, "<key>")
            path = call.path(places).replace("<key>", key)
            response = world.send(call, path=path)
            if response.status_code not in {404, 400, 405}:
                judge.failures.append(f"{call} {key[:40]}: {response.status_code} {response.content[:200]!r}")
    judge.give_judgement()


@having("listing")
def test_a_query_that_is_not_known_is_refused(world: World, judge: Judge) -> None:
    call = world.surface.listing
    assert call
    for query in (*requests.QUERIES, *world.surface.bad_queries):
        path = f"{call.path(world.places())}?{query}"
        judge.try_out(query, call, {400, world.surface.status(400)}, path=path)
    judge.give_judgement()


def test_a_bad_header_is_refused(world: World, judge: Judge) -> None:
    call = world.surface.read or world.surface.update
    for name, headers, expected in requests.HEADERS:
        judge.try_out(name, call, expected, headers=headers)
    for name, headers, expected in requests.WRITING_HEADERS:
        judge.try_out(name, world.surface.create, expected, headers=headers, body=world.valid())
    judge.give_judgement()


@having("read")
def test_a_strange_header_changes_nothing(world: World) -> None:
    call = world.surface.read
    assert call
    usual = world.send(call)
    assert usual.status_code == 200
    for name, headers in requests.HARMLESS_HEADERS:
        response = world.send(call, headers=headers)
        assert (response.status_code, response.content) == (200, usual.content), name
        assert len(response["X-Request-ID"]) <= 128
        assert response["X-Request-ID"].isascii()


def test_what_is_not_known_in_a_body_changes_nothing(world: World) -> None:
    """Most surfaces ignore it, as their originals do; others refuse it."""
    strange = {"pk": 1, "__class__": "x", "uuid": CANARY, "kind": "mailbox", "is_default": True, "owner": 1}
    strange |= {"serves_project": True, "servesProject": "true", "isDefault": True}
    before = world.send(world.surface.read).content if world.surface.read else b""
    response = world.send(world.surface.update, body={**world.body_of(world.surface.update), **strange})

    assert response.status_code == (world.surface.status(400) if world.surface.refuses_unknown else 200)
    assert not hits("the answer", response.content)
    world.row.refresh_from_db()
    marks = (world.row.is_default, world.row.serves_project)
    assert (world.row.kind, *marks) == (world.surface.kind, False, False)
    assert before != b"" or not world.surface.read


def test_no_body_at_all_changes_nothing(world: World) -> None:
    call = world.surface.update
    row = type(world.row).objects.filter(pk=world.row.pk)
    before = row.values_list("name", "host", "port", "username", "secret").get()

    response = world.send(call, raw=b"")

    assert response.status_code in {200, 400, world.surface.status(400)}
    assert row.values_list("name", "host", "port", "username", "secret").get() == before
