"""Workers sync: beside what they send, in every way there is to run one, at the mailboxes' own frequencies."""

from __future__ import annotations

import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from mailconfig import delivery, signals, tasks
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.sync import activity
from mailconfig.delivery.worker.picking import pick_due
from mailconfig.delivery.worker.side_by_side import SideBySide
from mailconfig.middleware import ActivityMiddleware
from mailconfig.models import Account, Activity, Lane, Mailbox, Message, Purpose, SyncedContent, SyncedMessage
from tests.factories import make_email, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, environment
from tests.servers.faults import Hang
from tests.servers.imap import FakeIMAP

from .mail import lane_of, make_synced, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nobody_was_seen() -> None:
    activity.forget_noted()


def make_due(mailbox: Mailbox) -> None:
    Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC).update(due_at=database_now(), rung_at=None)


def make_both(server: FakeIMAP, smtp: ChaosServer) -> Mailbox:
    """A mailbox that sends without a login, and is synced."""
    mailbox = make_synced(server.port, port=smtp.port)
    Account.objects.filter(pk=mailbox.pk).update(authentication="none", secret=None)
    return mailbox


def drain_once() -> None:
    call_command("mailconfig_drain", once=True, verbosity=0)


def run_until_done(*purposes: Purpose, seconds: float = 30.0) -> None:
    """Let a worker run in this thread until it has sent, synced, or both."""
    left = set(purposes)
    ends_at = time.monotonic() + seconds

    def sent(report: delivery.DrainReport) -> None:
        left.difference_update({Purpose.SEND} if report.settled else ())

    def synced(report: delivery.SyncReport) -> None:
        left.difference_update({Purpose.SYNC} if report.is_complete else ())

    delivery.run(should_stop=lambda: not left or time.monotonic() > ends_at, on_report=sent, on_sync=synced)
    assert not left


PROCESS_WORKER = """
import django
django.setup()
from mailconfig import delivery
raise SystemExit(delivery.process_worker().attend(should_stop=lambda: False))
"""


def process_worker(folder: Path) -> None:
    """That of a process of its own: its threads and connections stay as long as the process."""
    if connection.vendor == "sqlite":
        pytest.skip("lanes come one at a time here")
    env = environment({"ALLOW_PLAIN_LOGIN": True})
    with Child("--exec", sys.executable, "-c", PROCESS_WORKER, folder=folder, env=env) as child:
        assert child.wait() == 0, child.said()


@pytest.mark.parametrize("way", ["once", "run", "task", "process"])
def test_every_worker_syncs_and_sends(server: FakeIMAP, tmp_path: Path, way: str) -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(server, smtp)
        put(server)
        delivery.enqueue(make_email(), account=mailbox)
        make_due(mailbox)
        if way == "once":
            drain_once()
        elif way == "run":
            run_until_done(Purpose.SEND, Purpose.SYNC)
        elif way == "task":
            tasks.sync(mailbox.pk)
            tasks.drain(mailbox.pk)
        else:
            process_worker(tmp_path)

    assert SyncedMessage.objects.count() == 1
    assert Message.objects.get().state == "sent"
    due_at = lane_of(mailbox).due_at
    assert due_at is not None
    assert timedelta(minutes=25) < due_at - database_now() < timedelta(minutes=30)


def test_a_hanging_mail_server_of_one_kind_does_not_keep_the_other_waiting(
    server: FakeIMAP, settings: Settings
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("lanes come one at a time here")
    server.on("examine", Hang())
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "TIMEOUTS": {"transaction": 20.0},
        "SYNC_CONCURRENCY": 1,
        "STOP_SECONDS": 1,
    }
    with ChaosServer() as smtp:
        mailbox = make_both(server, smtp)
        delivery.enqueue(make_email(), account=mailbox)
        make_due(mailbox)
        run_until_done(Purpose.SEND, seconds=10)

    assert not Lane.objects.exclude(lease_token=None).exists()


def test_a_bell_that_rings_while_both_halves_are_leaving_keeps_neither_of_them() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("lanes come one at a time here")
    is_looking_done, is_rung = threading.Event(), threading.Event()
    ends_at = time.monotonic() + 4

    def ring_late() -> None:
        worker.ring()
        is_rung.set()

    def should_stop() -> bool:
        # The half that syncs has nothing to do, and is kept from leaving until the other one has left and the bell has rung.
        if threading.current_thread() is not threading.main_thread() and worker.syncing.is_done():
            is_looking_done.set()
            is_rung.wait(2)
        return time.monotonic() > ends_at

    def between() -> None:
        if is_looking_done.wait(2) and not is_rung.is_set():
            threading.Timer(0.2, ring_late).start()

    with SideBySide(
        concurrency=1, with_threads=True, should_stop=should_stop, on_report=repr, on_sync=repr
    ) as worker:
        began_at = time.monotonic()
        worker.run(once=True, between=between)
        took = time.monotonic() - began_at

    assert is_rung.is_set()
    assert took < 2


def test_a_due_mailbox_is_rung_for_as_one_to_be_synced(mailbox: Mailbox) -> None:
    rung: list[tuple[str, int]] = []

    def note_sync(*, account_id: int, **kwargs: object) -> None:
        rung.append(("sync", account_id))

    def note_send(*, account_id: int, **kwargs: object) -> None:
        rung.append(("send", account_id))

    signals.sync_due.connect(note_sync)
    signals.message_queued.connect(note_send)
    make_due(mailbox)
    delivery.sweep()
    signals.sync_due.disconnect(note_sync)
    signals.message_queued.disconnect(note_send)

    assert rung == [("sync", mailbox.pk)]


def test_the_sweep_makes_lanes_that_are_missing_and_mends_lost_ones(server: FakeIMAP) -> None:
    mailboxes = [make_synced(server.port, from_email=f"{number}@mail.test") for number in range(4)]
    wanted, off, lost, paused = mailboxes
    Lane.objects.filter(account__in=[wanted, off], purpose=Purpose.SYNC).delete()
    Mailbox.objects.filter(pk=off.pk).update(is_sync_enabled=False)  # type: ignore[misc]  # of the child
    Lane.objects.filter(account__in=[lost, paused], purpose=Purpose.SYNC).update(due_at=None)
    Lane.objects.filter(account=paused, purpose=Purpose.SYNC).update(wait_reason="paused_login")

    delivery.sweep()

    due = set(
        Lane.objects.filter(purpose=Purpose.SYNC, due_at__isnull=False).values_list("account_id", flat=True)
    )
    assert due == {wanted.pk, lost.pk}
    assert not Lane.objects.filter(account=off, purpose=Purpose.SYNC).exists()


def test_many_mailboxes_that_come_at_once_are_not_all_due_at_once(server: FakeIMAP) -> None:
    for number in range(12):
        make_synced(server.port, from_email=f"{number}@mail.test")
    Lane.objects.filter(purpose=Purpose.SYNC).delete()

    delivery.sweep()

    times = list(Lane.objects.filter(purpose=Purpose.SYNC).values_list("due_at", flat=True))
    assert len(set(times)) == 12


@pytest.mark.parametrize(
    ("seen_minutes_ago", "own", "seconds"),
    [(None, None, 1800), (20, None, 1800), (5, None, 300), (5, 60, 60), (5, 7200, 1800)],
)
def test_mailboxes_of_somebody_who_is_there_are_synced_more_often(
    server: FakeIMAP, seen_minutes_ago: int | None, own: int | None, seconds: int
) -> None:
    owner = make_user()
    mailbox = make_synced(server.port, owner=owner, active_sync_interval=own)
    if seen_minutes_ago is not None:
        Activity.objects.create(user=owner, seen_at=database_now() - timedelta(minutes=seen_minutes_ago))

    due_at = delivery.sync_account(account_id=mailbox.pk).due_at

    assert due_at is not None
    assert 0.9 * seconds - 5 < (due_at - database_now()).total_seconds() <= seconds


def test_who_comes_back_has_their_mailboxes_synced_soon(server: FakeIMAP) -> None:
    owner, other = make_user(), make_user()
    mine, theirs, waiting = (
        make_synced(server.port, owner=person, from_email=f"{number}@mail.test")
        for number, person in enumerate([owner, other, owner])
    )
    later = database_now() + timedelta(seconds=1700)
    lanes = Lane.objects.filter(purpose=Purpose.SYNC)
    lanes.update(due_at=later, finished_at=database_now() - timedelta(seconds=900))
    lanes.filter(account=waiting).update(wait_reason="server_away", wait_until=later)

    assert delivery.note_activity(owner)
    assert not delivery.note_activity(owner)

    assert lanes.get(account=mine).due_at <= database_now()  # type: ignore[operator]
    assert [lanes.get(account=mailbox).due_at for mailbox in (theirs, waiting)] == [later, later]
    assert set(Activity.objects.values_list("user_id", flat=True)) == {owner.pk}


def test_activity_is_written_once_a_minute_whatever_process_sees_it() -> None:
    owner = make_user()
    delivery.note_activity(owner)
    seen_at = Activity.objects.get().seen_at
    activity.forget_noted()  # as another process, which has seen nobody

    assert not delivery.note_activity(owner)
    assert Activity.objects.get().seen_at == seen_at
    Activity.objects.update(seen_at=F("seen_at") - timedelta(minutes=2))
    activity.forget_noted()
    assert not delivery.note_activity(owner)
    assert Activity.objects.get().seen_at >= seen_at


def test_the_middleware_notes_whoever_is_logged_in() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.path)

    middleware = ActivityMiddleware(answer)
    owner = make_user()
    for user in (None, AnonymousUser(), owner):
        assert not Activity.objects.exists()
        request = RequestFactory().get("/here/")
        if user is not None:
            request.user = user
        assert middleware(request).content == b"/here/"

    assert Activity.objects.get().user_id == owner.pk


def test_due_mailboxes_are_picked_by_their_own_servers(server: FakeIMAP) -> None:
    first = make_synced(server.port, from_email="a@mail.test")
    second = make_synced(server.port, from_email="b@mail.test", imap_host="127.0.0.2")
    for mailbox in (first, second):
        make_due(mailbox)

    picked = pick_due(Purpose.SYNC, limit=10)

    assert {(lane.account_id, lane.host.name, lane.host.port) for lane in picked} == {
        (first.pk, "127.0.0.1", server.port),
        (second.pk, "127.0.0.2", server.port),
    }
    assert [lane.account_id for lane in pick_due(Purpose.SYNC, limit=10, not_at=[picked[0].host])] == [
        picked[1].account_id
    ]
    assert pick_due(limit=10) == ()


def test_a_server_of_exchange_or_a_service_is_no_other_one() -> None:
    here, there = "https://a.example/EWS/Exchange.asmx", "https://b.example/EWS/Exchange.asmx"
    mailboxes = [
        make_synced(1, from_email=f"{number}@mail.test", imap_host="", imap_secret=None, **values)
        for number, values in enumerate(
            (
                {"send_method": "ews", "sync_method": "ews", "ews_endpoint": here},
                {"send_method": "ews", "sync_method": "ews", "ews_endpoint": there},
                {"send_method": "gmail_api", "sync_method": "gmail_api"},
                {"send_method": "sendgrid", "sync_method": "imap"},
            )
        )
    ]
    for purpose in Purpose:
        Lane.objects.filter(purpose=purpose).delete()
        for mailbox in mailboxes:
            Lane.objects.create(
                account_id=mailbox.pk, purpose=purpose, due_at=database_now() - timedelta(hours=1)
            )
        picked = pick_due(purpose, limit=10)

        assert len({lane.host for lane in picked}) == len(mailboxes)
        for lane in picked:
            others = {other.account_id for other in picked} - {lane.account_id}
            left = pick_due(purpose, limit=10, not_at=[lane.host])
            assert {other.account_id for other in left} == others


def test_texts_go_when_their_time_is_over_and_what_came_in_stays(
    server: FakeIMAP, mailbox: Mailbox, settings: Settings
) -> None:
    for _ in range(3):
        put(server)
    delivery.sync_account(account_id=mailbox.pk)
    first = SyncedMessage.objects.order_by("pk")[0].pk
    SyncedMessage.objects.filter(pk=first).update(synced_at=F("synced_at") - timedelta(days=31))

    assert delivery.purge().texts == 1
    assert set(SyncedContent.objects.values_list("pk", flat=True)) == set(
        SyncedMessage.objects.exclude(pk=first).values_list("pk", flat=True)
    )
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SYNCED_CONTENT_DAYS": 0}
    assert delivery.purge().texts == 2
    assert SyncedMessage.objects.count() == 3


def test_a_worker_that_is_to_end_leaves_after_the_batch_in_hand(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(500)
    make_due(mailbox)
    # The texts of the first batch are asked for by the second command.
    delivery.run(should_stop=lambda: server.verbs().count("UID FETCH") >= 2)

    assert SyncedMessage.objects.count() == 100
    lane = lane_of(mailbox)
    assert (lane.lease_token, lane.finished_at) == (None, None)
    assert lane.due_at is not None
    assert lane.due_at <= database_now()
