"""A pause is told once, whoever sweeps and whatever fails, and never through the account that it is about."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template import TemplateSyntaxError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.notices import pauses
from mailconfig.delivery.notices.words import notice_for
from mailconfig.delivery.worker.failing_over import fail_over
from mailconfig.models import Account, Lane, Message, Suppression, Tenant
from tests.factories import account_values, make_account, make_mailbox, make_message, make_tenant, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.children import drain_worker
from tests.servers.faults import Reply

from .conftest import addresses, make_administrator, make_paused, make_teller, pass_time, pause, queued

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_refused_login_reaches_the_administrator_through_another_account(tenant: Tenant) -> None:
    with ChaosServer(credentials={}, auth_in_clear=True) as strict, ChaosServer() as server:
        Account.objects.filter(from_email="teller@example.com").update(port=server.port)
        account = make_account(
            strict.port, kind="smtp_provider", tenant=tenant, name="Front desk", username="desk"
        )
        delivery.enqueue(EmailMultiAlternatives("Hello", "Text", to=["bob@example.net"]), account=account)
        for _ in range(2):  # a refused login is tried once more
            Lane.objects.filter(account=account).update(wait_until=timezone.now(), due_at=timezone.now())
            delivery.drain_account(account_id=account.pk)
        assert account.lane.is_paused

        delivery.sweep()
        delivery.drain_all(should_stop=lambda: False)

        (received,) = server.messages
        assert received.recipients == ("anna@example.com",)
        assert b"Front desk" in received.data
        assert b"Auto-Submitted: auto-generated" in received.data
        assert strict.messages == []
    assert account.lane.notice_queued_at is not None


def test_a_pause_is_told_once_and_a_new_one_after_an_hour_at_the_earliest(tenant: Tenant) -> None:
    account = make_paused(tenant)
    for _ in range(3):
        delivery.sweep()
    assert len(queued()) == 1

    pass_time(hours=30)
    delivery.sweep()
    assert len(queued()) == 1, "it is the same pause"

    Lane.objects.filter(account=account).update(noticed_at=timezone.now() - timedelta(minutes=59))
    pause(account, reason="paused_config")
    delivery.sweep()
    assert len(queued()) == 1, "it comes and goes"
    assert account.lane.notice_queued_at is None

    pass_time(hours=0.02)
    delivery.sweep()
    assert len(queued()) == 2


def test_nothing_is_told_unless_it_is_switched_on(tenant: Tenant, on: Callable[..., None]) -> None:
    on(PAUSE_NOTICES="off")
    make_paused(tenant)
    delivery.sweep()
    assert queued() == []


def test_a_persons_pause_is_never_told(tenant: Tenant) -> None:
    by_person = make_account(kind="smtp_provider", tenant=tenant)
    delivery.pause_account(account_id=by_person.pk, by=None, because="holidays")
    both = make_paused(tenant)
    delivery.pause_account(account_id=both.pk, by=None, because="holidays")
    delivery.sweep()
    assert queued() == []

    delivery.resume_account(account_id=both.pk)
    delivery.sweep()
    assert len(queued()) == 1, "what it stopped for itself holds it back now"


@pytest.mark.parametrize("values", [{"is_enabled": False}, {"deleted_at": timezone.now()}])
def test_an_account_that_is_not_in_use_is_never_told_of(tenant: Tenant, values: dict[str, Any]) -> None:
    account = make_paused(tenant)
    Account.objects.filter(pk=account.pk).update(**values)
    delivery.sweep()
    assert queued() == []


def test_an_inactive_tenants_pauses_are_never_told(tenant: Tenant) -> None:
    make_paused(tenant)
    make_teller()
    Tenant.objects.update(is_active=False)
    delivery.sweep()
    assert queued() == []


def test_a_mailbox_that_is_not_read_any_more_is_told_of_as_such(tenant: Tenant) -> None:
    owner = make_user("olga")
    mailbox = make_mailbox(owner=owner, tenant=tenant, name="Box", sync_method="imap", is_sync_enabled=True)
    Lane.objects.get_or_create(account_id=mailbox.pk, purpose="sync")
    pause(mailbox, purpose="sync")
    delivery.sweep()
    (mail,) = queued()
    assert mail["To"] == "olga@example.com"
    assert mail["Subject"] == "The mailbox “Box” is not read any more"
    assert str(mail["From"]).endswith("teller@example.com"), "not through itself, though it may still send"


def test_a_mailbox_whose_sync_is_switched_off_is_not_told_of(tenant: Tenant) -> None:
    mailbox = make_mailbox(owner=make_user("olga"), sync_method="imap", is_sync_enabled=False)
    make_teller()
    Lane.objects.get_or_create(account_id=mailbox.pk, purpose="sync")
    pause(mailbox, purpose="sync")
    delivery.sweep()
    assert queued() == []


def test_no_account_that_stands_still_tells(
    tenant: Tenant, caplog: pytest.LogCaptureFixture, on: Callable[..., None]
) -> None:
    account = make_paused(tenant)
    teller = Account.objects.get(from_email="teller@example.com")
    project = make_teller()
    other = make_teller(Tenant.objects.create(slug="other", name="Other"), serves_project=True)
    still: list[dict[str, Any]] = [
        {"wait_reason": "paused_config"},
        {"paused_at": timezone.now()},
    ]
    for values in still:
        Lane.objects.filter(account__in=[teller, project]).update(
            **{"wait_reason": "", "paused_at": None, **values}, wait_since=None
        )
        Lane.objects.update(noticed_at=None)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "mailconfig.upkeep"):
            delivery.sweep()
        assert f"1 accounts are paused ({account.pk})" in caplog.text
        assert queued() == []
        assert account.lane.notice_queued_at is None, "its page says nothing of a mail"
        caplog.clear()
        delivery.sweep()
        assert caplog.text == "", "not with every sweep"
    assert other.lane.wait_reason == "", "an account of another tenant could have, and may not"

    Lane.objects.filter(account__in=[teller, project]).update(wait_reason="", paused_at=None)
    pass_time(hours=1.01)
    delivery.sweep()
    assert len(queued()) == 1, "once another account can"


def test_the_tenants_own_account_tells_else_the_projects(tenant: Tenant) -> None:
    make_teller(from_email="project@example.com")
    make_paused(tenant)
    delivery.sweep()
    Account.objects.filter(from_email="teller@example.com").update(is_enabled=False)
    make_paused(tenant)
    delivery.sweep()
    assert [str(mail["From"]) for mail in queued()] == ["teller@example.com", "project@example.com"]


def test_a_persons_own_account_and_one_that_lets_nothing_out_tell_nothing(tenant: Tenant) -> None:
    Account.objects.filter(tenant=tenant).update(limit_per_day=0)
    make_account(tenant=tenant, owner=make_user(), from_email="own@example.com")
    make_paused(tenant)
    delivery.sweep()
    assert queued() == []


def test_what_an_account_tells_never_fails_over_to_the_one_it_tells_of(tenant: Tenant) -> None:
    account = make_paused(tenant)
    teller = Account.objects.get(from_email="teller@example.com")
    Account.objects.filter(pk=teller.pk).update(failover=account)
    delivery.sweep()
    pause(teller, ago=timedelta(hours=1))
    assert fail_over(database_now()) == 0
    assert Message.objects.get().account_id == teller.pk


def test_a_notice_that_fails_is_told_to_nobody(tenant: Tenant) -> None:
    make_paused(tenant)
    with ChaosServer() as server:
        server.on("rcpt", Reply.of("550 5.1.1 no such user"))
        Account.objects.filter(from_email="teller@example.com").update(port=server.port)
        delivery.sweep()
        delivery.drain_all(should_stop=lambda: False)
    assert [message.state for message in Message.objects.all()] == ["failed"]
    pass_time(hours=2)
    delivery.sweep()
    assert Message.objects.count() == 1


def test_the_suppression_list_does_not_swallow_it(tenant: Tenant) -> None:
    delivery.suppress(tenant_id=tenant.pk, address="anna@example.com", reason="bounced")
    assert Suppression.objects.exists()
    make_paused(tenant)
    with ChaosServer() as server:
        Account.objects.filter(from_email="teller@example.com").update(port=server.port)
        delivery.sweep()
        delivery.drain_all(should_stop=lambda: False)
        assert [message.recipients for message in server.messages] == [("anna@example.com",)]


def test_a_step_that_fails_tells_nothing_and_the_sweep_goes_on(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project's own template may be broken."""

    def broken(*args: object, **kwargs: object) -> EmailMessage:
        raise TemplateSyntaxError("Unclosed tag")

    account = make_paused(tenant)
    other = make_account()
    make_message(other)
    with monkeypatch.context() as patched:
        patched.setattr(pauses, "notice_for", broken)
        assert delivery.sweep().mended == 1
    assert [step.step for step in delivery.status().failing_steps] == ["tell_pauses"]
    assert account.lane.noticed_at is None
    assert Message.objects.count() == 1

    pauses.tell_pauses(database_now())
    assert account.lane.notice_queued_at is not None
    assert Message.objects.count() == 2


def test_sweeps_at_the_same_time_tell_each_pause_once(tenant: Tenant) -> None:
    owners = [make_user() for _ in range(20)]
    for owner in owners:
        make_paused(tenant, kind="outbound_email", owner=owner)
    start = threading.Barrier(4)
    counts: list[int] = []

    def race() -> None:
        try:
            start.wait(timeout=30)
            counts.append(pauses.tell_pauses(database_now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(counts) == 20
    assert addresses() == sorted(owner.email for owner in owners)


@pytest.mark.postgres
def test_a_sweep_does_not_wait_for_another_ones_pauses(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may stand still, with its transaction open."""
    make_paused(tenant)
    is_telling, is_over = threading.Event(), threading.Event()
    real = notice_for

    def stands_still(*args: Any, **kwargs: Any) -> EmailMultiAlternatives:
        is_telling.set()
        assert is_over.wait(60)
        return real(*args, **kwargs)

    def other() -> None:
        try:
            pauses.tell_pauses(database_now())
        finally:
            connection.close()

    monkeypatch.setattr(pauses, "notice_for", stands_still)
    thread = threading.Thread(target=other)
    thread.start()
    assert is_telling.wait(60)
    try:
        assert pauses.tell_pauses(database_now()) == 0
        assert delivery.status().failing_steps == ()
    finally:
        is_over.set()
        thread.join(60)
    assert len(queued()) == 1


def test_ten_thousand_pauses_are_told_in_bounded_steps_with_as_many_queries_each(tenant: Tenant) -> None:
    made = Account.objects.bulk_create(
        Account(**account_values(2525, kind="smtp_provider", tenant=tenant)) for _ in range(10_000)
    )
    since = timezone.now()
    Lane.objects.bulk_create(
        Lane(account=account, purpose="send", wait_reason="paused_login", wait_since=since)
        for account in made
    )
    queries: list[int] = []
    for _ in range(10_000 // pauses.STEP):
        with CaptureQueriesContext(connection) as captured:
            assert pauses.tell_pauses(database_now()) == pauses.STEP
        queries.append(len(captured))
    assert pauses.tell_pauses(database_now()) == 0
    assert len(set(queries)) == 1, queries
    assert queries[0] < 30
    assert not Lane.objects.filter(account__in=[made[0], made[-1]], noticed_since=None).exists()
    assert addresses() == ["anna@example.com"] * (10_000 // pauses.STEP)
    assert queued()[0]["Subject"] == f"{pauses.STEP} mail accounts are paused"
    assert len(queued()[0].as_bytes()) < 200_000


def test_a_step_asks_as_much_for_many_people_as_for_few(tenant: Tenant) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert pauses.tell_pauses(database_now())
        return len(captured)

    def pause_some(number: int) -> None:
        """Of so many tenants and owners."""
        for _ in range(number):
            other = make_tenant()
            make_administrator(other, f"admin-{other.pk}")
            make_paused(other)
            make_paused(other, kind="outbound_email", owner=make_user())

    make_teller()
    pause_some(1)
    few = queries()
    pause_some(10)  # SQLite takes no more than some thirty messages in one statement
    assert queries() == few
    assert len(queued()) == 22


def test_a_worker_killed_before_the_commit_has_told_nothing_and_the_next_one_tells(
    tenant: Tenant, tmp_path: Path
) -> None:
    account = make_paused(tenant)
    with drain_worker(tmp_path, {"PAUSE_NOTICES": "each"}, crash_at="before_notices") as worker:
        assert worker.wait() == -signal.SIGKILL
    assert (account.lane.noticed_at, queued()) == (None, [])

    delivery.sweep()
    assert account.lane.notice_queued_at is not None
    assert len(queued()) == 1


def test_a_digest_tells_once_a_day_of_all_that_is_paused_then(
    tenant: Tenant, on: Callable[..., None], settings: Any
) -> None:
    settings.TIME_ZONE = "UTC"
    on(PAUSE_NOTICES="digest")
    first, second = make_paused(tenant, name="First"), make_paused(tenant, name="Second")
    now = database_now()
    eight = now.replace(hour=8, minute=0, second=0, microsecond=0)
    eight = eight if eight > now else eight + timedelta(days=1)
    assert pauses.tell_pauses(eight - timedelta(seconds=1)) == 0

    assert pauses.tell_pauses(eight + timedelta(seconds=5)) == 2
    assert pauses.tell_pauses(eight + timedelta(seconds=15)) == 0
    (mail,) = queued()
    assert mail["Subject"] == "2 mail accounts are paused"
    assert "once a day" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]

    third = make_paused(tenant, name="Third")
    Lane.objects.filter(account=third).update(wait_since=eight + timedelta(hours=1))
    Lane.objects.filter(account=second).update(wait_reason="", wait_since=None)
    assert pauses.tell_pauses(eight + timedelta(hours=23)) == 0
    assert pauses.tell_pauses(eight + timedelta(hours=24, seconds=5)) == 2
    text = queued()[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert ["First" in text, "Second" in text, "Third" in text] == [True, False, True]
    assert first.lane.notice_queued_at is not None
