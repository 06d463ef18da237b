"""Mail that goes out through a tenant's configuration, and what the sink sees of it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.models import Account, ConnectionCheck, Installation, Message, MessageState
from tests.factories import make_email
from tests.integration.api.tenant_config.calls import (
    NO_CONFIG,
    NO_USER,
    OK,
    SENT,
    TEST,
    Route,
    body_of,
    config_of,
    relay,
)
from tests.integration.api.tenant_config.conftest import PASSWORD, USERNAME
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer, ReceivedMessage
from tests.servers.faults import Close, Endless, Hang, Raw, Reply, Reset

pytestmark = pytest.mark.django_db(transaction=True)


def submission(server: ChaosServer, **values: Any) -> dict[str, Any]:
    """A configuration for a server with STARTTLS and a login."""
    return relay(server, starttls="true", ssl="false", user=USERNAME, password=PASSWORD, **values)


def mail_in(received: ReceivedMessage) -> EmailMessage:
    return message_from_bytes(received.data, policy=policy.default)


def failed(answer: Any) -> str:
    """The message of a test mail that failed."""
    assert (answer.status_code, body_of(answer)["status"]) == (400, "MAIL_SEND_FAILED"), answer.content
    message: str = body_of(answer)["message"]
    return message


class TestIdentity:
    """From with its name, Reply-To, and who gets the bounces."""

    def assert_identity(self, received: ReceivedMessage) -> None:
        mail = mail_in(received)
        assert received.mail_from == "bounces@acme.example"
        (sender,) = mail["From"].addresses
        assert (sender.display_name, sender.addr_spec) == ("Büro Acme", "noreply@acme.example")
        (answers,) = mail["Reply-To"].addresses
        assert (answers.display_name, answers.addr_spec) == ("Acme, answers", "answers@acme.example")

    def test_a_test_mail_has_it(self, route: Route, alice: User, starttls: ChaosServer) -> None:
        route.configure(alice, submission(starttls))

        answer = route.send_test(alice)

        assert (answer.status_code, body_of(answer)) == (200, SENT)
        (received,) = starttls.messages
        assert received.recipients == (alice.email,)
        self.assert_identity(received)
        assert starttls.auth_attempts == [("PLAIN", USERNAME, PASSWORD)]

    def test_queued_mail_has_it(self, route: Route, alice: User, starttls: ChaosServer) -> None:
        route.configure(alice, submission(starttls))
        config = config_of()
        delivery.enqueue(make_email(to=["customer@example.net"]), account=config)

        delivery.drain_account(account_id=config.pk)

        assert Message.objects.get().state == MessageState.SENT
        (received,) = starttls.messages
        assert received.recipients == ("customer@example.net",)
        self.assert_identity(received)

    def test_mail_queued_before_a_change_goes_out_by_the_new_server(
        self, route: Route, alice: User, plain: ChaosServer, starttls: ChaosServer
    ) -> None:
        route.configure(alice, submission(starttls))
        config = config_of()
        delivery.enqueue(make_email(), account=config)
        assert body_of(route.configure(alice, relay(plain, user="", password=""))) == OK

        delivery.drain_account(account_id=config.pk)

        assert len(plain.messages) == 1
        assert starttls.sessions == 0

    @pytest.mark.parametrize("queued", [True, False], ids=["queued", "test"])
    def test_without_names_and_bounce_address_the_from_address_stands_for_all(
        self, route: Route, alice: User, plain: ChaosServer, queued: bool
    ) -> None:
        names = {"fromDisplayName": "", "replyTo": "", "replyToDisplayName": "", "envelopeFrom": ""}
        route.configure(alice, relay(plain, **names))

        if queued:
            delivery.enqueue(make_email(), account=config_of())
            delivery.drain_account(account_id=config_of().pk)
        else:
            route.send_test(alice)

        (received,) = plain.messages
        mail = mail_in(received)
        assert received.mail_from == "noreply@acme.example"
        assert str(mail["From"]) == "noreply@acme.example"
        assert mail["Reply-To"] is None


class TestEncryption:
    """The two switches, and logins."""

    def test_ssl_is_tls_from_the_first_byte(
        self, route: Route, alice: User, certificates: Certificates
    ) -> None:
        with ChaosServer(tls=certificates.good, credentials={USERNAME: PASSWORD}) as server:
            route.configure(alice, submission(server) | {"ssl": True})
            assert body_of(route.send_test(alice)) == SENT

        assert len(server.messages) == 1

    def test_starttls_is_required_where_it_was_chosen(
        self, route: Route, alice: User, plain: ChaosServer
    ) -> None:
        route.configure(alice, relay(plain, starttls="true"))

        assert failed(route.send_test(alice)).startswith("starttls: The server offers no STARTTLS.")
        assert plain.messages == []

    def test_with_neither_it_is_used_where_the_server_offers_it(
        self, route: Route, alice: User, starttls: ChaosServer
    ) -> None:
        route.configure(alice, submission(starttls) | {"starttls": "false"})

        assert body_of(route.send_test(alice)) == SENT
        assert "STARTTLS" in starttls.verbs()

    def test_with_neither_a_relay_without_it_gets_mail(
        self, route: Route, alice: User, plain: ChaosServer
    ) -> None:
        route.configure(alice, relay(plain))

        assert body_of(route.send_test(alice)) == SENT
        assert "STARTTLS" not in plain.verbs()

    def test_no_password_is_sent_in_the_clear_unless_the_deployment_allows_it(
        self, route: Route, alice: User, settings: Settings
    ) -> None:
        with ChaosServer(credentials={USERNAME: PASSWORD}, auth_in_clear=True) as server:
            route.configure(alice, submission(server) | {"starttls": "false"})
            message = failed(route.send_test(alice))
            assert message.startswith("starttls: The connection is not encrypted: the password was not sent.")
            assert server.auth_attempts == []

            settings.MAILCONFIG |= {"ALLOW_PLAIN_LOGIN": True}
            assert body_of(route.send_test(alice)) == SENT

    def test_without_a_user_nobody_logs_in(self, route: Route, alice: User, starttls: ChaosServer) -> None:
        route.configure(alice, submission(starttls) | {"user": ""})

        assert body_of(route.send_test(alice)) == SENT
        assert starttls.auth_attempts == []


class TestRefusals:
    """What a test mail answers when nothing goes out."""

    def test_there_is_nothing_to_test_before_there_is_a_configuration(
        self, route: Route, alice: User
    ) -> None:
        answer = route.send_test(alice)

        assert (answer.status_code, body_of(answer)) == (404, NO_CONFIG)

    def test_a_deleted_configuration_is_none(self, route: Route, alice: User, plain: ChaosServer) -> None:
        route.configure(alice, relay(plain))
        delivery.delete_account(account_id=config_of().pk, by=None)

        assert body_of(route.send_test(alice)) == NO_CONFIG

    @pytest.mark.parametrize(
        "email", ["", "nowhere", "a@b.example,c@d.example", "ü@acme.example", "a@b.example\nBcc: c@d.example"]
    )
    @pytest.mark.parametrize("headers", [{}, {"HTTP_PREFER": "respond-async"}], ids=["now", "later"])
    def test_a_caller_without_an_address_does_not_exist(
        self, route: Route, alice: User, plain: ChaosServer, email: str, headers: dict[str, str]
    ) -> None:
        route.configure(alice, relay(plain))
        User.objects.filter(pk=alice.pk).update(email=email)

        answer = route.send_test(alice, **headers)

        assert (answer.status_code, body_of(answer)) == (404, NO_USER)
        assert plain.sessions == 0
        assert not ConnectionCheck.objects.exists()

    def test_nobody_else_can_be_mailed(self, route: Route, alice: User, plain: ChaosServer) -> None:
        route.configure(alice, relay(plain))

        route.send_test(
            alice, TEST | {"to": "x@y.example", "email": "x@y.example", "recipient": "x@y.example"}
        )

        assert [received.recipients for received in plain.messages] == [(alice.email,)]

    def test_a_wrong_password_is_told_in_our_words_and_to_staff_in_the_servers(
        self, route: Route, alice: User, root: User, starttls: ChaosServer
    ) -> None:
        starttls.on("auth", Reply.of(f"535 5.7.8 no such login {PASSWORD} at inner-7"))
        route.configure(alice, submission(starttls))

        message = failed(route.send_test(alice))
        told = failed(route.send_test(root))

        assert message.startswith(("password: ", "user: "))
        assert "inner-7" not in message
        assert told.startswith(message)
        assert "535 5.7.8" in told
        assert PASSWORD not in told

    @pytest.mark.parametrize(
        ("verb", "action"),
        [
            ("banner", Reply.of("554 go away")),
            ("banner", Close()),
            ("banner", Raw(b"\x00\xff\x00" * 50 + b"\r\n")),
            ("banner", Endless()),
            ("ehlo", Reply.of("421 4.3.2 later")),
            ("ehlo", Reset()),
            ("mail", Reply.of("550 5.7.1 not you")),
            ("rcpt", Reply.of("550 5.1.1 unknown")),
            ("rcpt", Reply.of("450 4.2.0 greylisted")),
            ("data", Reply.of("554 5.7.1 no")),
            ("dot", Reply.of("554 5.7.1 spam")),
            ("dot", Close()),
            ("dot", Hang()),
        ],
        ids=str,
    )
    def test_a_servers_misbehaviour_is_a_400_and_no_fault_of_ours(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings, verb: str, action: Any
    ) -> None:
        settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
        plain.on(verb, action)
        route.configure(alice, relay(plain))

        message = failed(route.send_test(alice))

        assert not any(word in message for word in ("554", "550", "450", "421", "go away", "unknown", "spam"))

    def test_a_name_that_leads_inside_is_not_told_from_one_that_leads_nowhere(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings
    ) -> None:
        settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}
        told = []
        for host in ("localhost", "no-such-host.invalid"):
            assert body_of(route.configure(alice, relay(plain) | {"host": host})) == OK
            told.append(failed(route.send_test(alice)))

        assert plain.sessions == 0
        assert (
            told[0]
            == told[1]
            == ("host: No connection to the server could be made. Check the name of the server and the port.")
        )

    def test_a_literal_that_was_allowed_once_is_not_connected_to(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings
    ) -> None:
        route.configure(alice, relay(plain))
        settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}

        assert failed(route.send_test(alice)).startswith("host: ")
        assert plain.sessions == 0

    def test_a_port_that_the_deployment_forbids_is_not_connected_to(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings
    ) -> None:
        settings.MAILCONFIG |= {"ALLOWED_PORTS": [25, 587]}
        route.configure(alice, relay(plain))

        assert failed(route.send_test(alice)).startswith("port: Connections to this port are not allowed.")
        assert plain.sessions == 0

    def test_too_many_are_429_and_say_when(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings
    ) -> None:
        settings.MAILCONFIG |= {"TEST_MAILS_PER_HOUR": 2}
        route.configure(alice, relay(plain))
        for _number in range(2):
            assert body_of(route.send_test(alice)) == SENT

        for headers in ({}, {"HTTP_PREFER": "respond-async"}):
            answer = route.send_test(alice, **headers)
            assert (answer.status_code, body_of(answer)["status"]) == (429, "TOO_MANY_REQUESTS")
            assert 0 < int(answer["Retry-After"]) <= 3600
            assert "minutes" in body_of(answer)["message"]

        assert len(plain.messages) == 2

    def test_a_copied_database_sends_nothing(
        self, route: Route, alice: User, plain: ChaosServer, settings: Settings
    ) -> None:
        route.configure(alice, relay(plain))
        settings.MAILCONFIG |= {"INSTALLATION_ID": "copy"}
        Installation.objects.create(name="original")

        answer = route.send_test(alice)

        assert (answer.status_code, body_of(answer)["status"]) == (503, "SERVICE_UNAVAILABLE")
        assert plain.sessions == 0

    def test_a_disabled_configuration_can_be_tested(
        self, route: Route, alice: User, plain: ChaosServer
    ) -> None:
        route.configure(alice, relay(plain))
        Account.objects.update(is_enabled=False)

        assert body_of(route.send_test(alice)) == SENT

    def test_the_hosts_transactions_are_not_held_while_a_server_answers(
        self, route: Route, alice: User, plain: ChaosServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
        route.configure(alice, relay(plain))

        assert body_of(route.send_test(alice)) == SENT

    def test_the_password_is_in_no_log(
        self, route: Route, alice: User, starttls: ChaosServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        starttls.credentials = {}
        route.configure(alice, submission(starttls))
        route.configure(alice, submission(starttls) | {"port": "x"})
        failed(route.send_test(alice))

        assert caplog.records
        assert PASSWORD not in caplog.text
