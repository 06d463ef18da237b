"""The test mail: arrives, is recorded and counted, and waits for nothing."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mailconfig import testing
from mailconfig.delivery import send_test_mail, send_test_of_values
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import usage
from mailconfig.exceptions import NoAccount, WrongInstallation
from mailconfig.models import (
    Account,
    Attempt,
    ConnectionCheck,
    Installation,
    Lane,
    Message,
    MessageState,
    Tenant,
    WaitReason,
)
from mailconfig.values import Secret
from tests.factories import body_of
from tests.integration.delivery.accounts.conftest import USERNAME, new_account, stored_account
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Hang, Reply, Reset

pytestmark = pytest.mark.django_db(transaction=True)

TO = "friend@example.net"


def test_a_test_mail_arrives_and_says_who_asked(starttls: ChaosServer, staff: User) -> None:
    account = stored_account(starttls, name="Büro", from_name="Büro", reply_to_email="r@mail.test")

    check = send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    (received,) = starttls.messages
    assert check.ok
    assert [stage["stage"] for stage in check.stages if stage["outcome"] != "ok"] == []
    assert (received.mail_from, received.recipients) == ("me@mail.test", (TO,))
    mail = message_from_bytes(received.data, policy=policy.default)
    assert mail["From"].addresses[0].display_name == "Büro"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "alice" in text
    assert "Büro" in text
    assert str(timezone.now().year) in text


def test_it_is_recorded_and_counted(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain, limit_per_day=100)

    send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    message = Message.objects.get()
    assert (message.is_test, message.state, body_of(message)) == (True, MessageState.SENT, None)
    assert message.recipients.get().address == TO
    attempt = Attempt.objects.get()
    assert (attempt.message, attempt.outcome, attempt.recipients) == (message, "sent", 1)
    assert attempt.handed_over_at is not None
    assert attempt.ended_at is not None
    assert attempt.started_at <= attempt.handed_over_at <= attempt.ended_at
    (used,) = usage([account], now=database_now())[account.pk]
    assert used.used == 1
    assert account.lane.last_success_at is not None


def test_it_waits_for_no_limit(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain, limit_per_day=0)

    assert send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff).ok


def test_it_is_committed_as_handed_over_before_the_dot(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    seen: list[tuple[str, int]] = []

    def look(_line: str) -> bool:
        under_way = Message.objects.get().under_way
        assert under_way
        seen.append((Message.objects.get().shown_state, under_way.recipients))
        connection.close()
        return False

    plain.on("dot", Close(), when=look)

    assert send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff).ok

    assert seen == [("handing_over", 1)]


def test_what_may_have_been_accepted_counts_and_is_not_tried_again(plain: ChaosServer, staff: User) -> None:
    plain.on("dot", Close(), accept=True)

    check = send_test_mail(account_id=stored_account(plain).pk, recipient=TO, requested_by=staff)

    assert (check.state, check.stage) == ("failed", "dot")
    assert check.message == "maybe_sent"
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.recipients) == ("unknown", 1)
    assert Message.objects.get().state == MessageState.FAILED


@pytest.mark.parametrize(
    ("verb", "action", "stage", "code", "outcome", "counted"),
    [
        ("banner", Reply.of("554 go away"), "connect", "connect_failed", "lost", 0),
        ("mail", Reply.of("550 5.7.1 not you"), "sender", "sender_refused", "refused", 0),
        ("rcpt", Reply.of("550 5.1.1 unknown"), "recipient", "recipient_refused", "refused", 0),
        ("rcpt", Reply.of("450 4.2.0 greylisted"), "recipient", "recipient_refused", "refused", 0),
        ("data", Reply.of("554 5.7.1 no"), "dot", "sender_refused", "refused", 0),
        ("dot", Reply.of("554 5.7.1 spam"), "dot", "sender_refused", "refused", 1),
        ("dot", Reply.of("452 4.3.1 full"), "dot", "sender_refused", "refused", 1),
        ("rcpt", Reset(), "recipient", "connect_failed", "lost", 0),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "lockstep"])
def test_a_refusal_is_the_end_of_it(
    staff: User,
    pipelining: bool,
    verb: str,
    action: Any,
    stage: str,
    code: str,
    outcome: str,
    counted: int,
) -> None:
    with ChaosServer(pipelining=pipelining) as server:
        server.on(verb, action)
        account = stored_account(server)
        check = send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    if not isinstance(action, Reset):  # with PIPELINING the loss may be noticed one reply earlier
        assert check.stage == stage
    assert (check.state, check.code) == ("failed", code)
    assert Message.objects.get().state == MessageState.FAILED
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.recipients) == (outcome, counted)
    assert server.messages == []


def test_a_server_that_hangs_at_the_dot_is_waited_for_no_longer_than_a_probe(
    plain: ChaosServer, staff: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 1.0}
    plain.on("dot", Hang(), accept=True)

    check = send_test_mail(account_id=stored_account(plain).pk, recipient=TO, requested_by=staff)

    assert (check.code, check.stage) == ("timeout", "dot")
    assert Attempt.objects.get().outcome == "unknown"


def test_disabled_and_paused_accounts_send_it_and_the_pause_ends(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain, is_enabled=False)
    Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now(), due_at=None)

    assert send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff).ok

    lane = account.lane
    assert lane.wait_reason == ""
    assert lane.validated_at is not None
    assert lane.due_at is not None


def test_a_redirected_deployment_sends_it_elsewhere(
    plain: ChaosServer, staff: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"REDIRECT_ALL_TO": "catch@example.org"}

    send_test_mail(account_id=stored_account(plain).pk, recipient=TO, requested_by=staff)

    assert plain.messages[0].recipients == ("catch@example.org",)
    assert Message.objects.get().recipients.get().address == TO


def test_a_copied_database_sends_none(plain: ChaosServer, staff: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"INSTALLATION_ID": "copy"}
    Installation.objects.create(name="original")

    with pytest.raises(WrongInstallation):
        send_test_mail(account_id=stored_account(plain).pk, recipient=TO, requested_by=staff)

    assert plain.sessions == 0
    assert ConnectionCheck.objects.count() == 0


def test_the_outbox_of_a_host_project_gets_it(plain: ChaosServer, staff: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True}
    testing.outbox.clear()

    check = send_test_mail(account_id=stored_account(plain).pk, recipient=TO, requested_by=staff)

    assert check.ok
    assert [mail.recipients for mail in testing.outbox] == [(TO,)]
    assert plain.sessions == 0
    testing.outbox.clear()


@pytest.mark.parametrize(
    "recipient", ["", "nobody", "a@b.test\r\nBcc: x@y.test", "a@b.test,c@d.test", "ü@x.test"]
)
def test_the_recipient_must_be_one_address(plain: ChaosServer, staff: User, recipient: str) -> None:
    with pytest.raises(ValidationError) as caught:
        send_test_mail(account_id=stored_account(plain).pk, recipient=recipient, requested_by=staff)

    assert "recipient" in caught.value.message_dict
    assert plain.sessions == 0


def test_an_account_without_an_address_says_so(plain: ChaosServer, staff: User, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "somebody@else.test"
    account = stored_account(plain, from_email="")

    check = send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    assert (check.stage, check.code, check.guilty_field) == ("sender", "sender_refused", "from_email")
    assert plain.sessions == 0


@pytest.mark.parametrize("verb", ["mail", "rcpt", "dot"])
def test_the_secret_is_in_no_row_even_if_the_server_echoes_it(
    starttls: ChaosServer, staff: User, verb: str
) -> None:
    canary = "canary-not-a-real-password"
    starttls.credentials = {USERNAME: canary}
    starttls.on(verb, Reply.of(f"550 5.7.1 your password is {canary}"))
    account = stored_account(starttls, secret=Secret(canary))

    check = send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)

    assert "***" in check.server_text
    for model in (Account, Attempt, ConnectionCheck, Lane, Message):
        assert canary not in str(list(model.objects.values()))


def test_a_deleted_account_is_not_there(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain, deleted_at=timezone.now())

    with pytest.raises(NoAccount):
        send_test_mail(account_id=account.pk, recipient=TO, requested_by=staff)


def test_values_that_are_not_stored_send_one_too_and_only_the_check_tells_of_it(
    starttls: ChaosServer, staff: User
) -> None:
    acme = Tenant.objects.create(slug="acme", name="Acme")
    account = new_account(starttls)

    check = send_test_of_values(account=account, recipient=TO, requested_by=staff, tenant=acme)

    assert (check.ok, check.account, check.tenant, check.recipient) == (True, None, acme, TO)
    assert starttls.messages[0].recipients == (TO,)
    assert (Account.objects.count(), Message.objects.count()) == (0, 0)


def test_values_with_a_stored_login_count_for_its_account_and_say_nothing_of_its_lane(
    starttls: ChaosServer, staff: User
) -> None:
    account = stored_account(starttls)

    check = send_test_of_values(
        account=new_account(starttls), recipient=TO, requested_by=staff, counts_for=account
    )

    assert check.ok
    assert Attempt.objects.get().account_id == account.pk
    assert account.lane.validated_at is None


def test_values_send_no_stored_password_elsewhere(
    starttls: ChaosServer, plain: ChaosServer, staff: User
) -> None:
    account = stored_account(starttls)
    account.port = plain.port

    with pytest.raises(ValidationError, match="enter the password again"):
        send_test_of_values(account=account, recipient=TO, requested_by=staff)

    assert (plain.sessions, ConnectionCheck.objects.count()) == (0, 0)
