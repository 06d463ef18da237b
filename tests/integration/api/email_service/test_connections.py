"""Test mails with what is stored or supplied, and credentials that are tried out."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.models import Account, ConnectionCheck, Installation, Lane, Message, Tenant, TenantMailConfig
from tests.integration.api.email_service.calls import (
    LOGIN,
    PASSWORD,
    call,
    configure,
    said,
    send,
    server_of,
    validate,
)
from tests.integration.api.email_service.calls import ask_test_mail as ask
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Endless, Hang, Reply

pytestmark = pytest.mark.django_db(transaction=True)

SENT = "The test mail was accepted by the mail server."
WORKS = "The connection works."


@pytest.fixture
def other(certificates: Certificates) -> Iterator[ChaosServer]:
    """Another server, with another login."""
    with ChaosServer(
        tls=certificates.good, starttls=True, credentials={"me@acme.example": "other"}
    ) as server:
        yield server


@pytest.fixture
def relay() -> Iterator[ChaosServer]:
    """A server without TLS or login."""
    with ChaosServer() as server:
        yield server


def stored() -> list[tuple[Any, ...]]:
    """All accounts and lanes, whole."""
    return [*Account.objects.values_list(), *Lane.objects.values_list()]


def refused(answer: Any) -> tuple[str, str, str]:
    """Code, stage and message of what the mail server said no to."""
    assert answer.status_code == 422, answer.content
    body = answer.json()
    assert set(body) == {"message", "code", "stage"}
    return body["code"], body["stage"], body["message"]


class TestStored:
    """What is not said is taken from the stored configuration."""

    def test_nothing_said_all_is_stored(
        self, alice: User, config: TenantMailConfig, server: ChaosServer
    ) -> None:
        before = stored()

        assert said(ask(alice), 200) == SENT

        (received,) = server.messages
        mail = message_from_bytes(received.data, policy=policy.default)
        assert (received.recipients, str(mail["From"])) == (
            ("someone@example.net",),
            "Acme <noreply@acme.example>",
        )
        assert server.auth_attempts == [("PLAIN", LOGIN, PASSWORD)]
        assert stored() == before

    def test_it_counts_in_the_limits_of_the_configuration(
        self, alice: User, config: TenantMailConfig
    ) -> None:
        said(ask(alice, from_name="Other"), 200)

        assert Message.objects.get().account_id == config.pk
        assert Message.objects.get().is_test

    def test_another_name_and_address_go_with_the_stored_password(
        self, alice: User, config: TenantMailConfig, server: ChaosServer
    ) -> None:
        said(ask(alice, from_name="Büro", from_address="office@acme.example"), 200)

        mail = message_from_bytes(server.messages[0].data, policy=policy.default)
        assert str(mail["From"]) == "Büro <office@acme.example>"
        assert server.auth_attempts == [("PLAIN", LOGIN, PASSWORD)]

    def test_the_stored_server_said_again_is_the_stored_one(
        self, alice: User, acme: Tenant, server: ChaosServer
    ) -> None:
        configure(acme, server, host="localhost")

        said(ask(alice, smtp_host="LocalHost", smtp_port=str(server.port), smtp_user=LOGIN), 200)

        assert server.auth_attempts == [("PLAIN", LOGIN, PASSWORD)]

    def test_a_disabled_or_paused_configuration_can_be_tested_and_stays_so(
        self, alice: User, config: TenantMailConfig
    ) -> None:
        TenantMailConfig.objects.update(is_enabled=False)
        Lane.objects.update(wait_reason="paused_login", wait_since="2026-01-01T00:00Z")

        said(ask(alice), 200)

        assert Lane.objects.get().wait_reason == "paused_login"
        assert not TenantMailConfig.objects.get().is_enabled

    def test_without_a_configuration_there_is_nothing_to_take_from(
        self, alice: User, relay: ChaosServer
    ) -> None:
        for values in (
            {},
            {"smtp_host": "127.0.0.1"},
            {"smtp_port": "25", "from_address": "a@acme.example"},
            {**server_of(relay)},
            {**server_of(relay), "smtp_user": "mailer", "smtp_pass": "x"},
        ):
            assert said(ask(alice, **values), 409) == "The tenant has no mail configuration."
        assert not relay.sessions
        assert not ConnectionCheck.objects.exists()


class TestSupplied:
    """What is said counts; the stored password goes nowhere but to its own server."""

    def test_a_whole_connection_needs_no_configuration(self, alice: User, other: ChaosServer) -> None:
        said(ask(alice, **server_of(other), smtp_user="me@acme.example", smtp_pass="other"), 200)

        assert other.auth_attempts == [("PLAIN", "me@acme.example", "other")]
        assert other.messages[0].mail_from == "me@acme.example"
        assert not Account.objects.exists()
        assert not Message.objects.exists()

    @pytest.mark.parametrize(
        "move",
        [
            ("host",),
            ("port",),
            ("user",),
            ("host", "port"),
            ("port", "user"),
            ("host", "port", "user"),
            ("pass",),
        ],
        ids=str,
    )
    def test_the_stored_password_stays_at_home(
        self,
        alice: User,
        config: TenantMailConfig,
        server: ChaosServer,
        other: ChaosServer,
        move: tuple[str, ...],
    ) -> None:
        values = {"host": "localhost", "port": str(other.port), "user": "me@acme.example", "pass": ""}

        message = said(ask(alice, **{f"smtp_{name}": values[name] for name in move}), 400)

        assert message.startswith("smtp_pass: ")
        assert not server.sessions
        assert not other.sessions

    def test_another_server_with_its_own_login_is_tried_and_forgotten(
        self, alice: User, config: TenantMailConfig, server: ChaosServer, other: ChaosServer
    ) -> None:
        before = stored()

        said(ask(alice, **server_of(other), smtp_user="me@acme.example", smtp_pass="other"), 200)

        assert (len(other.messages), server.sessions) == (1, 0)
        assert stored() == before
        assert not Message.objects.exists(), "it counts in no limit of the stored configuration"

    def test_without_a_user_name_nobody_logs_in(
        self, alice: User, config: TenantMailConfig, relay: ChaosServer
    ) -> None:
        said(ask(alice, **server_of(relay), smtp_user=""), 200)

        assert relay.auth_attempts == []

    def test_a_password_without_a_user_name_is_refused(
        self, alice: User, acme: Tenant, relay: ChaosServer
    ) -> None:
        configure(acme, relay, username="", secret=None, authentication="none")

        assert said(ask(alice, smtp_pass="x"), 400).startswith("smtp_user: ")
        assert not relay.sessions

    def test_a_user_name_alone_needs_its_password(
        self, alice: User, acme: Tenant, relay: ChaosServer
    ) -> None:
        configure(acme, relay, username="", secret=None, authentication="none", security="none")

        assert said(ask(alice, smtp_user="me"), 400).startswith("smtp_pass: ")
        said(ask(alice), 200)

    def test_a_login_at_a_new_server_is_never_made_in_the_clear(
        self, alice: User, config: TenantMailConfig, settings: Settings
    ) -> None:
        with ChaosServer(credentials={LOGIN: PASSWORD}, auth_in_clear=True) as server:
            values = {**server_of(server), "smtp_pass": PASSWORD}
            code, stage, message = refused(ask(alice, **values))
            assert (code, stage) == ("auth_failed", "login")
            assert message.startswith("smtp_port: ")
            assert server.auth_attempts == []

            settings.MAILCONFIG |= {"ALLOW_PLAIN_LOGIN": True}
            said(ask(alice, **values), 200)

    def test_port_465_is_tls_from_the_first_byte(self, alice: User, config: TenantMailConfig) -> None:
        """Nobody listens there; what was tried tells."""
        refused(ask(alice, smtp_port="465", smtp_pass="x"))

        stages = [stage["stage"] for stage in ConnectionCheck.objects.get().stages]
        assert ConnectionCheck.objects.get().port == 465
        assert stages.index("tls") < stages.index("ehlo")

    @pytest.mark.parametrize("address", ["me@localhost.localdomain", "me@mail.localhost"])
    def test_a_tenants_mail_comes_from_no_localhost(
        self, alice: User, config: TenantMailConfig, address: str
    ) -> None:
        assert said(ask(alice, from_address=address), 400).startswith("from_address: ")

    def test_two_ways_to_log_in_at_once_are_refused(self, alice: User, config: TenantMailConfig) -> None:
        app = {"tenant_id": "contoso.example", "client_id": "6d8b1b0c", "client_secret": "x"}

        assert said(ask(alice, microsoft_auth=app, smtp_pass="x"), 400).startswith("smtp_pass: ")


class TestRefusals:
    """What the mail server does is told, and no fault of ours."""

    @pytest.mark.parametrize(
        ("verb", "action", "code"),
        [
            ("banner", Reply.of("554 go away"), "connect_failed"),
            ("banner", Endless(), "protocol_error"),
            ("auth", Reply.of("535 5.7.8 no"), "auth_failed"),
            ("mail", Reply.of("550 5.7.1 not you"), "sender_refused"),
            ("rcpt", Reply.of("550 5.1.1 unknown"), "recipient_refused"),
            ("dot", Close(), "connect_failed"),
            ("dot", Hang(), "timeout"),
        ],
        ids=str,
    )
    def test_a_servers_no_is_a_422_with_code_and_stage(
        self,
        alice: User,
        config: TenantMailConfig,
        server: ChaosServer,
        settings: Settings,
        verb: str,
        action: Any,
        code: str,
    ) -> None:
        settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
        server.on(verb, action)

        found, stage, message = refused(ask(alice))

        assert (found, bool(stage)) == (code, True)
        assert not any(word in message for word in ("554", "550", "go away", "not you"))

    def test_staff_reads_the_servers_own_words(
        self, alice: User, config: TenantMailConfig, server: ChaosServer
    ) -> None:
        server.on("auth", Reply.of(f"535 5.7.8 {PASSWORD} is wrong at inner-7"))
        told = refused(ask(alice))[2]
        User.objects.update(is_staff=True)
        to_staff = refused(ask(User.objects.get(pk=alice.pk)))[2]

        assert "inner-7" not in told
        assert "inner-7" in to_staff
        assert PASSWORD not in told + to_staff

    def test_test_mails_are_throttled_with_those_of_all_surfaces(
        self, alice: User, config: TenantMailConfig, settings: Settings, server: ChaosServer
    ) -> None:
        settings.MAILCONFIG |= {"TEST_MAILS_PER_HOUR": 1}
        said(ask(alice), 200)

        for headers in ({}, {"Prefer": "respond-async"}):
            answer = call(alice, "POST", "send-test-email", {"email": "a@example.net"}, **headers)
            said(answer, 429)
            assert 0 < int(answer["Retry-After"]) <= 3600
        assert len(server.messages) == 1

    def test_a_copied_database_sends_nothing(
        self, alice: User, config: TenantMailConfig, settings: Settings, server: ChaosServer
    ) -> None:
        settings.MAILCONFIG |= {"INSTALLATION_ID": "copy"}
        Installation.objects.create(name="original")

        said(ask(alice), 503)
        said(send(alice), 202)
        assert not server.sessions


class TestLater:
    """What is stored can be tested by a worker."""

    def test_a_worker_sends_it_and_who_asked_reads_how_it_went(
        self, alice: User, bob: User, config: TenantMailConfig, server: ChaosServer
    ) -> None:
        Lane.objects.update(wait_reason="paused_login", wait_since="2026-01-01T00:00Z")
        body = {"email": "a@example.net"}
        answer = call(alice, "POST", "send-test-email", body, Prefer="respond-async")
        assert (answer.status_code, answer["Preference-Applied"]) == (202, "respond-async")
        assert not server.sessions

        delivery.run_check(check_id=ConnectionCheck.objects.get().pk)

        assert len(server.messages) == 1
        told = call(alice, "GET", answer["Location"]).json()
        assert (told["state"], told["message"]) == ("passed", SENT)
        assert call(bob, "GET", answer["Location"]).status_code == 404
        assert Lane.objects.get().wait_reason == "paused_login", "who asked may not end a pause"

    def test_a_failure_names_the_field_of_this_surface(
        self, alice: User, config: TenantMailConfig, server: ChaosServer
    ) -> None:
        server.credentials = {}
        body = {"email": "a@example.net"}
        answer = call(alice, "POST", "send-test-email", body, Prefer="respond-async")
        delivery.run_check(check_id=ConnectionCheck.objects.get().pk)

        assert call(alice, "GET", answer["Location"]).json()["field"] in {"smtp_pass", "smtp_user"}

    def test_where_only_workers_connect_nothing_supplied_is_tried(
        self, alice: User, config: TenantMailConfig, settings: Settings, server: ChaosServer
    ) -> None:
        settings.MAILCONFIG |= {"CHECKS_AT_ONCE": 0}

        assert ask(alice).status_code == 202
        said(ask(alice, smtp_pass=PASSWORD), 503)
        said(validate(alice, server), 503)
        assert not server.sessions


class TestCredentials:
    """A check of its own, of nothing that is stored."""

    def test_right_ones_succeed_and_leave_nothing(
        self, alice: User, config: TenantMailConfig, other: ChaosServer, server: ChaosServer
    ) -> None:
        before = stored()

        answer = validate(alice, other, smtp_user="me@acme.example", smtp_pass="other")

        assert (answer.status_code, answer.json()) == (200, {"success": True, "message": WORKS})
        assert other.auth_attempts == [("PLAIN", "me@acme.example", "other")]
        assert "MAIL" not in other.verbs()
        assert not server.sessions
        assert stored() == before

    def test_wrong_ones_are_a_check_that_was_made(self, alice: User, other: ChaosServer) -> None:
        answer = validate(alice, other, smtp_user="me@acme.example", smtp_pass="wrong")

        assert answer.status_code == 200
        assert answer.json()["success"] is False
        assert set(answer.json()) == {"success", "message"}
        assert answer.json()["message"].startswith(("smtp_pass: ", "smtp_user: "))

    def test_a_server_that_wants_no_login(self, alice: User, relay: ChaosServer) -> None:
        for values in ({}, {"smtp_user": "", "smtp_pass": ""}):
            assert validate(alice, relay, **values).json() == {"success": True, "message": WORKS}

    @pytest.mark.parametrize("verb", ["banner", "ehlo"])
    def test_a_server_that_misbehaves_is_no_fault_of_ours(
        self, alice: User, relay: ChaosServer, verb: str
    ) -> None:
        relay.on(verb, Close())

        answer = validate(alice, relay)

        assert (answer.status_code, answer.json()["success"]) == (200, False)

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"smtp_user": "me"}, "smtp_pass"),
            ({"smtp_user": "me", "smtp_pass": ""}, "smtp_pass"),
            ({"smtp_pass": "x"}, "smtp_user"),
            ({"smtp_port": 25}, "smtp_port"),
            ({"smtp_host": "10.0.0.1"}, "smtp_host"),
            ({"smtp_host": "169.254.169.254"}, "smtp_host"),
            ({"from_address": "a@acme.example"}, "from_address"),
            ({"microsoft_auth": {}}, "microsoft_auth"),
        ],
        ids=str,
    )
    def test_half_a_login_or_an_unknown_field_is_malformed(
        self, alice: User, relay: ChaosServer, values: dict[str, Any], field: str
    ) -> None:
        assert said(validate(alice, relay, **values), 400).startswith(f"{field}: ")
        assert not relay.sessions

    def test_nothing_missing_is_taken_from_what_is_stored(
        self, alice: User, config: TenantMailConfig
    ) -> None:
        assert "smtp_host: " in said(validate(alice, smtp_user=LOGIN), 400)
        assert "smtp_port: " in said(validate(alice, smtp_host="127.0.0.1"), 400)

    def test_a_blocked_name_is_not_told_from_one_that_leads_nowhere(
        self, alice: User, relay: ChaosServer, settings: Settings
    ) -> None:
        settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}
        answers = [
            validate(alice, relay, smtp_host=host).json() for host in ("localhost", "no-such-host.invalid")
        ]

        assert answers[0] == answers[1]
        assert (answers[0]["success"], relay.sessions) == (False, 0)

    def test_guesses_are_counted(self, alice: User, other: ChaosServer) -> None:
        wrong = {"smtp_user": "me@acme.example", "smtp_pass": "wrong"}
        answers = [validate(alice, other, **wrong) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert len(other.auth_attempts) <= 10
