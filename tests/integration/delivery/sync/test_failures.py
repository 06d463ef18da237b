"""What goes wrong: the same rests and pauses as for sending, on the lane that syncs, and nothing half done."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from mailconfig import delivery, signals
from mailconfig.delivery.clock import database_now
from mailconfig.models import Lane, Mailbox, Purpose, SyncedContent, SyncedFolder, SyncedMessage
from tests.factories import PASSWORD
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.faults import Action, Close, Endless, Hang, Raw, Reply
from tests.servers.imap import FakeFolder, FakeIMAP

from .mail import USER, lane_of, make_synced, put, uids

pytestmark = pytest.mark.django_db(transaction=True)


def make_due(mailbox: Mailbox) -> None:
    Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC).update(
        due_at=database_now(), wait_until=database_now()
    )


def test_a_refused_login_is_tried_once_more_and_then_not_until_somebody_acts(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    server.credentials = {USER: "another"}
    told: list[tuple[int, str, str]] = []

    def note(*, account_id: int, purpose: str, reason: str, **kwargs: object) -> None:
        told.append((account_id, purpose, reason))

    signals.account_paused.connect(note)
    first = delivery.sync_account(account_id=mailbox.pk)
    lane = lane_of(mailbox)
    assert (first.error_code, lane.wait_reason) == ("auth_failed", "login_retry")
    assert first.due_at == lane.due_at == lane.wait_until
    assert lane.finished_at == lane.last_error_at is not None
    assert " — NO [AUTHENTICATIONFAILED]" in lane.wait_text, (
        "the server's words follow ours, and IMAP has no code"
    )
    make_due(mailbox)
    second = delivery.sync_account(account_id=mailbox.pk)
    third = delivery.sync_account(account_id=mailbox.pk)
    signals.account_paused.disconnect(note)

    assert (second.due_at, third.due_at) == (None, None)
    assert lane_of(mailbox).wait_reason == "paused_login"
    assert len(server.logins) == 2
    assert told == [(mailbox.pk, "sync", "paused_login")]
    assert mailbox.lane.wait_reason == ""


@pytest.mark.parametrize(
    ("verb", "action", "reason", "code"),
    [
        ("banner", Close(), "server_away", "connect_failed"),
        ("examine", Close(), "server_away", "connect_failed"),
        ("examine", Reply(("NO [UNAVAILABLE] try again later",)), "server_away", "folder_refused"),
        ("examine", Hang(), "server_away", "timeout"),
        ("fetch", Endless(line="* X"), "server_away", "protocol_error"),
        ("fetch", Raw(b"* X {4294967295}\r\nabc"), "server_away", "protocol_error"),
        ("search", Raw(b"TAG BAD what\r\n"), "server_away", "protocol_error"),
    ],
)
def test_a_server_that_fails_is_tried_again_later(
    server: FakeIMAP, mailbox: Mailbox, settings: Settings, verb: str, action: Action, reason: str, code: str
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "TIMEOUTS": {"transaction": 0.3, "quit": 0.2}}
    put(server)
    server.on(verb, action)

    report = delivery.sync_account(account_id=mailbox.pk)

    lane = lane_of(mailbox)
    assert (lane.wait_reason, report.error_code, lane.last_error_code) == (reason, code, code)
    assert lane.due_at is not None
    assert timedelta(seconds=50) < lane.due_at - database_now() < timedelta(seconds=70)
    assert (lane.lease_token, lane.last_success_at) == (None, None)
    server._faults.clear()
    make_due(mailbox)
    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    lane = lane_of(mailbox)
    assert (lane.wait_reason, lane.failures, lane.breaches) == ("", 0, 0)


def test_a_folder_that_is_gone_is_looked_for_at_the_mailbox_s_own_frequency(server: FakeIMAP) -> None:
    mailbox = make_synced(server.port, syncs_outreach_folder=True)

    delivery.sync_account(account_id=mailbox.pk)
    lane = lane_of(mailbox)
    assert (lane.wait_reason, lane.last_error_code) == ("paused_config", "folder_refused")
    assert lane.due_at is not None
    assert timedelta(minutes=25) < lane.due_at - database_now() < timedelta(minutes=30)
    server.folders[b"Outreach"] = FakeFolder()
    put(server, folder="Outreach")
    make_due(mailbox)

    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    assert lane_of(mailbox).wait_reason == ""


def test_what_was_read_before_the_end_of_a_session_stays(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(250)
    server.on("fetch", Close(), at=2)

    first = delivery.sync_account(account_id=mailbox.pk)
    assert (first.stored, first.error_code) == (100, "connect_failed")
    server._faults.clear()
    make_due(mailbox)

    assert delivery.sync_account(account_id=mailbox.pk).stored == 150
    assert uids(mailbox) == list(range(1, 251))


def test_whoever_lost_the_lane_stores_nothing(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(150)

    def take_away() -> bool:
        Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC).update(
            lease_token="7f1c1f0e-0000-4000-8000-000000000000"
        )
        return False

    report = delivery.sync_account(account_id=mailbox.pk, should_stop=take_away)

    assert (report.stored, report.is_complete) == (100, False)
    assert SyncedFolder.objects.get().highest_uid == SyncedMessage.objects.count() == 100
    assert lane_of(mailbox).lease_token is not None


def test_an_edited_mailbox_is_read_anew_before_anything_else_is_stored(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    server.add_messages(100)
    for _ in range(3):
        put(server, From="secret@example.org")

    def exclude() -> bool:
        if not mailbox.sync_exclusions:
            mailbox.sync_exclusions = "example.org"
            mailbox.save()
        return False

    report = delivery.sync_account(account_id=mailbox.pk, should_stop=exclude)
    assert (report.stored, report.is_due) == (100, True)

    assert delivery.sync_account(account_id=mailbox.pk).excluded == 3
    assert SyncedMessage.objects.count() == 100


def test_an_error_of_our_own_lets_the_mailbox_rest(
    server: FakeIMAP, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(server)

    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr("mailconfig.delivery.sync.folder.find_ties", fail)
    report = delivery.sync_account(account_id=mailbox.pk)

    assert report.error_code == "internal_error"
    lane = lane_of(mailbox)
    assert (lane.wait_reason, lane.lease_token) == ("internal_error", None)
    assert f"account {mailbox.pk} cannot be synced" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("point", ["after_lane", "before_batch@2", "after_batch@2"])
def test_a_sync_that_is_killed_leaves_no_gap_and_nothing_twice(
    server: FakeIMAP, mailbox: Mailbox, point: str, tmp_path: Path
) -> None:
    server.add_messages(350)
    make_due(mailbox)
    settings = {"ALLOW_PLAIN_LOGIN": True, "LEASE_SECONDS": 1.0, "USE_CELERY": False}
    with Child(
        "manage.py", "mailconfig_drain", "--once", folder=tmp_path, env=environment(settings, crash_at=point)
    ) as child:
        assert child.wait() == -9
    stored = SyncedMessage.objects.count()
    assert stored == {"after_lane": 0, "before_batch@2": 100, "after_batch@2": 200}[point]
    Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC).update(lease_until=database_now())

    assert delivery.sync_account(account_id=mailbox.pk).stored == 350 - stored
    assert uids(mailbox) == list(range(1, 351))
    assert server.credentials == {USER: PASSWORD}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "stored"),
    [
        ("after_lane", 0),
        ("after_examine", 0),
        ("before_batch@1", 0),
        ("before_batch@2", 100),
        ("after_batch@2", 200),
        ("before_end", 250),
        ("before_free", 250),
    ],
)
def test_a_sync_that_stands_still_until_its_lease_is_over_does_nothing_any_more(
    server: FakeIMAP, mailbox: Mailbox, point: str, stored: int, tmp_path: Path
) -> None:
    """Its server goes on answering it, and it believes that the lane is its own."""
    server.add_messages(250)
    make_due(mailbox)
    point = point if "@" in point else f"{point}@1"
    settings = {"ALLOW_PLAIN_LOGIN": True, "LEASE_SECONDS": 300.0, "USE_CELERY": False}
    with drain_worker(tmp_path, settings, crash_at=f"{point}=stop", once=True) as child:
        until(child.stands_still)
        assert SyncedMessage.objects.count() == stored
        lanes = Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC)
        assert lanes.filter(lease_until__gt=database_now()).update(lease_until=database_now()) == 1
        report = delivery.sync_account(account_id=mailbox.pk)
        assert (report.stored, report.is_complete) == (250 - stored, True)
        left = lanes.values().get()
        rows = list(SyncedMessage.objects.order_by("pk").values_list("pk", "uid", "synced_at"))
        child.signal(signal.SIGCONT)
        assert child.wait() == 0, child.said()

    assert [uid for _pk, uid, _at in rows] == list(range(1, 251))
    assert list(SyncedMessage.objects.order_by("pk").values_list("pk", "uid", "synced_at")) == rows
    assert SyncedContent.objects.count() == 250
    assert SyncedFolder.objects.get().highest_uid == 250
    assert lanes.values().get() == left


def test_the_status_names_mailboxes_that_are_not_synced_as_they_should_be(server: FakeIMAP) -> None:
    fine, paused, late, off = (make_synced(server.port, from_email=f"{name}@mail.test") for name in "abcd")
    lanes = Lane.objects.filter(purpose=Purpose.SYNC)
    lanes.update(due_at=database_now() + timedelta(minutes=5))
    lanes.filter(account=paused).update(wait_reason="paused_login", due_at=None, wait_text="no")
    lanes.filter(account__in=[late, off]).update(due_at=database_now() - timedelta(minutes=2))
    off.is_sync_enabled = False
    off.save()

    status = delivery.status()

    found = {sync.account_id: (sync.is_paused, sync.is_late, sync.words) for sync in status.syncs}
    assert found == {paused.pk: (True, False, "no"), late.pk: (False, True, "")}
    assert fine.pk not in found
    assert status.exit_code == 1
