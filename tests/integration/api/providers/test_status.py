"""The status: what real servers come to, who is told what, and for how long it is told again."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig.delivery import probe_account, run_check
from mailconfig.models import Account, ConnectionCheck, SMTPProvider
from mailconfig.values import Timeouts
from tests.bearer import client_of
from tests.factories import make_account
from tests.integration.api.calls import URL, make_provider, refused
from tests.integration.api.conftest import LOGIN, PASSWORD, permit
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Endless, Hang, LongLine, Raw, Reply, Reset, Slow

pytestmark = pytest.mark.django_db(transaction=True)

ASYNC = {"Prefer": "respond-async"}


def provider_at(server: ChaosServer, **values: Any) -> SMTPProvider:
    """A provider whose server this is."""
    return make_provider(port=server.port, **values)


def status_of(client: APIClient, provider: SMTPProvider, **headers: str) -> Any:
    """The answer to the status call, which is never cached by anybody else."""
    response = client.get(f"{URL}/{provider.pk}/status", headers=headers)
    assert response["Cache-Control"] == "no-store"
    return response


def failed(response: Any, code: str, stage: str, *fields: str) -> Any:
    """The body of a check that failed, in just this shape."""
    body = refused(response, 422)
    assert list(body) == ["message", "errors", "code", "stage"]
    assert (body["code"], body["stage"], tuple(body["errors"])) == (code, stage, fields)
    assert all(body["errors"][name] for name in fields)
    return body


def test_a_connection_that_works_has_no_body_and_sends_no_mail(api: APIClient, server: ChaosServer) -> None:
    response = status_of(api, provider_at(server))

    assert (response.status_code, response.content) == (204, b"")
    assert server.auth_attempts == [("PLAIN", LOGIN, PASSWORD)]
    assert server.messages == []


def test_a_disabled_provider_is_checked_too(api: APIClient, server: ChaosServer) -> None:
    provider = provider_at(server, is_enabled=False)

    assert status_of(api, provider).status_code == 204
    provider.refresh_from_db()
    assert provider.is_enabled is False


@pytest.mark.parametrize(
    ("verb", "action", "code", "stage", "fields"),
    [
        ("banner", Reply.of("554 5.3.2 go away"), "connect_failed", "connect", ["host"]),
        ("banner", Raw(b"SSH-2.0-OpenSSH_9\r\n"), "protocol_error", "connect", ["host"]),
        ("banner", Close(), "connect_failed", "connect", ["port"]),
        ("ehlo", Endless(), "protocol_error", "ehlo", ["host"]),
        ("ehlo", LongLine(), "protocol_error", "ehlo", ["host"]),
        ("starttls", Reply.of("454 4.7.0 no TLS now"), "tls_failed", "tls", ["encryption"]),
        ("auth", Reply.of("535 5.7.8 no"), "auth_failed", "login", ["password"]),
        ("auth", Close(), "connect_failed", "login", ["host"]),
        ("mail", Reply.of("553 5.7.1 not yours"), "sender_refused", "sender", ["sendFrom"]),
        ("mail", Reply.of("530 5.7.0 log in first"), "sender_refused", "sender", ["username"]),
        ("mail", Reset(), "connect_failed", "sender", []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_whatever_a_server_does_is_told_by_stage_code_and_field(
    api: APIClient, server: ChaosServer, verb: str, action: Any, code: str, stage: str, fields: list[str]
) -> None:
    server.on(verb, action)

    body = failed(status_of(api, provider_at(server)), code, stage, *fields)

    assert PASSWORD not in str(body)
    for words in ("go away", "SSH", "not yours", "5.7.8"):
        assert words not in str(body), "the server's own words are for staff"


@pytest.mark.parametrize("action", [Hang(), Slow(seconds=0.2)], ids=["hang", "slow"])
def test_a_server_that_takes_its_time_has_one_deadline(
    api: APIClient, server: ChaosServer, settings: Settings, action: Any
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
    server.on("ehlo", action)
    began = time.monotonic()

    failed(status_of(api, provider_at(server)), "timeout", "ehlo", "host")

    assert time.monotonic() - began < Timeouts().command, "it is not the command's own time-out that ended it"


@pytest.mark.parametrize("certificate", ["wrong_name", "expired"])
def test_a_bad_certificate_gets_no_password(
    api: APIClient, certificates: Certificates, trusted: None, certificate: str
) -> None:
    tls = getattr(certificates, certificate)
    with ChaosServer(tls=tls, starttls=True, credentials={LOGIN: PASSWORD}) as server:
        failed(status_of(api, provider_at(server)), "tls_failed", "tls", "host")

    assert server.auth_attempts == []


def test_a_wrong_password_is_named(api: APIClient, server: ChaosServer) -> None:
    server.credentials = {LOGIN: "another-not-real-password"}

    failed(status_of(api, provider_at(server)), "auth_failed", "login", "password")


def test_a_password_that_cannot_be_read_goes_nowhere(
    api: APIClient, server: ChaosServer, settings: Settings
) -> None:
    provider = provider_at(server)
    settings.FIELD_ENCRYPTION_KEY = "bm90LWEtcmVhbC1rZXktLWFub3RoZXItb25lLW9mLXM="

    failed(status_of(api, provider), "auth_failed", "login", "password")
    assert server.sessions == 0


def test_unknown_refused_and_blocked_servers_look_the_same_and_are_told_no_sooner(
    api: APIClient, settings: Settings
) -> None:
    with ChaosServer() as closed:
        port = closed.port
    bodies = []
    for host, networks in (
        ("localhost", ["127.0.0.0/8", "::1/128"]),  # refused
        ("localhost", []),  # blocked
        ("no-such-host.invalid", []),
    ):
        settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_NETWORKS": networks}
        began = time.monotonic()
        response = status_of(api, make_provider(host=host, port=port))
        assert time.monotonic() - began >= 1.0
        bodies.append(failed(response, "connect_failed", "connect", "host"))

    assert bodies[0] == bodies[1] == bodies[2]


def test_an_address_that_may_not_be_used_says_so(api: APIClient, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_NETWORKS": []}

    failed(status_of(api, make_provider(host="169.254.169.254")), "host_not_allowed", "resolve", "host")


def test_staff_is_told_more(staff: User, alice: User) -> None:
    with ChaosServer() as closed:
        provider = make_provider(port=closed.port)
    for_alice = status_of(client_of(alice), provider)
    for_staff = status_of(client_of(staff), provider)

    assert provider.checks.count() == 1, "told again from the same check"
    assert failed(for_alice, "connect_failed", "connect", "host")["message"].endswith(
        "Check the name of the server and the port."
    )
    told = failed(for_staff, "connect_failed", "connect", "port")["message"]
    assert told.endswith("Nobody listens on this port: is it the right one?")


def test_what_came_of_it_is_told_again_without_connecting(
    api: APIClient, alice: User, bob: User, server: ChaosServer
) -> None:
    provider = provider_at(server)
    permit(bob, "view_smtpprovider")

    for client in (api, api, client_of(bob)):
        assert status_of(client, provider).status_code == 204
    assert server.sessions == 1
    assert ConnectionCheck.objects.count() == 1


def test_a_failure_is_told_again_too_and_in_each_ones_language(api: APIClient, server: ChaosServer) -> None:
    server.credentials = {}
    provider = provider_at(server)

    first = status_of(api, provider)
    again = status_of(api, provider, **{"Accept-Language": "de"})

    assert first.json() == again.json() or again["Content-Language"] == "de"
    assert (first["Content-Language"], again["Content-Language"]) == ("en", "de")
    assert server.sessions == 1


def test_after_half_a_minute_it_is_asked_anew(api: APIClient, server: ChaosServer) -> None:
    provider = provider_at(server)
    status_of(api, provider)
    long_ago = timezone.now() - timedelta(seconds=31)
    ConnectionCheck.objects.update(finished_at=long_ago, created_at=long_ago, started_at=long_ago)

    status_of(api, provider)

    assert server.sessions == 2


def test_an_edit_ends_what_was_known_also_when_the_clocks_differ(api: APIClient, server: ChaosServer) -> None:
    provider = provider_at(server)
    path = f"{URL}/{provider.pk}"
    assert status_of(api, provider).status_code == 204

    assert api.patch(path, {"password": "another-not-real-password"}, format="json").status_code == 200
    # The application's clock is an hour behind the database's, and then an hour ahead.
    for hours in (-1, 1):
        at = timezone.now() + timedelta(hours=hours)
        Account.objects.filter(pk=provider.pk).update(updated_at=at)
        failed(status_of(api, provider), "auth_failed", "login", "password")
    assert server.sessions == 2

    assert api.patch(path, {"password": PASSWORD}, format="json").status_code == 200
    assert status_of(api, provider).status_code == 204
    assert server.sessions == 3


def test_a_check_of_what_was_stored_before_tells_nothing_of_what_is_stored_now(
    api: APIClient, staff: User, server: ChaosServer
) -> None:
    provider = provider_at(server)
    edited: list[object] = []

    def edit(line: str) -> bool:
        from django.db import connection

        if not edited:
            edited.append(
                Account.objects.filter(pk=provider.pk).update(revision=7, from_email="no@mail.test")
            )
            connection.close()
        return False

    server.on("ehlo", Reply.of("250 x"), when=edit)
    server.on("mail", Reply.of("550 5.7.1 no"), when=lambda line: "no@mail.test" in line)

    assert status_of(api, provider).status_code == 204
    assert edited == [1]
    failed(status_of(api, provider), "sender_refused", "sender", "sendFrom")


def test_a_check_made_elsewhere_counts_and_one_that_came_to_no_end_does_not(
    api: APIClient, staff: User, server: ChaosServer
) -> None:
    provider = provider_at(server)
    probe_account(account_id=provider.pk, requested_by=staff)
    assert status_of(api, provider).status_code == 204
    assert server.sessions == 1

    ConnectionCheck.objects.all().delete()
    lost = provider.checks.create(
        kind="connection", state="failed", code="timeout", finished_at=timezone.now()
    )
    assert status_of(api, provider).status_code == 204
    assert server.sessions == 2
    assert lost.revision is None


def test_the_check_of_another_provider_tells_nothing(api: APIClient, server: ChaosServer) -> None:
    status_of(api, provider_at(server))
    server.on("mail", Reply.of("550 5.7.1 no"))

    assert status_of(api, provider_at(server)).status_code == 422


def test_five_refused_logins_are_enough(api: APIClient, server: ChaosServer) -> None:
    server.credentials, server.mechanisms = {}, ("PLAIN",)
    provider = provider_at(server)
    began = time.monotonic()
    for number in range(5):
        api.patch(f"{URL}/{provider.pk}", {"caption": f"try {number}"}, format="json")
        failed(status_of(api, provider), "auth_failed", "login", "password")
    api.patch(f"{URL}/{provider.pk}", {"caption": "once more"}, format="json")

    response = status_of(api, provider)

    assert "15 minutes" in refused(response, 429)["message"]
    assert 900 - (time.monotonic() - began) <= int(response["Retry-After"]) <= 900
    assert len(server.auth_attempts) == 5


def test_head_asks_the_same_and_says_less(api: APIClient, server: ChaosServer) -> None:
    provider = provider_at(server)
    server.credentials = {}

    response = api.head(f"{URL}/{provider.pk}/status")

    assert (response.status_code, response.content) == (422, b"")
    assert server.sessions == 1


def test_a_worker_may_check_and_who_asked_reads_it(
    api: APIClient, alice: User, bob: User, staff: User, server: ChaosServer
) -> None:
    provider = provider_at(server)
    permit(bob, "view_smtpprovider")

    response = status_of(api, provider, **ASYNC)

    assert response.status_code == 202
    assert response["Preference-Applied"] == "respond-async"
    asked = response.json()
    assert response["Location"] == f"http://testserver{URL}/checks/{asked['id']}"
    assert (asked["state"], asked["ok"], asked["stages"]) == ("pending", False, [])
    assert server.sessions == 0

    run_check(check_id=ConnectionCheck.objects.get(uuid=asked["id"]).pk)

    done = api.get(response["Location"])
    assert done["Cache-Control"] == "no-store"
    assert done.json() | {"stages": []} == asked | {
        "state": "passed",
        "ok": True,
        "message": "The connection works.",
    }
    assert [stage["outcome"] for stage in done.json()["stages"]] == ["ok"] * 5
    unknown = refused(api.get(f"{URL}/checks/00000000-0000-4000-8000-000000000000"), 404)
    for other in (bob, staff):
        assert refused(client_of(other).get(response["Location"]), 404) == unknown
    refused(client_of(None).get(response["Location"]), 401)
    assert status_of(api, provider).status_code == 204
    assert server.sessions == 1, "what the worker found out is told again"


def test_a_failed_check_names_fields_as_the_surface_does(
    api: APIClient, staff: User, server: ChaosServer
) -> None:
    server.credentials = {}
    for client in (api, client_of(staff)):
        response = status_of(client, provider_at(server), **ASYNC)
        run_check(check_id=ConnectionCheck.objects.get(uuid=response.json()["id"]).pk)
        check = client.get(response["Location"]).json()
        assert (check["state"], check["stage"], check["code"]) == ("failed", "login", "auth_failed")
        assert check["field"] == "password"
        assert ("server_text" in check) == (client is not api)


def test_a_check_of_another_kind_of_account_is_not_told_here(api: APIClient, alice: User) -> None:
    other = make_account(owner=alice).checks.create(kind="connection", requested_by=alice)

    refused(api.get(f"{URL}/checks/{other.uuid}"), 404)


@pytest.mark.parametrize(
    ("preference", "status"),
    [
        ("respond-async", 202),
        ("Respond-Async", 202),
        ("wait=10, respond-async", 202),
        ("respond-async; x=1", 202),
        ("", 204),
        ("wait=10", 204),
        ("respond-asynchronously", 204),
        ("return=minimal", 204),
    ],
)
def test_only_who_prefers_not_to_wait_does_not(
    api: APIClient, server: ChaosServer, preference: str, status: int
) -> None:
    assert status_of(api, provider_at(server), Prefer=preference).status_code == status
