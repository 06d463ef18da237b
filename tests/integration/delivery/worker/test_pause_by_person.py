"""A person's pause holds whatever else happens to the account, and its end lets mail go at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mailconfig import delivery, signals
from mailconfig.exceptions import NoAccount
from mailconfig.models import Account, Lane, Message, WebhookDelivery, WebhookEndpoint
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_account, make_email, make_message, make_tenant, make_user
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "wrong newsletter"


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer() as server:
        yield server


def drain(account: Account) -> None:
    delivery.drain_account(account_id=account.pk)


def pause(account: Account) -> bool:
    return delivery.pause_account(account_id=account.pk, by=None, because=WHY)


def resume(account: Account) -> bool:
    return delivery.resume_account(account_id=account.pk)


def health(account: Account) -> delivery.Health:
    return delivery.overview_of([account])[account.pk].health


def test_nothing_is_sent_until_somebody_lets_it_go_on(server: ChaosServer) -> None:
    anna = make_user("anna")
    account = make_account(server.port)

    assert delivery.pause_account(account_id=account.pk, by=anna, because=f" {WHY}\n")
    message = delivery.enqueue(make_email(), account=account)
    drain(account)

    assert server.sessions == 0
    found = health(account)
    assert (found.state, found.reason, found.words, found.by) == ("paused", "paused_by_person", WHY, anna)
    (waiting,) = delivery.explain([message]).values()
    assert (waiting.reason, waiting.next_at, waiting.words) == ("paused_by_person", None, WHY)
    (told,) = delivery.status().accounts
    assert (told.reason, told.words, told.needs_somebody, told.is_stuck) == (
        "paused_by_person",
        WHY,
        False,
        False,
    )

    assert resume(account)
    assert Lane.objects.filter(account=account, due_at__lte=timezone.now()).exists()
    drain(account)
    assert len(server.messages) == 1
    assert health(account).state == "ok"


@pytest.mark.parametrize("what", ["an edit", "a new password", "a probe", "a test mail", "sweeps", "a drain"])
def test_it_holds_whatever_happens_to_the_account(server: ChaosServer, what: str) -> None:
    server.credentials, server.auth_in_clear = {"anna": PASSWORD}, True
    account = make_account(server.port, username="anna")
    pause(account)
    make_message(account)
    stale = Account.objects.get(pk=account.pk)

    if what == "an edit":
        stale.limit_per_day = 5
        delivery.save_account(account=stale, by=None)
    elif what == "a new password":
        stale.secret = Secret(PASSWORD)
        delivery.save_account(account=stale, by=None, prove=True)
    elif what == "a probe":
        assert delivery.probe_account(account_id=account.pk, requested_by=None).ok
    elif what == "a test mail":
        assert delivery.send_test_mail(account_id=account.pk, recipient="a@b.cd", requested_by=None).ok
    for _ in range(2):
        if what != "a drain":
            delivery.sweep()
        drain(account)

    assert not Message.objects.filter(state="sent", is_test=False).exists()
    assert health(account).reason == "paused_by_person"
    resume(account)
    drain(account)
    assert Message.objects.get(is_test=False).state == "sent"


def test_a_worker_stops_after_the_mail_in_hand(server: ChaosServer) -> None:
    account = make_account(server.port)
    for _ in range(5):
        make_message(account)

    def at_the_second() -> None:
        assert server.wait_for(lambda: len(server.messages) >= 1)
        pause(account)
        connection.close()

    beside = threading.Thread(target=at_the_second)
    beside.start()
    server.latency = 0.05
    drain(account)
    beside.join()

    sent = Message.objects.filter(state="sent").count()
    assert 1 <= sent < 5
    assert sent == len(server.messages)
    assert health(account).reason == "paused_by_person"
    resume(account)
    drain(account)
    assert len(server.messages) == 5


def test_the_first_of_two_pauses_counts_and_is_told_once(server: ChaosServer) -> None:
    tenant = make_tenant()
    kinds = ["account.paused", "account.resumed"]
    WebhookEndpoint.objects.create(tenant=tenant, url="https://example.com/", kinds=kinds)
    account = make_account(server.port, tenant=tenant)
    make_message(account)
    told: list[Any] = []

    def hear(**values: Any) -> None:
        told.append((values["signal"], values.get("reason"), values.get("text")))

    signals.account_paused.connect(hear)
    signals.account_resumed.connect(hear)
    try:
        assert [pause(account), delivery.pause_account(account_id=account.pk, by=None, because="no")] == [
            True,
            False,
        ]
        drain(account)
        assert [resume(account), resume(account)] == [True, False]
    finally:
        signals.account_paused.disconnect(hear)
        signals.account_resumed.disconnect(hear)

    assert told == [
        (signals.account_paused, "paused_by_person", WHY),
        (signals.account_resumed, None, None),
    ]
    assert sorted(WebhookDelivery.objects.values_list("kind", flat=True)) == kinds


def test_the_dashboard_lists_it_with_its_reason(server: ChaosServer) -> None:
    account = make_account(server.port)
    pause(account)

    found = delivery.read_dashboard()

    assert [(one.account, one.reason, one.words) for one in found.paused] == [
        (account, "paused_by_person", WHY)
    ]
    assert found.paused_by_reason == {"paused_by_person": 1}


def test_a_refused_login_stays_known(server: ChaosServer) -> None:
    account = make_account(server.port)
    Lane.objects.filter(account=account).update(wait_reason="paused_login", wait_since=timezone.now())
    pause(account)
    make_message(account)
    assert health(account).reason == "paused_by_person"

    resume(account)
    drain(account)

    assert health(account).reason == "paused_login"
    assert server.sessions == 0


def test_mail_of_a_paused_account_goes_over_the_one_that_stands_in(server: ChaosServer) -> None:
    other = make_account(server.port, name="other")
    account = make_account(server.port, failover=other)
    message = make_message(account)
    pause(account)
    delivery.sweep()
    assert Message.objects.get(pk=message.pk).account == account, "a short pause leads mail nowhere"

    Lane.objects.filter(account=account).update(paused_at=timezone.now() - timedelta(hours=1))
    delivery.sweep()

    moved = Message.objects.get(pk=message.pk)
    assert (moved.account, moved.failed_over_because) == (other, "paused_by_person")
    pause(other)
    stand_in = delivery.overview_of([account])[account.pk].stand_in
    assert stand_in is not None
    assert stand_in.account is None


def test_what_is_not_so_any_more_is_healed(server: ChaosServer) -> None:
    account = make_account(server.port)
    Lane.objects.filter(account=account).update(wait_reason="paused_by_person", wait_since=timezone.now())

    delivery.sweep()

    assert Lane.objects.get(account=account).wait_reason == ""


def test_who_paused_it_may_leave(server: ChaosServer) -> None:
    anna = make_user("anna")
    account = make_account(server.port)
    delivery.pause_account(account_id=account.pk, by=anna, because=WHY)
    anna.delete()

    assert health(account).reason == "paused_by_person"
    delivery.delete_account(account_id=account.pk, by=None)
    with pytest.raises(NoAccount):
        pause(account)
    with pytest.raises(NoAccount):
        resume(account)
