"""What monitoring is told, and a database under another installation's id."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from mailconfig import delivery, tasks
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Account, Installation, Lane, Message, WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, drain_worker, environment
from tests.servers.faults import Reset

from .conftest import states

pytestmark = pytest.mark.django_db(transaction=True)


def status() -> tuple[int, dict[str, Any]]:
    """The exit code of ``mailconfig_status``, and what it says."""
    output = io.StringIO()
    try:
        call_command("mailconfig_status", "--json", stdout=output)
    except SystemExit as leaving:
        code = leaving.code
        assert isinstance(code, int)
        return code, json.loads(output.getvalue())
    return 0, json.loads(output.getvalue())


def words() -> str:
    """The last line that a person reads."""
    output = io.StringIO()
    call_command("mailconfig_status", stdout=output)
    return output.getvalue().splitlines()[-1]


def test_an_installation_without_an_account_is_told_from_one_where_nothing_waits() -> None:
    assert words() == "There is no mail account: nothing can be sent."
    account = make_account()
    assert words() == "Nothing waits."
    Account.objects.filter(pk=account.pk).update(deleted_at=timezone.now())
    assert words() == "There is no mail account: nothing can be sent."


def age(minutes: float = 2) -> None:
    """Let all mail, and the last sweep, be older than monitoring tolerates."""
    past = timezone.now() - timedelta(minutes=minutes)
    Message.objects.update(not_before=past)
    Installation.objects.update(swept_at=past)


def sweep_only() -> None:
    """Somebody sweeps, nobody drains."""
    delivery.sweep()


def test_all_is_well_when_mail_flows(server: ChaosServer) -> None:
    assert status()[0] == 0, "an empty database is no alarm"
    account = make_account(server.port)
    make_message(account)
    delivery.drain_all(should_stop=lambda: False)
    assert status()[0] == 0


def test_due_mail_without_any_worker_is_an_alarm() -> None:
    make_message(make_account())
    delivery.sweep()
    assert status()[0] == 0, "a moment is no alarm"
    age()
    code, said = status()
    assert (code, said["is_stale"]) == (2, True)


def test_due_mail_that_nobody_takes_is_an_alarm_although_somebody_sweeps() -> None:
    make_message(make_account())
    age()
    sweep_only()
    assert status()[0] == 2


def test_a_wait_that_ended_long_ago_and_nobody_took_up_is_an_alarm() -> None:
    make_message(make_account())
    age()
    Lane.objects.update(
        wait_reason=WaitReason.LIMIT, wait_until=timezone.now() - timedelta(minutes=2), due_at=None
    )
    sweep_only()
    assert status()[0] == 2


def test_mail_that_waits_for_a_limit_is_no_alarm() -> None:
    make_message(make_account())
    age()
    Lane.objects.update(wait_reason=WaitReason.LIMIT, wait_until=timezone.now() + timedelta(hours=2))
    sweep_only()
    assert status()[0] == 0


def test_a_paused_account_is_for_somebody_to_look_at() -> None:
    make_message(make_account())
    age()
    Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now())
    sweep_only()
    code, said = status()
    assert (code, said["accounts"][0]["reason"]) == (1, "paused_login")


def test_the_command_exits_with_the_code(tmp_path: Path) -> None:
    make_message(make_account())
    age()
    with Child("manage.py", "mailconfig_status", folder=tmp_path) as command:
        assert command.wait() == 2
        assert "nobody takes it" in command.said()


# A copy of the database.


@pytest.fixture
def copied(server: ChaosServer, configure: Callable[..., None]) -> Message:
    """A due message in a database that belongs to the installation ``live``; we are ``staging``."""
    configure(INSTALLATION_ID="live")
    account = make_account(server.port)
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    message = make_message(account)
    Lane.objects.update(due_at=timezone.now())
    configure(INSTALLATION_ID="staging")
    return message


def test_a_copied_database_sends_nothing_and_says_why(copied: Message, server: ChaosServer) -> None:
    sessions = server.sessions
    for operation in (
        lambda: delivery.drain_account(account_id=copied.account_id),
        lambda: delivery.drain_all(should_stop=lambda: False),
        lambda: delivery.run(should_stop=lambda: False),
        delivery.sweep,
        lambda: delivery.send_test_mail(
            account_id=copied.account_id, recipient="a@example.net", requested_by=None
        ),
    ):
        with pytest.raises(WrongInstallation, match="belongs to the installation 'live'"):
            operation()
    tasks.drain(copied.account_id)
    tasks.sweep()
    assert delivery.explain([copied])[copied.pk].reason == WaitReason.WRONG_INSTALLATION
    code, said = status()
    assert code == 2
    assert "'live'" in said["wrong_installation"]
    assert server.sessions == sessions
    assert states() == ["sent", "queued"]
    assert Installation.objects.get().name == "live"


@pytest.mark.slow
def test_a_worker_on_a_copied_database_ends_and_says_why(
    copied: Message, server: ChaosServer, tmp_path: Path, configure: Callable[..., None]
) -> None:
    sessions = server.sessions
    settings = {"INSTALLATION_ID": "staging"}
    for once in (True, False):
        with drain_worker(tmp_path, settings, once=once) as worker:
            assert worker.wait() == 2
            assert "belongs to the installation 'live'" in worker.said()
    assert server.sessions == sessions
    with Child("manage.py", "mailconfig_adopt", folder=tmp_path, env=environment(settings)) as command:
        assert command.wait() == 0
    with drain_worker(tmp_path, settings, once=True) as worker:
        assert worker.wait() == 0, worker.said()
    assert states() == ["sent", "sent"]


@pytest.mark.parametrize("reason", [WaitReason.SERVER_AWAY, ""])
def test_an_account_that_tries_and_gets_nothing_out_is_for_somebody_to_look_at(reason: str) -> None:
    make_message(make_account())
    age(11)
    now = timezone.now()
    Lane.objects.update(
        wait_reason=reason,
        wait_until=now + timedelta(minutes=1) if reason else None,
        wait_since=now if reason else None,
        last_success_at=now - timedelta(minutes=12),
    )
    sweep_only()
    code, said = status()
    assert said["accounts"][0]["makes_no_progress"]
    assert code == (1 if reason else 2)
    Lane.objects.update(last_success_at=now - timedelta(minutes=3))
    if reason:
        assert status()[0] == 0, "mail goes out, and the oldest waits for its turn"


def test_a_head_of_line_that_never_gets_through_shows(server: ChaosServer) -> None:
    server.on("mail", Reset())
    account = make_account(server.port)
    for _ in range(3):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    age(11)
    sweep_only()
    code, said = status()
    assert (code, said["accounts"][0]["makes_no_progress"]) == (1, True)
