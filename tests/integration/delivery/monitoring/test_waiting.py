"""What waits says why, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from mailconfig import delivery
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Installation, Lane, Message, WaitReason
from tests.factories import make_account, make_email, make_mailbox, make_message, make_user
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


def reason_of(message: Message) -> tuple[str, Any]:
    """As explained now."""
    message.refresh_from_db()
    waiting = delivery.explain([message])[message.pk]
    return str(waiting.reason), waiting.next_at


def test_mail_over_the_limit_waits_without_an_attempt_and_knows_its_time() -> None:
    with ChaosServer() as server:
        account = make_account(server.port, limit_count=2, limit_period=600)
        messages = [make_message(account) for _ in range(6)]
        report = delivery.drain_account(account_id=account.pk)
    assert len(server.messages) == 2
    assert not report.is_due
    lane = Lane.objects.get(account=account)
    assert lane.wait_reason == WaitReason.LIMIT
    assert lane.due_at == lane.wait_until
    times = [reason_of(message) for message in messages[2:]]
    assert {reason for reason, _at in times} == {"limit"}
    first = Message.objects.get(pk=messages[0].pk).settled_at
    assert first is not None
    for (_reason, at), seconds in zip(times, [600, 600, 1200, 1200], strict=True):
        assert abs((at - first).total_seconds() - seconds) < 5
    assert set(Message.objects.filter(state="queued").values_list("attempts", flat=True)) == {0}


def test_mails_queued_in_one_go_each_know_their_place() -> None:
    with ChaosServer() as server:
        account = make_account(server.port, limit_count=2, limit_period=600)
        messages = delivery.enqueue_many([make_email(number) for number in range(6)], account=account)
        delivery.drain_account(account_id=account.pk)
    first = Message.objects.get(pk=messages[0].pk).settled_at
    assert first is not None
    times = [reason_of(message)[1] for message in messages[2:]]
    for at, seconds in zip(times, [600, 600, 1200, 1200], strict=True):
        assert abs((at - first).total_seconds() - seconds) < 5


def test_a_lowered_limit_counts_what_went_out_before() -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        for _ in range(3):
            make_message(account)
        delivery.drain_account(account_id=account.pk)
        account.limit_per_day = 3
        account.save()
        make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 3
        account.limit_per_day = None
        account.save()
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 4


def test_zero_means_that_nothing_is_sent() -> None:
    with ChaosServer() as server:
        account = make_account(server.port, limit_per_week=0)
        message = make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert server.sessions == 0
    assert reason_of(message) == ("limit", None)


def test_a_disabled_account_keeps_its_mail_and_says_so() -> None:
    with ChaosServer() as server:
        account = make_account(server.port, is_enabled=False)
        message = make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert server.sessions == 0
        assert reason_of(message) == ("disabled", None)
        account.is_enabled = True
        account.save()
        delivery.sweep()
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 1


def test_mail_for_later_is_scheduled() -> None:
    later = timezone.now() + timedelta(hours=1)
    message = make_message(make_account(), not_before=later)
    assert reason_of(message) == ("scheduled", later)


def test_an_account_without_an_address_says_so() -> None:
    owner = make_user(email="")
    with ChaosServer() as server:
        account = make_account(server.port, from_email="", owner=owner)
        message = make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert reason_of(message)[0] == "no_sender"
        owner.email = "owner@example.com"
        owner.save()
        Lane.objects.update(wait_until=timezone.now())
        delivery.sweep()
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 1


def test_a_mailbox_that_must_be_synced_first_says_so() -> None:
    with ChaosServer() as server:
        mailbox = make_mailbox(server.port, sends_only_when_synced=True, sync_interval=60)
        message = make_message(mailbox)
        delivery.drain_account(account_id=mailbox.pk)
        assert reason_of(message)[0] == "sync_stale"
        Lane.objects.create(account=mailbox, purpose="sync", last_success_at=timezone.now())
        Lane.objects.filter(purpose="send").update(wait_until=timezone.now())
        delivery.drain_account(account_id=mailbox.pk)
        assert len(server.messages) == 1


def test_a_copied_database_sends_nothing_and_says_why(settings: Any) -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "production"}
        delivery.sweep()
        settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "a copy"}
        message = make_message(account)
        with pytest.raises(WrongInstallation, match="production"):
            delivery.drain_account(account_id=account.pk)
        with pytest.raises(WrongInstallation, match="production"):
            delivery.sweep()
        assert reason_of(message) == ("wrong_installation", None)
        assert "production" in delivery.status().wrong_installation
        assert server.sessions == 0
        delivery.adopt()
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 1
    assert Installation.objects.get().name == "a copy"


def test_a_copy_without_an_id_of_its_own_sends_nothing_either(settings: Any) -> None:
    account = make_account()
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "production"}
    delivery.sweep()
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": ""}
    with pytest.raises(WrongInstallation, match="no INSTALLATION_ID"):
        delivery.drain_account(account_id=account.pk)
    with pytest.raises(ImproperlyConfigured):
        delivery.adopt()
    assert Installation.objects.get().name == "production"


def test_mail_held_by_hand_says_that_somebody_holds_it() -> None:
    message = make_message(make_account())
    delivery.hold(message_id=message.pk)
    assert reason_of(message) == ("held", None)


def test_everything_can_be_redirected_to_one_address(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "REDIRECT_ALL_TO": "tester@example.org"}
    with ChaosServer() as server:
        account = make_account(server.port)
        message = make_message(account, to=["one@example.net", "two@example.net"])
        delivery.drain_account(account_id=account.pk)
    assert [received.recipients for received in server.messages] == [("tester@example.org",)]
    message.refresh_from_db()
    assert message.state == "sent"
