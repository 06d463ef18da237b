"""Checks of the half of a mailbox that is synced: stages, guilty fields, deadlines, throttles, and what the lane is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mailconfig import signals
from mailconfig.delivery import (
    probe_account,
    probe_sync,
    probe_sync_values,
    request_check,
    run_check,
    save_account,
)
from mailconfig.delivery.accounts.check_view import public_view, staff_view
from mailconfig.delivery.accounts.logins import key_of
from mailconfig.delivery.lanes import lane_of
from mailconfig.exceptions import NoAccount, NotProved, Throttled
from mailconfig.models import CheckKind, ConnectionCheck, Lane, Mailbox, Purpose, WaitReason
from mailconfig.values import Secret, Timeouts
from tests.integration.delivery.accounts.conftest import (
    PASSWORD,
    USERNAME,
    imap_mailbox,
    note_checks,
    stored_account,
)
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Endless, Hang, Raw, Reply, Slow
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, NO_HOST_NAMES
from tests.servers.imap import FakeFolder, FakeIMAP

pytestmark = pytest.mark.django_db(transaction=True)

STAGES = ["resolve", "connect", "tls", "banner", "login", "folder"]
WRONG = Secret("wrong-not-real-password")


@pytest.fixture
def server(certificates: Certificates) -> Iterator[FakeIMAP]:
    """A server as providers run it on port 143."""
    with FakeIMAP(tls=certificates.good, starttls=True, credentials={USERNAME: PASSWORD}) as found:
        yield found


def outcomes(check: ConnectionCheck) -> dict[str, str]:
    return {stage["stage"]: stage["outcome"] for stage in check.stages}


def sync_lane(mailbox: Mailbox) -> Lane:
    return lane_of(mailbox, Purpose.SYNC)


def test_a_mailbox_that_can_be_synced_passes_every_stage(server: FakeIMAP, staff: User) -> None:
    server.add_messages(3)

    check = probe_sync_values(mailbox=imap_mailbox(server), requested_by=staff)

    assert check.ok
    assert outcomes(check) == dict.fromkeys(STAGES, "ok")
    assert [stage["stage"] for stage in check.stages] == STAGES
    assert (check.kind, check.host, check.port, check.username) == (
        "sync",
        "127.0.0.1",
        server.port,
        USERNAME,
    )
    assert staff_view(check)["message"] == "The mailbox can be synced."
    assert server.verbs()[-2:] == ["EXAMINE", "LOGOUT"]


@pytest.mark.parametrize(
    ("verb", "action", "stage", "code", "field", "hint"),
    [
        ("banner", Raw(b"* BYE go away\r\n"), "connect", "connect_failed", "imap_host", ""),
        ("banner", Raw(b"SSH-2.0-OpenSSH_9\r\n"), "connect", "protocol_error", "imap_host", ""),
        ("banner", Close(), "connect", "connect_failed", "imap_port", "unreachable_hint"),
        ("capability", Raw(b"* CAPABILITY POP3\r\nTAG OK\r\n"), "banner", "protocol_error", "imap_host", ""),
        ("capability", Endless("* 1 EXISTS"), "banner", "protocol_error", "imap_host", ""),
        ("starttls", Reply.of("NO no TLS now"), "tls", "tls_failed", "imap_ssl", ""),
        ("handshake", Close(), "tls", "tls_failed", "imap_ssl", ""),
        ("authenticate", Reply.of("NO no"), "login", "auth_failed", "imap_secret", "check_password"),
        (
            "authenticate",
            Reply.of("NO [ALERT] Application-specific password required"),
            "login",
            "auth_failed",
            "imap_secret",
            "app_password",
        ),
        ("authenticate", Close(), "login", "connect_failed", "imap_host", ""),
        (
            "examine",
            Reply.of("NO [NONEXISTENT] none"),
            "folder",
            "folder_refused",
            "syncs_outreach_folder",
            "check_folder",
        ),
        ("examine", Reply.of("BAD what"), "folder", "protocol_error", "imap_host", ""),
        ("examine", Raw(b"* 1 FETCH (\r\n"), "folder", "protocol_error", "imap_host", ""),
    ],
)
def test_a_failure_names_its_stage_the_guilty_field_and_what_helps(
    server: FakeIMAP,
    staff: User,
    verb: str,
    action: Any,
    stage: str,
    code: str,
    field: str,
    hint: str,
) -> None:
    server.on(verb, action)

    check = probe_sync_values(mailbox=imap_mailbox(server), requested_by=staff)

    assert (check.state, check.stage, check.code, check.guilty_field) == ("failed", stage, code, field)
    assert check.message
    assert check.hint == hint
    listed = outcomes(check)
    assert list(listed) == STAGES
    assert listed[stage] == "failed"
    assert "SMTP" not in staff_view(check)["message"]


@pytest.mark.parametrize(
    ("changes", "stage", "field"),
    [
        ({"imap_host": ""}, "resolve", "imap_host"),
        ({"imap_port": 1}, "connect", "imap_port"),
        ({"imap_secret": None, "secret": None, "authentication": "none"}, "login", "imap_secret"),
        ({"from_email": "", "login_name": ""}, "login", "login_name"),
        ({"login_name": "other"}, "login", "imap_secret"),
        ({"imap_secret": WRONG}, "login", "imap_secret"),
        ({"syncs_outreach_folder": True}, "folder", "syncs_outreach_folder"),
        ({"sync_method": "pigeon"}, "resolve", "sync_method"),
        ({"sync_method": "gmail_api"}, "login", "authentication"),
        ({"sync_method": ""}, "resolve", "sync_method"),
    ],
)
def test_a_wrong_value_is_the_guilty_one(
    server: FakeIMAP, staff: User, changes: dict[str, Any], stage: str, field: str
) -> None:
    check = probe_sync_values(mailbox=imap_mailbox(server, **changes), requested_by=staff)
    assert (check.ok, check.stage, check.guilty_field) == (False, stage, field)


def test_a_folder_of_its_own_is_opened(server: FakeIMAP, staff: User) -> None:
    server.folders[b"Outreach"] = FakeFolder()
    assert probe_sync_values(mailbox=imap_mailbox(server, syncs_outreach_folder=True), requested_by=staff).ok


def test_encryption_that_does_not_fit_the_port_is_hinted_at(certificates: Certificates, staff: User) -> None:
    mailbox = imap_mailbox(None, imap_port=993, imap_ssl=True)
    with FakeIMAP(credentials={USERNAME: PASSWORD}) as server:
        mailbox.imap_port = server.port
        check = probe_sync_values(mailbox=mailbox, requested_by=staff)
        assert (check.stage, check.guilty_field, check.hint) == ("tls", "imap_ssl", "choose_port_or_tls")
        mailbox.imap_ssl = None
        check = probe_sync_values(mailbox=mailbox, requested_by=staff)
        assert (check.stage, check.guilty_field, check.hint) == ("login", "imap_ssl", "choose_encryption")
        assert server.logins == []


@pytest.mark.parametrize("verb", ["banner", "capability", "starttls", "authenticate", "examine", "logout"])
@pytest.mark.parametrize("action", [Hang(), Slow("OK at last", seconds=0.2)], ids=["hang", "slow"])
def test_one_deadline_holds_over_everything(
    server: FakeIMAP, staff: User, settings: Settings, verb: str, action: Any
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 0.7}
    server.on(verb, action)
    began = time.monotonic()

    check = probe_sync_values(mailbox=imap_mailbox(server), requested_by=staff)

    assert time.monotonic() - began < Timeouts().banner / 2
    assert (check.ok, check.code) == ((True, "") if verb == "logout" else (False, "timeout"))
    assert check.stage != "ehlo"


def test_a_hostile_host_is_refused_and_nothing_is_connected(
    settings: Settings, blocked_connections: list[object]
) -> None:
    settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}
    for host in NO_HOST_NAMES + FORBIDDEN_LITERALS:
        check = probe_sync_values(mailbox=imap_mailbox(None, imap_host=host), requested_by=None)
        found = (check.code, check.stage, check.guilty_field)
        assert found == ("host_not_allowed", "resolve", "imap_host"), ascii(host)
    assert blocked_connections == []


def test_who_is_not_staff_cannot_tell_a_closed_port_from_a_blocked_address(
    bob: User, settings: Settings
) -> None:
    closed = probe_sync_values(mailbox=imap_mailbox(None, imap_port=1), requested_by=bob)
    settings.MAILCONFIG |= {"ALLOWED_NETWORKS": []}
    blocked = probe_sync_values(mailbox=imap_mailbox(None, imap_host="localhost"), requested_by=bob)

    assert public_view(closed) == public_view(blocked)
    assert public_view(closed)["field"] == "imap_host"
    assert [stage["stage"] for stage in public_view(closed)["stages"]] == STAGES[1:]
    assert (blocked.finished_at or timezone.now()) - blocked.created_at > timedelta(seconds=0.9)


@pytest.mark.parametrize(
    "changes",
    [
        {"imap_host": "localhost"},
        {"imap_port": 993},
        {"imap_ssl": None},
        {"login_name": "other", "username": "other"},
        {"from_email": "other@mail.test", "username": "other@mail.test"},
        {"owner": True},
    ],
)
def test_a_stored_password_goes_nowhere_it_was_not_entered_for(
    server: FakeIMAP, staff: User, changes: dict[str, Any]
) -> None:
    mailbox = imap_mailbox(server, stored=True)
    for column, value in changes.items():
        setattr(mailbox, column, staff if value is True else value)

    with pytest.raises(ValidationError, match="enter the password again") as caught:
        probe_sync_values(mailbox=mailbox, requested_by=staff)
    assert list(caught.value.message_dict) == ["imap_secret"]
    with pytest.raises(ValidationError):
        save_account(account=mailbox, by=staff, prove_sync=True)

    assert server.commands == []


# What the lane is told


@pytest.mark.parametrize("by_worker", [False, True])
def test_right_and_wrong_settings_are_noted_on_the_lane_of_the_sync(
    server: FakeIMAP, staff: User, by_worker: bool
) -> None:
    def test() -> ConnectionCheck:
        if not by_worker:
            return probe_sync(account_id=mailbox.pk, requested_by=staff)
        asked = request_check(account_id=mailbox.pk, kind=CheckKind.SYNC, requested_by=staff)
        found = run_check(check_id=asked.pk)
        assert found is not None
        return found

    mailbox = imap_mailbox(server, stored=True)
    assert test().ok
    lane = sync_lane(mailbox)
    assert lane.last_success_at
    assert lane.finished_at
    assert lane.validated_at
    assert lane.last_error_at is None

    server.on("authenticate", Reply.of("NO no"))
    assert not test().ok
    failed = sync_lane(mailbox)
    assert (failed.last_error_code, bool(failed.last_error_at)) == ("auth_failed", True)
    assert (failed.last_success_at, failed.finished_at) == (lane.last_success_at, lane.finished_at)
    sending = lane_of(mailbox)
    assert (sending.last_success_at, sending.validated_at, sending.last_error_at) == (None, None, None)


def test_a_test_that_passes_ends_the_pause_of_the_sync_and_lets_it_begin(
    server: FakeIMAP, staff: User
) -> None:
    mailbox = imap_mailbox(server, stored=True)
    Lane.objects.filter(account=mailbox).update(wait_reason=WaitReason.PAUSED_LOGIN, due_at=None)
    told: list[dict[str, Any]] = []

    def listen(**values: Any) -> None:
        told.append({name: values[name] for name in ("account_id", "purpose") if name in values})

    signals.account_resumed.connect(listen)
    signals.sync_due.connect(listen)
    try:
        assert probe_sync(account_id=mailbox.pk, requested_by=staff, looks_only=True).ok
        assert told == []
        assert probe_sync(account_id=mailbox.pk, requested_by=staff).ok
    finally:
        signals.account_resumed.disconnect(listen)
        signals.sync_due.disconnect(listen)

    assert told == [{"account_id": mailbox.pk, "purpose": "sync"}, {"account_id": mailbox.pk}]
    lane = sync_lane(mailbox)
    assert (lane.wait_reason, lane.due_at is not None) == ("", True)
    assert lane_of(mailbox).wait_reason == WaitReason.PAUSED_LOGIN, "sending is another matter"


def test_what_was_proved_while_somebody_edited_it_counts_for_nothing(server: FakeIMAP, staff: User) -> None:
    mailbox = imap_mailbox(server, stored=True)

    def edit(_line: str) -> bool:
        Mailbox.objects.get(pk=mailbox.pk).save()
        connection.close()  # that of the server's thread
        return False

    server.on("examine", Reply.of("NO"), when=edit)
    assert probe_sync(account_id=mailbox.pk, requested_by=staff).ok
    assert sync_lane(mailbox).last_success_at is None


def test_both_halves_are_proved_before_anything_is_stored(
    server: FakeIMAP, starttls: ChaosServer, staff: User
) -> None:
    mailbox = imap_mailbox(server, send_method="smtp", port=starttls.port, security="starttls")
    server.on("examine", Reply.of("NO [NONEXISTENT] none"), at=1)
    with pytest.raises(NotProved) as caught:
        save_account(account=mailbox, by=staff, prove=True, prove_sync=True)
    assert caught.value.check.kind == CheckKind.SYNC
    assert not Mailbox.objects.exists()

    save_account(account=mailbox, by=staff, prove=True, prove_sync=True)

    assert [check.kind for check in mailbox.checks.order_by("pk")] == ["connection", "sync"]
    assert sync_lane(mailbox).last_success_at
    assert lane_of(mailbox).validated_at


def test_workers_prove_what_is_stored_where_only_they_connect(
    server: FakeIMAP, staff: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"CHECKS_AT_ONCE": 0}
    mailbox = imap_mailbox(server)

    check = save_account(account=mailbox, by=staff, prove_sync=True)

    assert check is not None
    assert (check.kind, check.state) == ("sync", "pending")
    run_check(check_id=check.pk)
    assert sync_lane(mailbox).last_success_at


# Throttles


def test_throttles_count_all_checks_together(server: FakeIMAP, staff: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"CHECKS_PER_MINUTE": 2}
    note_checks(1, requested_by=staff)
    assert probe_sync_values(mailbox=imap_mailbox(server), requested_by=staff).ok
    with pytest.raises(Throttled):
        probe_sync_values(mailbox=imap_mailbox(server), requested_by=staff)
    assert len(server.logins) == 1


def test_refused_logins_at_a_server_are_counted_over_both_halves(
    server: FakeIMAP, staff: User, bob: User
) -> None:
    mailbox = imap_mailbox(server)
    login = key_of(mailbox, CheckKind.SYNC)
    assert login == key_of(stored_account(None, username=USERNAME, authentication="password"))
    note_checks(5, login=login, requested_by=bob, state="failed", stage="login", code="auth_failed")
    with pytest.raises(Throttled):
        probe_sync_values(mailbox=mailbox, requested_by=bob)
    assert probe_sync_values(mailbox=mailbox, requested_by=staff).ok


def test_others_do_not_lock_an_owner_out(server: FakeIMAP, bob: User) -> None:
    mailbox = imap_mailbox(server, stored=True, owner=bob)
    login = key_of(mailbox, CheckKind.SYNC)
    for number in range(4):
        person = User.objects.create_user(f"guesser{number}")
        note_checks(5, login=login, requested_by=person, state="failed", stage="login", code="auth_failed")
    with pytest.raises(Throttled):
        probe_sync_values(mailbox=imap_mailbox(server), requested_by=User.objects.create_user("carol"))
    assert probe_sync(account_id=mailbox.pk, requested_by=bob).ok


def test_there_is_nothing_to_sync_in_an_account_that_is_no_mailbox(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    with pytest.raises(NoAccount):
        probe_sync(account_id=account.pk, requested_by=staff)
    assert probe_account(account_id=account.pk, requested_by=staff).ok
