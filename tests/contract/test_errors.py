"""Every refusal comes in the surface's own envelope, with the header fields that belong to it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from mailconfig.delivery import run_check
from mailconfig.delivery.accounts.running_checks import running_check
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck
from tests.bearer import PREFIX
from tests.contract.surface import Call
from tests.contract.surfaces import having
from tests.contract.world import World, send, value_of
from tests.factories import make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply


def check(world: World, response: HttpResponse, status: int) -> set[str] | None:
    """The fields that the error names."""
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith(world.surface.media_type)
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Language"] == "en"
    assert {"Accept-Language", "Authorization"} <= set(response["Vary"].split(", "))
    assert response["X-Request-ID"]
    named = world.surface.problem(status, value_of(response))
    assert b"Traceback" not in response.content
    return named


def test_400_for_a_body_that_is_no_json(world: World) -> None:
    response = world.send(world.surface.create, raw=b"{")

    assert response.status_code in {400, world.surface.status(400)}
    check(world, response, response.status_code)


def test_400_for_a_value_names_it(world: World) -> None:
    response = world.send(world.surface.create, body=world.valid(**world.surface.server(0)))

    named = check(world, response, world.surface.status(400))
    assert named is None or len(named) == 1


@pytest.mark.parametrize("actor", ["anonymous", "inactive"])
def test_401_always_says_how_to_log_in(world: World, actor: str) -> None:
    for call in world.surface.calls:
        response = world.send(call, actor)
        check(world, response, 401)
        assert response["WWW-Authenticate"] == "Bearer"


def test_401_comes_before_anything_is_read(world: World) -> None:
    """Neither the body nor what stands in the path makes a difference to somebody unknown."""
    for call in world.surface.calls:
        for raw, content_type in ((b"{", "application/json"), (b"a=1", "application/x-www-form-urlencoded")):
            response = world.send(
                call, "anonymous", raw=raw, content_type=content_type, places=world.unknown_places()
            )
            assert response.status_code == 401


@having("shares_rows")
def test_403_where_a_permission_is_missing(world: World) -> None:
    check(world, world.send(world.surface.create, "colleague", body=world.valid()), 403)


def test_404_for_what_is_not_there(world: World) -> None:
    for call in world.surface.calls:
        if call.parameters or world.surface.names_tenant:
            response = world.send(call, places=world.unknown_places())
            check(world, response, 404)


def test_404_for_a_surface_that_is_switched_off(world: World, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SURFACES": []}

    for call in world.surface.calls:
        for actor in ("anonymous", "keeper", "superuser"):
            check(world, world.send(call, actor), 404)


def test_405_says_what_there_is(world: World) -> None:
    for call in world.surface.calls:
        response = world.send(Call("TRACE", call.route))
        check(world, response, 405)
        assert call.method in response["Allow"]


def test_406_for_what_is_no_json(world: World) -> None:
    for call in world.surface.calls:
        check(world, world.send(call, headers={"accept": "application/xml"}), 406)


@pytest.mark.parametrize("more", [1, 2_000_000])
def test_413_for_a_long_body(world: World, more: int) -> None:
    raw = b'{"x": ""}'.replace(b'""', b'"%b"' % (b"a" * (world.surface.longest_body - 9 + more)))
    response = world.send(world.surface.create, raw=raw)

    check(world, response, 413)


def test_413_also_where_the_host_takes_less(world: World, settings: Settings) -> None:
    """``DATA_UPLOAD_MAX_MEMORY_SIZE`` is the host's, and speaks of forms."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    body = world.valid(**world.surface.rename, x="a" * 200)
    read = world.surface.status(400) if world.surface.refuses_unknown else 200
    assert world.send(world.surface.update, body=body).status_code in {read, 413}


def test_415_for_another_content_type(world: World) -> None:
    bodies = {
        "text/plain": b"{}",
        "application/x-www-form-urlencoded": b"host=mail.test",
        "application/json; charset=utf-7": b"{}",
    }
    for content_type, raw in bodies.items():
        response = world.send(world.surface.create, raw=raw, content_type=content_type)
        check(world, response, 415)


def test_a_failed_check_is_the_mail_servers_fault_and_no_5xx(world: World, server: ChaosServer) -> None:
    server.on("auth", Reply.of("535 5.7.8 no"))

    response = world.send(world.surface.check)

    check(world, response, world.surface.status(422))
    assert server.sessions == 1


@having("delete")
def test_409_for_an_account_whose_mail_waits(world: World) -> None:
    assert world.surface.delete
    make_message(world.row)

    response = world.send(world.surface.delete)

    check(world, response, world.surface.status(409))
    assert Account.objects.kept().filter(pk=world.row.pk).exists()


def test_429_says_when_to_come_again(world: World, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_PER_MINUTE": 1, "TEST_MAILS_PER_HOUR": 1}
    assert world.send(world.surface.check, "clerk").status_code < 300
    # A change in between: what was found of unchanged values may be told again.
    Account.objects.get(pk=world.row.pk).save()

    response = world.send(world.surface.check, "clerk")

    check(world, response, 429)
    assert 0 < int(response["Retry-After"]) <= 3600


@pytest.mark.parametrize("full", ["person", "process"])
def test_429_while_others_of_ones_checks_run(world: World, server: ChaosServer, full: str) -> None:
    clerk = world.people["clerk"]
    with ExitStack() as stack:
        if full == "process":
            for actor in ("owner", "staff", "superuser"):
                stack.enter_context(running_check(world.people[actor]))
        else:
            for _ in range(2):
                ConnectionCheck.objects.create(
                    kind=CheckKind.CONNECTION, state=CheckState.RUNNING, requested_by=clerk, started_at=Now()
                )
        response = world.send(world.surface.check, "clerk")

    check(world, response, 429)
    assert 0 < int(response["Retry-After"]) <= 10
    assert server.sessions == 0


@pytest.mark.django_db(transaction=True)
def test_where_only_workers_check_one_is_asked_and_nobody_waits(
    world: World, server: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0}

    response = world.send(world.surface.check, "clerk")

    assert response.status_code in {200, 202}, response.content
    assert server.sessions == 0
    asked = ConnectionCheck.objects.get(requested_by=world.people["clerk"])
    assert asked.state == CheckState.PENDING
    done = run_check(check_id=asked.pk)
    assert done is not None
    assert done.ok
    assert len(server.auth_attempts) == 1


def test_a_session_login_suffices_only_with_its_csrf_token(world: World) -> None:
    """A foreign page cannot write with somebody's cookie."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(world.people["keeper"])  # type: ignore[arg-type]
    places = world.places()
    for call in world.surface.calls:
        if call.method == "GET":
            continue
        response = client.generic(
            call.method,
            call.path(places),
            b"{}",
            content_type="application/json",
            secure=world.surface.secure,
            headers={**world.surface.headers_at(places), "referer": "https://evil.test/"},
        )
        assert response.status_code in {401, 403}, f"{call} {response.status_code}"


def test_a_token_in_any_case_of_its_scheme_is_taken(world: World) -> None:
    """RFC 9110 §11.1: schemes are case-insensitive."""
    call = world.surface.read or world.surface.update
    for scheme in ("bearer", "BEARER"):
        response = send(world, call, None, headers={"authorization": f"{scheme} {PREFIX}keeper"})
        assert response.status_code == 200


def test_the_hosts_own_drf_settings_change_nothing(world: World, settings: Settings) -> None:
    """Renderers, parsers, pagination, permissions and the handler of errors are the surface's own."""
    call = world.surface.read or world.surface.update
    usual = [world.send(call).content, world.send(call, "anonymous").content]
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"anon": "0/day"},
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
        "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
        "EXCEPTION_HANDLER": "no.such.handler",
        "NON_FIELD_ERRORS_KEY": "nonsense",
        "COERCE_DECIMAL_TO_STRING": False,
        "UNICODE_JSON": False,
        "COMPACT_JSON": False,
        "DATETIME_FORMAT": "%Y",
    }

    assert [world.send(call).content, world.send(call, "anonymous").content] == usual
