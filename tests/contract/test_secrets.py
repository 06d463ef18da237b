"""A secret that came in at a surface comes out nowhere: answers, logs, error pages, tasks, the OpenAPI document."""

from __future__ import annotations

import base64
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import connection
from django.db.models.signals import pre_save
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import reverse
from kombu.transport.memory import Channel
from pytest_django import DjangoCaptureOnCommitCallbacks

from mailconfig.doorbell import doorbell
from mailconfig.models import Account, ConnectionCheck
from tests.canary import CANARY, LOGIN, hits
from tests.celery_app import app
from tests.contract.surface import Call
from tests.contract.surfaces import having
from tests.contract.world import World, as_json, undone
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.servers.faults import Reply

Driver = Callable[[World, ChaosServer], Iterator[tuple[str, HttpResponse]]]


def everything_of(response: HttpResponse) -> bytes:
    """Body, header fields and reason."""
    head = "\n".join(f"{name}: {value}" for name, value in response.items())
    return f"{response.reason_phrase}\n{head}\n".encode() + response.content


def misplaced(world: World) -> Iterator[Any]:
    """The secret where it belongs and where it does not: as another type, under another name, beside what is wrong."""
    secret = world.surface.secret
    for value in (CANARY, [CANARY], {CANARY: CANARY}, CANARY + "\0", CANARY + "\r\n", CANARY * 2000):
        yield world.valid(**{secret: value})
    for name in world.surface.fields:
        for wrong in (None, [], {"a": CANARY}, [CANARY]):
            if name != secret:
                yield world.valid(**{name: wrong})
    yield world.valid() | {secret.upper(): CANARY, f"{secret}2": CANARY, CANARY: CANARY}
    yield [world.valid()]
    yield CANARY


def drive(world: World, server: ChaosServer) -> Iterator[tuple[str, HttpResponse]]:
    """Every call with the secret in its body, by everybody, with a mail server that repeats it."""
    encoded = base64.b64encode(f"\0{LOGIN}\0{CANARY}".encode()).decode()
    echo = Reply.of(f"535-5.7.8 no such password: {CANARY}", f"535 5.7.8 you said {encoded}")
    for call in world.surface.calls:
        body = {**(world.body_of(call) or {}), world.surface.secret: CANARY}
        for actor in ("keeper", "clerk", "colleague", "anonymous"):
            for refused in (False, True):
                server.calm()
                if refused:
                    server.on("auth", echo)
                with undone():
                    yield f"{call} by {actor}", world.send(call, actor, body=body)
        server.calm()
        for method in ("OPTIONS", "HEAD", "TRACE", "PUT"):
            with undone():
                yield f"{method} {call}", world.send(Call(method, call.route), body=body)
        path = f"{call.path(world.places())}?{world.surface.secret}=kanarienvogel"
        with undone():
            yield f"{call} with a query", world.send(call, path=path, body=body)


def drive_writing(world: World, server: ChaosServer) -> Iterator[tuple[str, HttpResponse]]:
    """The calls that take a secret, with the secret in every wrong place."""
    for call in dict.fromkeys((world.surface.create, world.surface.update)):
        for body in misplaced(world):
            with undone():
                yield f"{call} of {str(body)[:200]}", world.send(call, body=body)
        raw = as_json(world.valid())
        for data in (raw[:-1], raw + raw, raw.replace(b":", b"=", 1), raw.decode().encode("utf-16")):
            with undone():
                yield f"{call} broken", world.send(call, raw=data)
        for content_type in ("text/plain", "application/x-www-form-urlencoded"):
            yield f"{call} as {content_type}", world.send(call, raw=raw, content_type=content_type)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All loggers at DEBUG, the database's too."""
    caplog.set_level(logging.DEBUG)
    names = [*logging.root.manager.loggerDict]
    for name in names:
        caplog.set_level(logging.DEBUG, logger=name)
    connection.force_debug_cursor = True
    yield caplog
    connection.force_debug_cursor = False


def said(log: pytest.LogCaptureFixture) -> str:
    """With the arguments as they are."""
    return "\n".join(
        f"{record.name} {record.getMessage()} {record.args!r} {record.exc_text}" for record in log.records
    )


@pytest.mark.parametrize("driver", [drive, drive_writing])
def test_no_answer_and_no_log_holds_a_secret(
    world: World, server: ChaosServer, log: pytest.LogCaptureFixture, driver: Driver
) -> None:
    found: list[str] = []
    served = 0
    with override_settings(DEBUG=driver is drive_writing):
        for where, response in driver(world, server):
            found += hits(where, everything_of(response))
            assert response.status_code < 500, where
            served += 1
    text = said(log)
    found += hits("the log", text)
    assert served > 30
    assert len(text) > 10_000, "the log was listened to"
    assert server.auth_attempts or driver is drive_writing, "the secret was on the wire, and repeated there"
    assert not found, "\n".join(found[:50])


def test_words_of_a_mail_server_reach_staff_without_the_secret_in_them(
    world: World, server: ChaosServer
) -> None:
    encoded = base64.b64encode(CANARY.encode()).decode()
    server.on("auth", Reply.of(f"535-5.7.8 ask the postmaster {CANARY}", f"535 5.7.8 {encoded}"))

    for actor in ("clerk", "keeper"):
        with undone():
            response = world.send(world.surface.check, actor)
            assert response.status_code >= 400
            assert not hits(actor, everything_of(response))
            assert actor == "clerk" or b"postmaster" not in response.content, "the server's words are staff's"
            check = ConnectionCheck.objects.latest("pk")
            assert "postmaster" in check.server_text
            assert not hits("the check", repr(check.__dict__))


class FaultError(Exception):
    """Of the host's code, in the middle of a request."""


@contextmanager
def fault_while_storing() -> Iterator[list[BaseException]]:
    """A receiver of the host's that fails; and the exceptions that an error reporter sees."""
    seen: list[BaseException] = []

    def fail(sender: type, **kwargs: Any) -> None:
        if issubclass(sender, (Account, ConnectionCheck)):
            raise FaultError

    def note(**kwargs: Any) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        seen.append(error)

    pre_save.connect(fail)
    got_request_exception.connect(note)
    try:
        yield seen
    finally:
        pre_save.disconnect(fail)
        got_request_exception.disconnect(note)


def frames_of(error: BaseException) -> str:
    """What an error reporter keeps: the traceback, and the variables of every frame."""
    parts = traceback.format_exception(error)
    walked: BaseException | None = error
    while walked is not None:
        frame = walked.__traceback__
        while frame is not None:
            if "tests/" not in frame.tb_frame.f_code.co_filename:
                parts += [f"{name}={value!r}" for name, value in frame.tb_frame.f_locals.items()]
            frame = frame.tb_next
        walked = walked.__cause__ or walked.__context__
    return "\n".join(parts)


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_page_and_an_error_report_hold_no_secret(world: World, debug: bool) -> None:
    found: list[str] = []
    with override_settings(DEBUG=debug), fault_while_storing() as seen:
        for call in dict.fromkeys((world.surface.create, world.surface.update)):
            for accept in ("application/json", "*/*"):
                with undone():
                    response = world.send(call, body=world.valid(), headers={"accept": accept})
                assert response.status_code == 500
                found += hits(f"the page of {call}", everything_of(response))
        assert seen
        for error in seen:
            found += hits("the report", frames_of(error))
    assert not found


@pytest.mark.parametrize("debug", [False, True])
def test_a_page_that_is_not_found_holds_no_secret(world: World, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        for call in (world.surface.create, world.surface.update):
            path = call.path(world.places()) + "/nothing/here"
            response = world.send(call, path=path, body=world.valid())
            assert response.status_code == 404
            assert not hits("the page", everything_of(response))


@having("is_asynchronous")
def test_a_check_for_a_worker_carries_an_id_and_nothing_else(
    world: World, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    app.set_default()
    queue = app.conf.task_default_queue
    waiting = Channel.queues.get(queue)
    if waiting is not None:
        waiting.queue.clear()
    with django_capture_on_commit_callbacks(execute=True):
        response = world.send(world.surface.check, headers={"prefer": "respond-async"})

    assert response.status_code == 202
    assert not hits("the answer", everything_of(response))
    check = ConnectionCheck.objects.latest("pk")
    until(lambda: Channel.queues.get(queue) and Channel.queues[queue].qsize(), why="nothing was published")
    messages = list(Channel.queues[queue].queue)
    Channel.queues[queue].queue.clear()
    (message,) = [json.loads(text) if isinstance(text, str | bytes) else text for text in messages]
    body = base64.b64decode(message["body"])
    assert json.loads(body)[0] == [check.pk]
    assert message["headers"]["argsrepr"] == f"({check.pk},)"
    assert not hits("the task", json.dumps(message)) + hits("the body of the task", body)
    assert doorbell.dropped == 0 or not messages


def test_the_openapi_document_has_no_way_out_for_a_secret(world: World) -> None:
    """Each is write-only, and an example of one would be one."""
    document = Client().get(reverse("mailconfig-openapi")).json()
    found = list(_properties(document))
    secrets = [(name, schema) for name, schema in found if name == world.surface.secret]
    assert secrets
    for name, schema in secrets:
        assert not {"example", "examples", "default"} & set(schema), name
        assert schema.get("writeOnly") or schema.get("type") == "boolean", f"{name}: {schema}"
    assert not hits("the document", json.dumps(document, default=str))
    assert "kanarienvogel" not in json.dumps(document, default=str)


def _properties(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every schema in the document."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties.items()
        for inner in node.values():
            yield from _properties(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _properties(inner)


def test_what_a_client_sent_is_in_no_words_of_ours(world: World) -> None:
    """Not even a value that is no secret: whoever mistakes the field has typed a password there."""
    for name in world.surface.fields:
        for value in ("kanarienvogel", "kanarienvogel\n", "kanarienvogel" * 100):
            with undone():
                response = world.send(world.surface.create, body=world.valid(**{name: value}))
                if response.status_code >= 400:
                    assert b"kanarienvogel" not in everything_of(response), name
