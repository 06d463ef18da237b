"""Mail of an account that cannot send goes over the one that it fails over to, and new mail back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.exceptions import KeyReused
from mailconfig.models import PAUSES, Account, Attempt, Lane, Message
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_account, make_email, make_hand_over, make_message, make_tenant
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

AGO = timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """The server of all accounts."""
    with ChaosServer() as server:
        yield server


@pytest.fixture
def other(server: ChaosServer) -> Account:
    """The one that stands in."""
    return make_account(server.port, name="other", from_email="other@other.example")


@pytest.fixture
def first(server: ChaosServer, other: Account) -> Account:
    """The one that fails over."""
    return make_account(server.port, name="first", failover=other)


def hold_back(
    account: Account, reason: str = "paused_login", *, since: timedelta = AGO, **values: Any
) -> None:
    """As a drain notes it."""
    Account.objects.filter(pk=account.pk).update(is_enabled=reason != "disabled")
    now = timezone.now()
    until = None if reason == "disabled" or reason in PAUSES else now + AGO
    noted = {"wait_reason": reason, "wait_since": now - since, "wait_until": until, **values}
    Lane.objects.filter(account=account).update(**noted)


def let_go(account: Account) -> None:
    """As an edit does, or a test of the connection that passes."""
    Account.objects.filter(pk=account.pk).update(is_enabled=True)
    Lane.objects.filter(account=account).update(wait_reason="", wait_since=None, wait_until=None)


def where(message: Message) -> tuple[str, str | None, str]:
    """The names of the account that sends it and of the one it was queued for, and why."""
    row = Message.objects.select_related("account", "failed_over_from").get(pk=message.pk)
    home = row.failed_over_from.name if row.failed_over_from else None
    return row.account.name, home, row.failed_over_because


@pytest.mark.parametrize(
    "reason",
    [
        "paused_login", "paused_config", "paused_sender", "paused_protocol", "secret_unreadable", "disabled",
        "limit", "server_limit", "server_away", "login_retry", "token_away",
    ],
)  # fmt: skip
def test_mail_fails_over_and_new_mail_goes_the_usual_way_once_it_is_back(
    server: ChaosServer, first: Account, other: Account, reason: str
) -> None:
    message = delivery.enqueue(make_email(1), account=first)
    Message.objects.update(not_before=timezone.now() - AGO)
    hold_back(first, reason)

    delivery.sweep()
    assert where(message) == ("other", "first", reason)
    delivery.drain_account(account_id=first.pk)
    assert server.messages == []
    delivery.drain_account(account_id=other.pk)

    (received,) = server.messages
    assert received.mail_from == "other@other.example", (
        "who sends it gets the bounces, as whom its server knows it"
    )
    assert b"From: sender@example.com" in received.data
    assert message.message_id.encode() in received.data
    message.refresh_from_db()
    assert (message.state, message.home, Attempt.objects.get().account) == ("sent", first, other)

    let_go(first)
    later = delivery.enqueue(make_email(2), account=first)
    delivery.sweep()
    assert where(later) == ("first", None, "")
    delivery.drain_account(account_id=first.pk)
    assert server.messages[1].mail_from == "sender@example.com"


@pytest.mark.parametrize("changed", ["other", "first"])
@pytest.mark.parametrize("by", ["a save", "somebody's SQL"])
def test_mail_goes_home_from_who_may_not_send_it_any_more(
    first: Account, other: Account, changed: str, by: str
) -> None:
    message = make_message(first, not_before=timezone.now() - AGO)
    hold_back(first)
    delivery.sweep()
    assert where(message) == ("other", "first", "paused_login")
    account = Account.objects.get(name=changed)
    if by == "a save":
        account.tenant, account.failover, account.secret = make_tenant(), None, Secret(PASSWORD)
        delivery.save_account(account=account, by=None)
    else:
        Account.objects.filter(pk=account.pk).update(tenant=make_tenant())
        delivery.sweep()
    assert where(message) == ("first", None, "")


@pytest.mark.parametrize("reason", ["no_sender", "sync_stale", "storage_away", "internal_error"])
def test_what_lies_with_us_or_is_meant_to_be_leads_mail_nowhere(first: Account, reason: str) -> None:
    message = make_message(first, not_before=timezone.now() - AGO)
    hold_back(first, reason)
    delivery.sweep()
    assert where(message) == ("first", None, "")


def test_mail_goes_over_only_after_the_time_that_the_deployment_says(first: Account, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "FAILOVER_SECONDS": 60}
    message = make_message(first, not_before=timezone.now() - timedelta(seconds=50))
    for reason in ("server_away", "limit"):
        hold_back(first, reason, since=timedelta(seconds=50 if reason == "server_away" else 900))
        delivery.sweep()
        assert where(message) == ("first", None, "")
    Message.objects.update(not_before=timezone.now() - timedelta(seconds=61))
    delivery.sweep()
    assert where(message) == ("other", "first", "limit"), "at a limit it is the mail that has to have waited"


def test_mail_that_may_be_under_way_is_never_moved(first: Account) -> None:
    past = timezone.now() - AGO
    handing_over, doubted, _held, scheduled, _test_mail, plain = (
        make_message(first, not_before=past, **values)
        for values in ({}, {}, {"state": "held"}, {}, {"is_test": True}, {})
    )
    make_hand_over(handing_over, lease_token=uuid.uuid4())
    Attempt.objects.create(
        account=first, message=doubted, outcome="unknown", started_at=past, handed_over_at=past, ended_at=past
    )
    Message.objects.filter(pk=scheduled.pk).update(not_before=timezone.now() + AGO)
    hold_back(first)
    delivery.sweep()
    assert list(Message.objects.exclude(failed_over_from=None)) == [plain]


def test_mail_of_a_lane_in_hand_or_about_to_be_tried_stays(first: Account) -> None:
    message = make_message(first, not_before=timezone.now() - AGO)
    hold_back(first, lease_token=uuid.uuid4(), lease_until=timezone.now() + AGO)
    delivery.sweep()
    hold_back(first, "server_away", lease_token=None, lease_until=None, wait_until=timezone.now())
    delivery.sweep()
    assert where(message) == ("first", None, "")


def test_order_priority_and_retries_used_stay(server: ChaosServer, first: Account, other: Account) -> None:
    now = timezone.now()
    own = make_message(other, not_before=now - timedelta(minutes=30))
    later = make_message(first, not_before=now - timedelta(minutes=10))
    high = make_message(first, not_before=now, priority=0)
    early = make_message(first, not_before=now - AGO, attempts=7)
    hold_back(first)
    delivery.sweep()
    server.on("dot", Reply.of("451 4.3.0 later"), at=2)
    delivery.drain_account(account_id=other.pk)
    assert Message.objects.get(pk=early.pk).state == "failed", "its eighth attempt was its last one"
    sent = Message.objects.filter(state="sent").order_by("attempt_set__pk")
    assert list(sent) == [high, own, later]


def test_a_chain_is_followed_to_the_first_that_can_send(
    server: ChaosServer, first: Account, other: Account
) -> None:
    third = make_account(server.port, name="third")
    Account.objects.filter(pk=other.pk).update(failover=third, is_enabled=False)
    message = make_message(first)
    hold_back(first)
    delivery.sweep()
    assert where(message) == ("third", "first", "paused_login")


def test_mail_whose_stand_in_stops_goes_on_or_home(
    server: ChaosServer, first: Account, other: Account
) -> None:
    third = make_account(server.port, name="third")
    message = make_message(first)
    hold_back(first)
    delivery.sweep()
    hold_back(other, "paused_sender")
    delivery.sweep()
    assert where(message) == ("other", "first", "paused_login"), "nobody can take it"
    Account.objects.filter(pk=other.pk).update(failover=third)
    delivery.sweep()
    assert where(message) == ("third", "first", "paused_sender"), "whose it is stays known"
    hold_back(third)
    let_go(first)
    delivery.sweep()
    assert where(message) == ("first", None, "")


def test_a_loop_that_was_written_past_us_is_followed_once(first: Account, other: Account) -> None:
    Account.objects.filter(pk=other.pk).update(failover=first)
    message = make_message(first)
    for account in (first, other):
        hold_back(account)
    delivery.sweep()
    assert where(message) == ("first", None, "")


@pytest.mark.parametrize("what", ["tenant", "owner", "deleted", "disabled", "inactive"])
def test_a_stand_in_that_may_not_or_cannot_send_takes_nothing(
    first: Account, other: Account, what: str, admin_user: Any
) -> None:
    tenant = make_tenant(is_active=False)
    values: dict[str, dict[str, Any]] = {
        "tenant": {"tenant": make_tenant()},
        "owner": {"owner": admin_user},
        "deleted": {"deleted_at": timezone.now()},
        "disabled": {"is_enabled": False},
        "inactive": {"tenant": tenant},
    }
    Account.objects.filter(pk=other.pk).update(**values[what])
    if what == "inactive":
        Account.objects.filter(pk=first.pk).update(tenant=tenant)
    message = make_message(first)
    hold_back(first)
    delivery.sweep()
    assert where(message) == ("first", None, "")


def test_no_more_is_moved_than_the_limits_of_who_sends_have_room_for(
    server: ChaosServer, first: Account, other: Account
) -> None:
    third = make_account(server.port, name="third", limit_per_day=1)
    Account.objects.filter(pk=other.pk).update(limit_per_day=2, failover=third)
    messages = [make_message(first) for _ in range(5)]
    hold_back(first)
    delivery.sweep()
    assert [where(message)[0] for message in messages] == ["other", "other", "third", "first", "first"]
    delivery.drain_account(account_id=other.pk)
    delivery.sweep()
    assert [where(message)[0] for message in messages[3:]] == ["first", "first"]


def test_a_key_means_one_mail_wherever_that_is(first: Account, other: Account) -> None:
    past = timezone.now() - AGO
    message = delivery.enqueue(make_email(1), account=first, idempotency_key="one")
    there = delivery.enqueue(make_email(2), account=other, idempotency_key="two")
    kept = delivery.enqueue(make_email(3), account=first, idempotency_key="two")
    Message.objects.update(not_before=past)
    hold_back(first)
    delivery.sweep()
    assert where(message)[0] == "other"
    assert where(kept)[0] == "first", "the other account has mail with this key"
    assert delivery.enqueue(make_email(1), account=first, idempotency_key="one") == message
    with pytest.raises(KeyReused):
        delivery.enqueue(make_email(4), account=first, idempotency_key="one")
    assert delivery.enqueue(make_email(2), account=other, idempotency_key="two") == there
    assert Message.objects.count() == 3


def test_a_deleted_account_stands_in_for_nobody(first: Account, other: Account) -> None:
    before = first.revision
    delivery.delete_account(account_id=other.pk, by=None)
    first.refresh_from_db()
    assert (first.failover, first.revision) == (None, before + 1)


def test_a_large_backlog_is_moved_in_batches_as_it_is_sent(
    first: Account, other: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailconfig.delivery.queue.ways.STOCK", 7)
    monkeypatch.setattr("mailconfig.delivery.queue.moving.BATCH", 3)
    messages = [make_message(first) for _ in range(10)]
    hold_back(first)
    delivery.sweep()
    delivery.sweep()
    assert [where(message)[0] for message in messages] == ["other"] * 7 + ["first"] * 3
    delivery.drain_account(account_id=other.pk)
    delivery.sweep()
    assert where(messages[9])[0] == "other"


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("dot", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
        ("dot", "554 5.2.252 SendAsDenied; other@other.example not allowed to send as sender@example.com"),
        ("rcpt", "553 5.7.1 Sender address rejected: not owned by user other"),
        ("mail", "553 5.7.1 Sender address rejected: not owned by user other"),
    ],
)
def test_mail_that_the_other_server_does_not_let_us_send_goes_home_and_blames_nobody(
    server: ChaosServer, first: Account, other: Account, verb: str, reply: str
) -> None:
    server.on(verb, Reply.of(reply))
    messages = [make_message(first) for _ in range(5)]
    hold_back(first)
    delivery.sweep()
    delivery.drain_account(account_id=other.pk)

    assert {where(message) for message in messages} == {("first", None, "")}
    assert {(row.state, row.attempts, row.error_code) for row in Message.objects.all()} == {("queued", 0, "")}
    tried = Attempt.objects.count()
    assert tried <= 3, "the first refusal is enough"
    lane = Lane.objects.get(account=other)
    assert (lane.wait_reason, lane.strikes) == ("", 0), "mail of its own goes on"
    noted = Lane.objects.get(account=first)
    assert noted.no_failover_until is not None
    assert noted.no_failover_text

    delivery.sweep()
    delivery.drain_account(account_id=other.pk)
    assert Attempt.objects.count() == tried, "it is not tried again at once"
    Account.objects.get(pk=first.pk).save()
    hold_back(first)
    delivery.sweep()
    assert {where(message)[0] for message in messages} == {"other"}, "an edit is a reason to try again"


def test_a_drain_that_has_read_a_mail_that_was_moved_since_hands_nothing_over(
    server: ChaosServer, first: Account, other: Account
) -> None:
    """Whoever read it was stopped, and its lease ran out. Both accounts have the same revision."""
    messages = [make_message(first) for _ in range(3)]
    moved: list[int] = []

    def move_away() -> bool:
        if server.messages and not moved:
            Lane.objects.filter(account=first).update(
                wait_reason="server_away", wait_since=timezone.now() - AGO, wait_until=timezone.now() + AGO,
                lease_until=timezone.now() - AGO,
            )  # fmt: skip
            moved.append(delivery.sweep().rung)
            Lane.objects.filter(account=first).update(lease_until=timezone.now() + AGO)
        return False

    delivery.drain_account(account_id=first.pk, should_stop=move_away)
    assert len(server.messages) < 3
    delivery.drain_account(account_id=other.pk)
    assert sorted(received.recipients for received in server.messages) == sorted(
        (message.recipients.get().address,) for message in messages
    )
    assert {row.state for row in Message.objects.all()} == {"sent"}
    assert {row.account_id for row in Attempt.objects.all()} == {first.pk, other.pk}
