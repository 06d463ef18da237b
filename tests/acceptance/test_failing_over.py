"""Accounts that come and go under two workers, and workers killed while they move mail: nothing lost, nothing twice."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, Attempt, Lane, Message
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email
from tests.servers.chaos import ChaosServer
from tests.servers.children import drain_worker, until
from tests.servers.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)

AGO = timedelta(hours=1)
QUICK = {**FAST, "FAILOVER_SECONDS": 0.2}


def hold_back(account: Account, reason: str = "paused_login") -> None:
    """As a drain notes it."""
    now = timezone.now()
    until_then = None if reason.startswith("paused") else now + AGO
    values = {"wait_reason": reason, "wait_since": now - AGO, "wait_until": until_then}
    Lane.objects.filter(account=account).update(**values)


def let_go(account: Account) -> None:
    """As a test of the connection that passes."""
    Lane.objects.filter(account=account).update(
        wait_reason="", wait_since=None, wait_until=None, due_at=timezone.now()
    )


def all_settled() -> bool:
    """Return whether nothing waits any more."""
    return not Message.objects.exclude(state="sent").exists()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["before_move", "after_move"])
def test_a_worker_killed_while_it_moves_mail_leaves_it_at_one_account_or_the_other(
    point: str, tmp_path: Path
) -> None:
    with Sink(tmp_path) as sink:
        other = make_account(sink.port, from_email="other@example.com")
        first = make_account(sink.port, failover=other)
        messages = [delivery.enqueue(make_email(number), account=first) for number in range(20)]
        hold_back(first)
        with drain_worker(tmp_path, QUICK, crash_at=f"{point}:1") as worker:
            assert worker.wait() == -signal.SIGKILL
        moved = Message.objects.filter(account=other, failed_over_from=first, state="queued").count()
        assert moved == (0 if point == "before_move" else 20)
        with drain_worker(tmp_path, QUICK) as worker:
            until(all_settled, why="mail was left behind")
            assert worker.terminate() == 0
        arrived = sink.by_message_id()
        assert {message.message_id: 1 for message in messages} == {
            key: len(copies) for key, copies in arrived.items()
        }
        assert set(Attempt.objects.values_list("account_id", flat=True)) == {other.pk}


@pytest.mark.slow
def test_two_workers_send_each_mail_once_while_both_accounts_come_and_go(tmp_path: Path) -> None:
    dice = random.Random(9)  # noqa: S311 - dice, not cryptography
    limits: dict[str, Any] = {"limit_count": 8, "limit_period": 1}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Sink(tmp_path / "a") as one, Sink(tmp_path / "b") as two:
        other = make_account(two.port, from_email="other@example.com", **limits)
        first = make_account(one.port, failover=other, **limits)
        messages = [delivery.enqueue(make_email(number), account=first) for number in range(50)]
        with drain_worker(tmp_path, QUICK), drain_worker(tmp_path, QUICK):
            for count in range(5, 50, 5):
                account = Account.objects.get(pk=dice.choice([first.pk, first.pk, other.pk]))
                account.is_enabled = not account.is_enabled
                account.save()
                arrived = len(one.messages) + len(two.messages)
                until_more = arrived + dice.randrange(4)
                if Account.objects.filter(is_enabled=True).exists() and count < 40:
                    until(
                        lambda until_more=until_more: len(one.messages) + len(two.messages) >= until_more,  # type: ignore[misc]
                        why="nothing went on",
                    )
            for account in Account.objects.filter(is_enabled=False):
                account.is_enabled = True
                account.save()
            until(all_settled, why="mail was left behind")
    copies = {**one.by_message_id(), **two.by_message_id()}
    assert len(one.messages) + len(two.messages) == len(copies) == len(messages)
    assert two.messages, "nothing ever went over"
    for sink, account in ((one, first), (two, other)):
        sent = Attempt.objects.filter(account=account, message__state="sent")
        assert sent.count() == len(sink.messages)
        times = sorted(received.at for received in sink.messages)
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[8:], strict=False))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_two_accounts_each_mail_goes_once_and_within_the_limits(
    seed: int, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "LIMIT_WAIT_SECONDS": 0, "SLICE_SECONDS": 30}
    dice = random.Random(seed)  # noqa: S311 - dice, not cryptography
    with ChaosServer() as one, ChaosServer() as two:
        other = make_account(two.port, from_email="other@example.com", limit_per_day=dice.randrange(3, 9))
        first = make_account(one.port, failover=other, limit_per_day=dice.randrange(3, 9))
        limits = {first.pk: first.limit_per_day, other.pk: other.limit_per_day}
        reasons = ["paused_login", "paused_config", "server_away", "server_limit"]
        past = timezone.now() - AGO

        def enqueue(account: Account) -> None:
            # A caller that repeats itself, too.
            key = dice.choice([None, f"{account.pk}-{dice.randrange(40)}"])
            subject = int(key.partition("-")[2]) if key else 100 + Message.objects.count()
            message = delivery.enqueue(make_email(subject), account=account, idempotency_key=key)
            Message.objects.filter(pk=message.pk, state="queued").update(not_before=past)

        steps: list[Callable[[], object]] = [
            partial(enqueue, first),
            partial(enqueue, first),
            partial(enqueue, first),
            partial(enqueue, other),
            lambda: hold_back(first, dice.choice(reasons)),
            lambda: hold_back(other, dice.choice(reasons)),
            lambda: let_go(first),
            lambda: let_go(other),
            delivery.sweep,
            lambda: delivery.drain_account(account_id=first.pk),
            lambda: delivery.drain_account(account_id=other.pk),
        ]
        for _step in range(60):
            dice.choice(steps)()
            assert len(one.messages) <= (limits[first.pk] or 0)
            assert len(two.messages) <= (limits[other.pk] or 0)
        for account in (first, other):
            Account.objects.filter(pk=account.pk).update(limit_per_day=None)
            let_go(account)
            delivery.drain_account(account_id=account.pk)
        assert all_settled()
        received = [*one.messages, *two.messages]
        assert len(received) == Message.objects.count() == len({message.data for message in received})
        assert Attempt.objects.filter(outcome="sent", account=first).count() == len(one.messages)
