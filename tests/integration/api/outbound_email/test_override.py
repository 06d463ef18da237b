"""Own credentials for the system account's server: changing them, and trying some with a test mail."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from mailconfig.models import (
    Account,
    Attempt,
    CheckKind,
    ConnectionCheck,
    Installation,
    Message,
    OutboundEmail,
)
from mailconfig.values import Secret
from tests.bearer import client_of
from tests.integration.api.outbound_email.conftest import (
    OTHER_PASSWORD,
    PASSWORD,
    TEST_URL,
    USERNAME,
    at,
    post,
    put,
    row_of,
    stored,
    stored_override,
    stored_system,
)
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Hang, Reply

pytestmark = pytest.mark.django_db(transaction=True)

TO = "friend@example.net"


def wanted(**values: Any) -> dict[str, Any]:
    """The body of a test; ``...`` leaves a field out."""
    body = {
        "to_address": TO,
        "mail_smtpuser": USERNAME,
        "mail_smtppass": PASSWORD,
        "from_address": "alice@mail.test",
        "name": "Alice",
    }
    return {name: value for name, value in (body | values).items() if value is not ...}


def test_an_override_is_shown_with_the_system_accounts_server(server: ChaosServer, alice: User) -> None:
    stored_system(server)
    override = stored_override(alice)

    record = client_of(alice).get(at(override)).json()

    assert (record["type"], record["user_id"]) == ("system-override", str(alice.pk))
    assert (record["mail_smtpserver"], record["mail_smtpport"]) == ("127.0.0.1", server.port)
    assert (record["mail_smtptype"], record["mail_smtpssl"]) == ("exchange", "1")
    assert (record["mail_smtpuser"], record["mail_smtpauth_req"]) == (USERNAME, True)


def test_its_owner_changes_user_and_password_which_are_proved_with_the_system_server(
    server: ChaosServer, alice: User
) -> None:
    stored_system(server)
    override = stored_override(alice)

    answer = put(alice, override, {"mail_smtpuser": "bar@mail.test", "mail_smtppass": PASSWORD})

    assert answer.status_code == 200, answer.content
    assert answer.json()["mail_smtpuser"] == "bar@mail.test"
    assert answer.json()["mail_smtpserver"] == "127.0.0.1"
    assert server.auth_attempts == [("PLAIN", "bar@mail.test", PASSWORD)]
    assert row_of(override)["host"] == ""


def test_its_answer_may_be_sent_back(server: ChaosServer, alice: User) -> None:
    stored_system(server)
    override = stored_override(alice)
    shown = client_of(alice).get(at(override)).json()
    before = row_of(override)

    answer = put(alice, override, shown)

    assert (answer.status_code, answer.json()) == (200, shown)
    after = row_of(override)
    assert {name for name in after if after[name] != before[name]} <= {
        "revision",
        "updated_at",
        "updated_by_id",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"name": "New"},
        {"type": "user"},
        {"mail_smtptype": "google"},
        {"mail_smtpserver": "localhost"},
        {"mail_smtpport": 25},
        {"mail_smtpauth_req": False},
        {"mail_smtpssl": "2"},
    ],
    ids=str,
)
def test_nothing_else_of_it_may_change(server: ChaosServer, alice: User, change: dict[str, Any]) -> None:
    stored_system(server)
    override = stored_override(alice)
    before = row_of(override)

    answer = put(alice, override, {"mail_smtppass": PASSWORD} | change)

    assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert next(iter(change)) in answer.json()["error_message"]
    assert row_of(override) == before
    assert server.sessions == 0


def test_a_new_user_name_needs_the_password(server: ChaosServer, alice: User) -> None:
    stored_system(server)
    override = stored_override(alice)

    answer = put(alice, override, {"mail_smtpuser": "bar@mail.test"})

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter")
    assert server.sessions == 0


def test_when_the_system_server_moved_the_stored_password_does_not_follow(
    server: ChaosServer, alice: User
) -> None:
    system = stored_system(None, host="old.test")
    override = stored_override(alice)
    system.host, system.port, system.secret = "127.0.0.1", server.port, Secret(PASSWORD)
    system.save()

    answer = put(alice, override, {})
    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert answer.json()["error_message"].startswith("mail_smtppass: ")
    assert server.auth_attempts == []

    assert put(alice, override, {"mail_smtppass": PASSWORD}).status_code == 200


def test_an_override_without_a_system_account_can_be_read_and_not_proved(
    server: ChaosServer, alice: User
) -> None:
    system = stored_system(server)
    override = stored_override(alice)
    Account.objects.filter(pk=system.pk).update(deleted_at=timezone.now(), secret=None)

    assert client_of(alice).get(at(override)).status_code == 200
    answer = put(alice, override, {"mail_smtppass": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")


def test_a_test_mail_goes_through_the_system_server_with_the_credentials_sent(
    server: ChaosServer, alice: User
) -> None:
    stored_system(server)

    answer = post(alice, wanted(user_id=str(alice.pk)), TEST_URL)

    assert (answer.status_code, answer.json()) == (200, {"status": True, "errorMessage": ""}), answer.content
    (received,) = server.messages
    assert (received.mail_from, received.recipients) == ("alice@mail.test", (TO,))
    mail = message_from_bytes(received.data, policy=policy.default)
    assert mail["From"].addresses[0].display_name == "Alice"
    assert server.auth_attempts == [("PLAIN", USERNAME, PASSWORD)]
    check = ConnectionCheck.objects.get()
    assert (check.kind, check.account, check.requested_by) == (CheckKind.TEST_MAIL, None, alice)
    assert (check.recipient, check.username, check.tenant) == (TO, USERNAME, alice.mail_tenants.get())
    assert OutboundEmail.objects.count() == 1, "nothing is stored"
    assert Message.objects.count() == 0


def test_from_is_the_user_name_if_nothing_is_said(server: ChaosServer, alice: User) -> None:
    stored_system(server)

    post(alice, wanted(from_address=..., name=...), TEST_URL)

    assert server.messages[0].mail_from == USERNAME


@pytest.mark.parametrize("username", [USERNAME, "bar@mail.test"])
def test_it_counts_for_the_stored_override_with_the_same_login(
    server: ChaosServer, alice: User, username: str
) -> None:
    stored_system(server)
    override = stored_override(alice)

    assert post(alice, wanted(mail_smtpuser=username), TEST_URL).json()["status"] is True

    attempts = list(Attempt.objects.values_list("account", "outcome"))
    assert attempts == ([(override.pk, "sent")] if username == USERNAME else [])
    assert override.lane.validated_at is None, "other values were tried than those that send"


def test_a_stored_password_is_never_used(server: ChaosServer, alice: User) -> None:
    stored_system(server)
    stored_override(alice)

    for entry, error in ((..., "missing_parameter"), (True, "invalid_parameter"), ("", "missing_parameter"),
                         (None, "missing_parameter"), ("***", "invalid_parameter")):  # fmt: skip
        answer = post(alice, wanted(mail_smtppass=entry), TEST_URL)
        assert (answer.status_code, answer.json()["error"]) == (422, error), entry
        assert answer.json()["error_message"].startswith("mail_smtppass: ")
    assert server.sessions == 0


@pytest.mark.parametrize(
    ("verb", "action"),
    [
        ("banner", Reply.of("554 go away")),
        ("auth", Reply.of("535 5.7.8 no")),
        ("mail", Reply.of("553 5.7.1 not yours")),
        ("rcpt", Reply.of("550 5.1.1 unknown")),
        ("dot", Reply.of("554 5.7.1 spam")),
        ("dot", Close()),
        ("ehlo", Hang()),
    ],
)
def test_a_failure_is_told_in_a_200(
    server: ChaosServer, alice: User, settings: Settings, verb: str, action: Any
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
    stored_system(server)
    server.on(verb, action)

    answer = post(alice, wanted(), TEST_URL)

    assert answer.status_code == 200
    assert answer.json()["status"] is False
    assert answer.json()["errorMessage"]
    assert "5.7" not in answer.json()["errorMessage"], "the server's words are for staff"


def test_staff_reads_the_servers_words(server: ChaosServer, staff: User) -> None:
    stored_system(server)
    server.on("auth", Reply.of(f"535 5.7.8 no {OTHER_PASSWORD}"))

    told = post(staff, wanted(mail_smtppass=OTHER_PASSWORD), TEST_URL).json()["errorMessage"]

    assert "535 5.7.8" in told
    assert OTHER_PASSWORD not in told


def test_without_a_system_account_it_says_so(alice: User) -> None:
    answer = post(alice, wanted(), TEST_URL)

    assert answer.status_code == 200
    assert answer.json()["status"] is False
    assert "no system account" in answer.json()["errorMessage"]


def test_somebody_elses_credentials_are_a_superusers_affair(
    server: ChaosServer, alice: User, bob: User, root: User
) -> None:
    stored_system(server)

    for user_id in (str(bob.pk), "999999", "x", "1" * 40):
        answer = post(alice, wanted(user_id=user_id), TEST_URL)
        assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert server.sessions == 0
    assert post(root, wanted(user_id=str(alice.pk)), TEST_URL).json()["status"] is True
    answer = post(root, wanted(user_id="999999"), TEST_URL)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to_address", "nobody"),
        ("to_address", "a@b.test\r\nBcc: x@y.test"),
        ("to_address", "a@b.test,c@d.test"),
        ("to_address", "<a@b.test>"),
        ("to_address", "a@b.test\n"),
        ("to_address", ["a@b.test"]),
        ("from_address", "ü@b.test"),
        ("from_address", "a@b.test\nx"),
        ("mail_smtpuser", "a\r\nb"),
        ("mail_smtpuser", "u" * 256),
        ("mail_smtpuser", 1),
        ("mail_smtppass", "a\r\nb"),
        ("mail_smtppass", 1),
        ("name", "a\nb"),
        ("name", "n" * 256),
        ("user_id", {"a": 1}),
    ],
)
def test_bad_input_connects_nowhere(server: ChaosServer, alice: User, field: str, value: object) -> None:
    stored_system(server)

    answer = post(alice, wanted(**{field: value}), TEST_URL)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter"), answer.content
    assert answer.json()["error_message"].startswith(f"{field}: ")
    assert server.sessions == 0
    assert ConnectionCheck.objects.count() == 0


def test_what_is_missing_is_named(alice: User) -> None:
    answer = post(alice, {}, TEST_URL)

    assert (answer.status_code, answer.json()["error"]) == (422, "missing_parameter")
    for name in ("to_address", "mail_smtpuser", "mail_smtppass"):
        assert f"{name}: " in answer.json()["error_message"]


def test_ten_test_mails_an_hour(server: ChaosServer, alice: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"TEST_MAILS_PER_HOUR": 2}
    stored_system(server)

    answers = [post(alice, wanted(), TEST_URL) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["error"] == "too_many_requests"
    assert int(answers[2]["Retry-After"]) > 3000
    assert len(server.messages) == 2


def test_a_copied_database_sends_none(server: ChaosServer, alice: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"INSTALLATION_ID": "copy"}
    Installation.objects.create(name="original")
    stored_system(server)

    answer = post(alice, wanted(), TEST_URL)

    assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
    assert server.sessions == 0


def test_a_users_own_account_with_that_name_is_no_override(server: ChaosServer, alice: User) -> None:
    stored_system(server)
    stored(server, alice)

    assert post(alice, wanted(), TEST_URL).json()["status"] is True
    assert Attempt.objects.count() == 0


def test_a_relay_that_asks_nobody_lets_nobody_use_the_systems_name(plain: ChaosServer, alice: User) -> None:
    """Without a login the credentials would never be tried, and the From of anybody's choice would be sent."""
    stored_system(plain, security="none", authentication="none", secret=None)

    answer = post(alice, wanted(), url=TEST_URL)

    assert (answer.status_code, answer.json()["status"]) == (200, False)
    assert plain.messages == []
