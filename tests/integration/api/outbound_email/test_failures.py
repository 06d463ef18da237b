"""What a mail server may do to a request: always 422 ``smtp_server_error``, nothing stored, nothing given away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from mailconfig.delivery.accounts import logins
from mailconfig.models import CheckKind, CheckState, ConnectionCheck, OutboundEmail
from mailconfig.values import Timeouts
from tests.integration.api.outbound_email.conftest import (
    OTHER_PASSWORD,
    PASSWORD,
    USERNAME,
    post,
    put,
    row_of,
    seed,
    stored,
)
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Endless, Hang, Raw, Reply, Reset, Slow
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, NO_HOST_NAMES

pytestmark = pytest.mark.django_db

FAULTS = [
    ("banner", Reply.of("554 5.3.2 go away"), "mail_smtpserver"),
    ("banner", Raw(b"SSH-2.0-OpenSSH_9\r\n"), "mail_smtpserver"),
    ("banner", Close(), "mail_smtpserver"),
    ("ehlo", Endless(), "mail_smtpserver"),
    ("handshake", Close(), "mail_smtpssl"),
    ("auth", Reply.of("535 5.7.8 no"), "mail_smtppass"),
    ("auth", Reply.of("454 4.7.0 too many logins"), "mail_smtppass"),
    ("auth", Reset(), "mail_smtpserver"),
]


@pytest.mark.parametrize(("verb", "action", "field"), FAULTS)
def test_a_failure_names_the_field_and_nothing_is_stored(
    server: ChaosServer, staff: User, verb: str, action: Any, field: str
) -> None:
    server.on(verb, action)

    answer = post(staff, seed(server))

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error"), answer.content
    assert answer.json().keys() == {"error", "error_message"}
    assert answer.json()["error_message"].startswith(f"{field}: ")
    assert OutboundEmail.objects.count() == 0


@pytest.mark.parametrize(("verb", "action", "field"), FAULTS)
def test_a_failed_change_changes_nothing(
    server: ChaosServer, staff: User, verb: str, action: Any, field: str
) -> None:
    account = stored(server, staff)
    before = row_of(account)
    server.on(verb, action)

    answer = put(staff, account, {"name": "New", "mail_smtppass": OTHER_PASSWORD})

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert row_of(account) == before


@pytest.mark.parametrize("certificate", ["expired", "wrong_name", "unknown_authority"])
def test_a_bad_certificate_is_a_failure_before_the_login(
    certificates: Certificates, alice: User, certificate: str
) -> None:
    with ChaosServer(tls=getattr(certificates, certificate), credentials={USERNAME: PASSWORD}) as server:
        answer = post(alice, seed(server))

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert server.auth_attempts == []


def test_only_staff_reads_the_servers_own_words(server: ChaosServer, alice: User, staff: User) -> None:
    server.on("auth", Reply.of(f"535 5.7.8 no, {PASSWORD} is bad, says mx17.internal"))

    told = post(alice, seed(server)).json()["error_message"]
    told_staff = post(staff, seed(server)).json()["error_message"]

    assert "mx17" not in told
    assert "mx17" in told_staff
    assert PASSWORD not in told + told_staff
    assert PASSWORD not in str(list(ConnectionCheck.objects.values()))


def test_unknown_refused_and_blocked_look_and_last_alike(
    alice: User, settings: Settings, plain: ChaosServer
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    told = []
    for host, port, networks in (
        ("no-such-name.invalid", 25, ["127.0.0.0/8"]),
        ("127.0.0.1", free_port, ["127.0.0.0/8"]),
        ("localhost", plain.port, []),
    ):
        settings.MAILCONFIG = settings.MAILCONFIG | {"ALLOWED_NETWORKS": networks}
        since = time.monotonic()
        answer = post(alice, seed(None, mail_smtpserver=host, mail_smtpport=port))
        assert time.monotonic() - since >= 1.0
        told.append((answer.status_code, answer.json()))

    assert told[0] == told[1] == told[2]
    assert (told[0][0], told[0][1]["error"]) == (422, "smtp_server_error")
    assert plain.sessions == 0


@pytest.mark.parametrize("host", NO_HOST_NAMES + FORBIDDEN_LITERALS, ids=ascii)
def test_a_hostile_host_is_refused_and_nothing_is_connected(
    host: str, alice: User, settings: Settings, blocked_connections: list[object]
) -> None:
    settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}
    body = seed(None, mail_smtpserver=host)
    if "\0" in host or "\ud800" in host:
        expected = {(400, "invalid_request")}
    elif host in FORBIDDEN_LITERALS:
        expected = {(422, "smtp_server_error")}
    else:
        expected = {(422, "invalid_parameter"), (422, "missing_parameter")}

    answer = post(alice, body)

    assert (answer.status_code, answer.json()["error"]) in expected
    assert answer.status_code == 400 or answer.json()["error_message"].startswith("mail_smtpserver: ")
    assert OutboundEmail.objects.count() == 0
    assert blocked_connections == []


def test_a_port_that_is_not_allowed_is_not_connected(
    server: ChaosServer, alice: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"ALLOWED_PORTS": [465, 587]}

    answer = post(alice, seed(server))

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert answer.json()["error_message"].startswith("mail_smtpport: ")
    assert server.sessions == 0


def test_a_login_without_encryption_is_refused_before_anything_is_connected(
    plain: ChaosServer, alice: User
) -> None:
    answer = post(alice, seed(plain, mail_smtpssl="0"))

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter")
    assert answer.json()["error_message"].startswith("mail_smtpssl: ")
    assert plain.sessions == 0
    assert OutboundEmail.objects.count() == 0


def test_unless_the_deployment_allows_it(alice: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"ALLOW_PLAIN_LOGIN": True}
    with ChaosServer(credentials={USERNAME: PASSWORD}, auth_in_clear=True) as server:
        answer = post(alice, seed(server, mail_smtpssl="0"))

    assert answer.status_code == 200, answer.content
    assert len(server.auth_attempts) == 1


@pytest.mark.slow
@pytest.mark.one_database  # a server that hangs has nothing to do with it, and each is waited for
@pytest.mark.parametrize(
    ("verb", "action"),
    [("banner", Hang()), ("ehlo", Hang()), ("auth", Hang()), ("ehlo", Slow("250 " + "x" * 500, 0.3))],
    ids=["banner", "ehlo", "auth", "drip"],
)
def test_a_server_that_takes_for_ever_is_waited_for_ten_seconds_at_most(
    server: ChaosServer, alice: User, settings: Settings, verb: str, action: Any
) -> None:
    settings.MAILCONFIG = {key: value for key, value in settings.MAILCONFIG.items() if key != "PROBE_SECONDS"}
    server.on(verb, action)
    since = time.monotonic()

    answer = post(alice, seed(server))

    assert time.monotonic() - since < Timeouts().banner, "no time-out of a single step ended it"
    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")


def note_checks(count: int, *, seconds_ago: float = 30, **values: Any) -> None:
    """So many checks of a while ago."""
    made = ConnectionCheck.objects.bulk_create(
        ConnectionCheck(**{"kind": CheckKind.CONNECTION, "state": CheckState.PASSED, "host": "h", **values})
        for _ in range(count)
    )
    at = timezone.now() - timedelta(seconds=seconds_ago)
    ConnectionCheck.objects.filter(pk__in=[check.pk for check in made]).update(created_at=at)


def login() -> str:
    """The digest by which checks of the stored account's login are counted."""
    return logins.key_of(OutboundEmail.objects.get())


def note_checks_of_tenant(alice: User) -> None:
    """All that a tenant may make, and of these the tenth that is hers."""
    note_checks(54, tenant=alice.mail_tenants.get())
    note_checks(6, tenant=alice.mail_tenants.get(), requested_by=alice, seconds_ago=90)


@pytest.mark.parametrize(
    "before",
    [
        lambda alice: note_checks(10, requested_by=alice),
        note_checks_of_tenant,
        lambda alice: note_checks(20, requested_by=alice, login=login(), seconds_ago=90),
        lambda alice: note_checks(
            5, requested_by=alice, login=login(),
            state=CheckState.FAILED, stage="login", code="auth_failed", server_text="535 no",
        ),
    ],
    ids=["principal", "tenant", "login", "failed logins"],
)  # fmt: skip
def test_too_many_tries_are_429_with_the_time_to_wait(
    server: ChaosServer, alice: User, before: Callable[[User], None]
) -> None:
    account = stored(server, alice)
    before(alice)

    for answer in (post(alice, seed(server)), put(alice, account, {"name": "New"})):
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
        assert 1 <= int(answer["Retry-After"]) <= 3600
        assert "possible in" in answer.json()["error_message"]
    assert server.sessions == 0
    assert OutboundEmail.objects.get().name != "New"
