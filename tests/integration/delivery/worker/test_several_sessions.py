"""One account over several sessions at once: within one limit and one lane, and no more of them than anybody minds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.models import Account, Attempt, HandOver, Lane, Message, WaitReason
from tests.factories import make_account, make_email
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.servers.faults import Action, Hang, Reply, Reset
from tests.wrapping import on_every_connection, takes_lane

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

TOO_MANY = Reply.of("421 4.7.0 Too many connections")


class CountingServer(ChaosServer):
    """Knows which session is asking."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._asking = threading.local()

    def record_command(self, session: int, line: str) -> None:
        """Keep a line, and whose it is."""
        self._asking.session = session
        super().record_command(session, line)

    def is_too_much(self, verb: str) -> bool:
        """Whether it is the third session at once; it shows at the banner, or later."""
        return self.sessions_open > 2 and (verb == "banner" or self._asking.session > 2)


@pytest.fixture(autouse=True)
def configure(settings: Any) -> Callable[..., None]:
    """``configure(CONCURRENCY=3)``: change single settings; there is room for all sessions unless a test says otherwise."""

    def change(**values: object) -> None:
        settings.MAILCONFIG = {**settings.MAILCONFIG, **values}

    change(CONCURRENCY=8, RING_SECONDS=0.1, STOP_SECONDS=0.5)
    return change


def queue(port: int, mails: int, **values: Any) -> Account:
    """An account with so many mails, four sessions at once, and a lane that is due."""
    account = make_account(port, **{"max_sessions": 4, **values})
    delivery.enqueue_many((make_email(number) for number in range(mails)), account=account)
    return account


def sent(account: Account) -> int:
    """How many of its mails are out."""
    return Message.objects.filter(account=account, state="sent").count()


def copies(*servers: ChaosServer) -> Counter[str]:
    """How often each mail arrived, by its subject."""
    return Counter(
        line.decode()
        for server in servers
        for message in server.messages
        for line in message.data.splitlines()
        if line.startswith(b"Subject:")
    )


def drain() -> int:
    """All that is due."""
    return delivery.drain_all(should_stop=lambda: False)


def test_an_account_sends_each_mail_once_over_as_many_sessions_as_it_may() -> None:
    with ChaosServer(latency=0.01) as server:
        account = queue(server.port, 200)
        assert drain() == 200
        assert server.most_sessions == 4
        assert sent(account) == 200
        assert set(copies(server).values()) == {1}
        assert len({message.session for message in server.messages}) >= 4
        lane = account.lane
        assert (lane.wait_reason, lane.failures, lane.lease_token) == ("", 0, None)


@pytest.mark.parametrize("window", [1, 5])
def test_the_deployment_says_how_many_where_the_account_does_not(
    configure: Callable[..., None], window: int
) -> None:
    configure(MAX_SESSIONS=2, WINDOW=window)
    with ChaosServer(latency=0.01) as server:
        account = queue(server.port, 100, max_sessions=None)
        assert drain() == 100
        assert server.most_sessions == 2
        assert sent(account) == 100


def test_a_few_mails_open_one_session() -> None:
    with ChaosServer(latency=0.01) as server:
        queue(server.port, 8)
        assert drain() == 8
        assert server.sessions == 1


def test_large_mails_of_which_few_are_read_at_once_go_over_several_sessions_too(
    configure: Callable[..., None],
) -> None:
    configure(BATCH_SIZE=2)
    with ChaosServer(latency=0.05) as server:
        queue(server.port, 60)
        assert drain() == 60
        assert server.most_sessions > 1
        two = queue(server.port, 2)
        before = server.sessions
        assert drain() == 2
        assert server.sessions == before + 1
        assert sent(two) == 2


def test_sessions_take_no_room_from_lanes_that_wait_and_give_it_back(
    configure: Callable[..., None], worker: Callable[[], threading.Thread]
) -> None:
    configure(CONCURRENCY=4, SLICE_SECONDS=30.0)
    with ChaosServer(latency=0.02) as server, ChaosServer(latency=0.02) as other:
        busy = queue(server.port, 600, max_sessions=10)
        worker()
        until(lambda: server.most_sessions == 4)
        late = [queue(other.port, 1) for _ in range(2)]
        until(lambda: all(sent(account) == 1 for account in late))
        assert sent(busy) < 600, "they did not wait for its slice"
        assert server.most_sessions == 4


@pytest.mark.parametrize("verb", ["rcpt", "dot"])
def test_a_session_that_hangs_keeps_no_other_from_sending(
    worker: Callable[[], threading.Thread], verb: str, configure: Callable[..., None]
) -> None:
    configure(SLICE_SECONDS=0.3)
    with ChaosServer(latency=0.005) as server:
        server.on(verb, Hang(), at=40)
        account = queue(server.port, 150)
        worker()
        until(
            lambda: sent(account) >= 148,
            seconds=30,
            why="all but one mail, and one begun behind it, are sent",
        )
        delivery.enqueue_many((make_email(number) for number in range(200, 220)), account=account)
        until(lambda: sent(account) >= 168)
        assert account.lane.wait_reason == ""
        assert set(copies(server).values()) == {1}


@pytest.mark.parametrize("verb", ["mail", "rcpt", "dot"])
@pytest.mark.parametrize("action", [Reset(), Reply.of("421 4.3.0 ends here")], ids=["reset", "421"])
def test_a_session_that_dies_holds_up_no_other(verb: str, action: Action) -> None:
    with ChaosServer(latency=0.005) as server:
        server.on(verb, action, at=40)
        account = queue(server.port, 150)
        drain()
        assert sent(account) >= 149
        lane = account.lane
        assert (lane.wait_reason, lane.failures) == ("", 0)
        assert max(copies(server).values()) == 1


@pytest.mark.parametrize("verb", ["banner", "mail"])
def test_a_server_that_wants_fewer_sessions_gets_fewer_and_that_is_no_failure(verb: str) -> None:
    with CountingServer(latency=0.01) as server:
        server.on(verb, TOO_MANY, when=lambda _line: server.is_too_much(verb))
        account = queue(server.port, 200)
        drain()
        assert sent(account) == 200
        assert not Attempt.objects.filter(account=account).exclude(outcome="sent").exists()
        lane = account.lane
        assert (lane.wait_reason, lane.failures, lane.most_sessions) == ("", 0, 2)
        assert server.sessions <= 6, "it is not asked again and again"
        server.calm()
        before = server.sessions
        more = queue(server.port, 60)
        Lane.objects.filter(account=more).update(
            most_sessions=2, most_sessions_until=timezone.now() + timedelta(minutes=1)
        )
        drain()
        assert sent(more) == 60
        assert server.sessions - before == 2, "what was learnt is remembered"


def test_a_server_that_is_gone_is_one_failure_however_many_sessions_meet_it() -> None:
    with ChaosServer(latency=0.005) as server:
        account = queue(server.port, 200)
        server.on("banner", Reply.of("421 4.3.2 going down"), when=lambda _line: len(server.messages) > 50)
        server.on("mail", Reset(), when=lambda _line: len(server.messages) > 50)
        drain()
        lane = account.lane
        assert (lane.wait_reason, lane.failures) == (WaitReason.SERVER_AWAY, 1)
        assert lane.wait_until is not None
        assert lane.due_at == lane.wait_until
        assert lane.most_sessions is None
        assert sent(account) == len(server.messages)
        assert set(Message.objects.filter(account=account).values_list("state", flat=True)) == {
            "sent",
            "queued",
        }


def test_the_limit_is_exact_over_all_sessions(
    configure: Callable[..., None], worker: Callable[[], threading.Thread]
) -> None:
    configure(WINDOW=3)
    with ChaosServer(latency=0.02) as server:
        account = queue(server.port, 45, limit_count=20, limit_period=2)
        worker()
        until(lambda: sent(account) == 45)
        times = sorted(message.at for message in server.messages)
        assert len(times) == 45
        gaps = [later - earlier for earlier, later in zip(times, times[20:], strict=False)]
        assert min(gaps) >= 2.0
        assert server.most_sessions > 1


@contextmanager
def four_at_work(worker: Callable[[], threading.Thread]) -> Iterator[tuple[Account, ChaosServer]]:
    """An account in the middle of its mail, over four sessions."""
    with ChaosServer(latency=0.02) as server:
        account = queue(server.port, 300)
        worker()
        until(lambda: server.most_sessions == 4)
        yield account, server


def test_an_account_disabled_while_four_are_in_hand_stops(worker: Callable[[], threading.Thread]) -> None:
    with four_at_work(worker) as (account, server):
        account.is_enabled = False
        account.save()
        had = len(server.messages)
        until(lambda: account.lane.wait_reason == WaitReason.DISABLED)
        until(lambda: account.lane.lease_token is None)
        assert len(server.messages) <= had + 4
        assert sent(account) == len(server.messages)
        account.is_enabled = True
        account.save()
        until(lambda: sent(account) == 300)
        assert set(copies(server).values()) == {1}


def test_an_account_led_elsewhere_while_four_are_in_hand_goes_on_there(
    worker: Callable[[], threading.Thread],
) -> None:
    with four_at_work(worker) as (account, server), ChaosServer() as there:
        account.port = there.port
        account.save()
        had = len(server.messages)
        until(lambda: sent(account) == 300)
        assert len(server.messages) <= had + 4
        assert set(copies(server, there).values()) == {1}
        assert len(copies(server, there)) == 300


def test_an_account_deleted_while_four_are_in_hand_sends_nothing_more(
    worker: Callable[[], threading.Thread],
) -> None:
    with four_at_work(worker) as (account, server):
        account.deleted_at = timezone.now()
        account.save()
        had = len(server.messages)
        until(lambda: Lane.objects.get(account_id=account.pk).lease_token is None)
        time.sleep(0.5)
        assert len(server.messages) <= had + 4
        assert sent(account) == len(server.messages)


@pytest.mark.parametrize("latency", [0.02, 0.3], ids=["soon", "with all four in hand"])
def test_a_lane_taken_by_somebody_else_ends_all_its_sessions(
    worker: Callable[[], threading.Thread], latency: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever finds out first, the drain or a session, what is in hand ends in its own thread and in no other."""
    with four_at_work(worker) as (account, server):
        server.latency = latency
        until(lambda: len(server.messages) > 20)
        lanes.abandon([account.pk])
        until(lambda: "was lost to another worker" in caplog.text)
        server.latency = 0.0
        until(lambda: sent(account) == 300)
        assert set(copies(server).values()) == {1}
        assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_an_error_of_one_session_ends_all_and_keeps_what_they_came_to(configure: Callable[..., None]) -> None:
    configure(LEASE_SECONDS=4.0)
    failures: list[str] = []

    def fail(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('UPDATE "mailconfig_lane" SET "lease_until"') and not failures:
            failures.append(threading.current_thread().name)
            raise OperationalError("gone for a moment")
        return execute(sql, params, many, context)

    with ChaosServer(latency=0.05) as server:
        account = queue(server.port, 200)
        with on_every_connection(fail):
            drain()
        assert failures
        assert 0 < sent(account) == len(server.messages) < 200
        assert account.lane.lease_token is None
        drain()
        assert sent(account) == 200
        assert set(copies(server).values()) == {1}


def test_a_drain_that_loses_its_own_connection_lets_its_sessions_hear_what_becomes_of_their_mails(
    configure: Callable[..., None],
) -> None:
    configure(LEASE_SECONDS=4.0)
    drains: set[int] = set()
    failures: list[str] = []

    def fail(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if takes_lane(sql):
            drains.add(threading.get_ident())
        is_renewal = sql.startswith('UPDATE "mailconfig_lane" SET "lease_until"')
        if is_renewal and server.most_sessions == 4 and threading.get_ident() in drains and not failures:
            failures.append(threading.current_thread().name)
            raise OperationalError("gone for a moment")
        return execute(sql, params, many, context)

    with ChaosServer(latency=0.7) as server:
        account = queue(server.port, 100)
        with on_every_connection(fail):
            drain()
        assert failures
        assert sent(account) == len(server.messages) < 100
        assert set(Attempt.objects.filter(account=account).values_list("outcome", flat=True)) == {"sent"}
        assert not HandOver.objects.exists()
        assert account.lane.lease_token is None
