"""Mail with files from URLs: nothing goes without its files, whatever happens to their server, to workers and to people's minds."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, connections

from mailconfig import delivery
from mailconfig.delivery.preparing import prepare
from mailconfig.delivery.queue.opt_out_links import read_wish
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import (
    Account,
    Attachment,
    AttachmentBody,
    AttachmentProblem,
    Body,
    Lane,
    Message,
    MessageSource,
    MessageState,
    Preparation,
    WaitReason,
)
from mailconfig.testing import outbox
from tests.factories import body_of, make_email
from tests.integration.delivery.preparing.calls import (
    PDF,
    bytes_of,
    files_in,
    make_due,
    prepared,
    queue,
    stored_files,
)
from tests.servers.http import Asked, ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


def test_mail_with_files_says_how_its_recipient_opts_out(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com/"}
    files.scripts["/a.pdf"] = answer(PDF)

    message = prepared(queue(account, files.url("/a.pdf"), unsubscribe=True))

    data = body_of(message) or b""
    (url,) = re.findall(rb"\r\nList-Unsubscribe: <(https://\S+)>\r\n", data)
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data
    wish = read_wish(url.decode().rpartition("/")[2])
    assert wish is not None
    assert (wish.address, wish.account_id, wish.message_uuid, wish.tenant_id) == (
        "anna@example.net",
        account.pk,
        message.uuid,
        account.tenant_id,
    )
    assert len(files_in(data)) == 1


def test_mail_with_files_says_that_the_site_lost_its_address(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    known = settings.MAILCONFIG
    settings.MAILCONFIG = {**known, "PUBLIC_BASE_URL": "https://mail.example.com/"}
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"), unsubscribe=True)
    settings.MAILCONFIG = known

    assert (prepared(message).state, prepared(message).error_code) == (MessageState.FAILED, "no_way_out")


def test_a_run_sends_other_mail_while_a_server_of_files_hangs(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "OUTBOX": True}

    def hang_until_other_mail_has_gone(_asked: Asked) -> bytes:
        until = monotonic() + 10
        while not outbox and monotonic() < until:
            sleep(0.02)
        return answer(PDF) if outbox else answer(b"", status="503 Busy")

    files.scripts["/a.pdf"] = hang_until_other_mail_has_gone
    queue(account, files.url("/a.pdf"))
    delivery.enqueue(make_email(), account=account)

    delivery.drain_all(should_stop=lambda: False)

    assert [bool(files_in(mail.body)) for mail in outbox] == [False, True]


def test_mail_with_files_is_prepared_and_then_sent_with_them(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "OUTBOX": True, "INLINE_BYTES": 500}
    files.scripts["/a.pdf"] = answer(PDF)
    files.scripts["/b"] = answer(b"x" * 2000, fields='Content-Disposition: attachment; filename="A.pdf"\r\n')

    files.scripts["/c.csv"] = answer(b"a\nb\n")

    message = queue(account, files.url("/a.pdf"), files.url("/b"), files.url("/c.csv"))

    assert (message.state, files.connections) == (MessageState.PREPARING, 0)
    assert delivery.due_files() == [message.pk]
    (waiting,) = delivery.explain([message]).values()
    assert waiting.reason == WaitReason.FILES
    assert body_of(message) is None

    delivery.drain_all(should_stop=lambda: False)

    (mail,) = outbox
    assert files_in(mail.body) == [
        ("a.pdf", "application/pdf", PDF),
        ("A (2).pdf", "application/pdf", b"x" * 2000),
        ("c.csv", "text/csv", b"a\nb\n"),
    ]
    assert b"Two\r\nlines" in mail.body
    assert Message.objects.get().state == MessageState.SENT
    assert [(row.name, row.size, row.has_bytes) for row in Attachment.objects.order_by("position")] == [
        ("a.pdf", len(PDF), False),
        ("A (2).pdf", 2000, False),
        ("c.csv", 4, False),
    ]
    assert not Preparation.objects.exists()
    assert not MessageSource.objects.exists()
    assert not AttachmentBody.objects.exists()
    assert not stored_files()


def test_the_bytes_are_those_that_came_first_whatever_stands_there_later(
    files: ScriptedHttpServer, account: Account
) -> None:
    files.scripts["/a.pdf"] = answer(PDF)
    files.scripts["/b.pdf"] = answer(b"", status="503 Away")
    message = queue(account, files.url("/a.pdf"), files.url("/b.pdf"))
    assert prepared(message).state == MessageState.PREPARING

    files.scripts["/a.pdf"] = answer(b"another")
    files.scripts["/b.pdf"] = answer(PDF + b"b")
    make_due(message)
    first = prepared(message)

    assert [content for _name, _type, content in files_in(bytes_of(first))] == [PDF, PDF + b"b"]
    assert [asked.target for asked in files.asked] == ["/a.pdf", "/b.pdf", "/b.pdf"]
    assert bytes_of(Message.objects.get()) == bytes_of(first)
    assert not delivery.prepare_message(message_id=message.pk), "nothing is left to prepare"
    assert Lane.objects.get(account=account, purpose="send").due_at is not None


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (answer(b"", status="404 Not Found"), AttachmentProblem.NOT_FOUND),
        (answer(b"<html><body>Log in"), AttachmentProblem.WEB_PAGE),
        (answer(b"x", length=11 * 2**20), AttachmentProblem.TOO_LARGE),
        (
            answer(b"", status="302 Found", fields="Location: http://10.0.0.1/\r\n"),
            AttachmentProblem.REDIRECTS,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_will_never_come_fails_its_mail_with_the_reason(
    files: ScriptedHttpServer, account: Account, script: bytes, problem: AttachmentProblem
) -> None:
    files.scripts["/a.pdf"] = answer(PDF)
    files.scripts["/b.pdf"] = script
    message = queue(account, files.url("/a.pdf"), files.url("/b.pdf"))

    failed = prepared(message)

    assert (failed.state, failed.error_code) == (MessageState.FAILED, problem)
    assert failed.settled_at is not None
    assert Attachment.objects.get(position=1).problem == problem
    assert body_of(failed) is None
    assert not Preparation.objects.exists()
    assert delivery.explain([failed]) == {}


def test_a_server_that_is_away_is_asked_again_for_longer_each_time_and_not_for_ever(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "MAX_RETRIES": 2, "RETRY_SECONDS": 100.0}
    files.scripts["/a.pdf"] = answer(b"", status="429 Slow down", fields="Retry-After: 1000\r\n")
    message = queue(account, files.url("/a.pdf"))
    now, waits = delivery.database_now(), []

    for _ in range(2):
        waiting = prepared(message)
        assert (waiting.state, waiting.wait_reason) == (MessageState.PREPARING, WaitReason.FILES_AWAY)
        assert waiting.error_code == AttachmentProblem.AWAY
        waits.append((Preparation.objects.get().due_at - now).total_seconds())
        assert delivery.explain([waiting])[message.pk].next_at == Preparation.objects.get().due_at
        assert not delivery.prepare_message(message_id=message.pk), "it is not due"
        files.scripts["/a.pdf"] = answer(b"", status="500 Oops")
        make_due(message)

    assert waits[0] >= 1000
    assert 160 <= waits[1] <= 260
    assert prepared(message).state == MessageState.FAILED


def test_a_mail_that_waited_for_as_long_as_it_may_fails(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    message = queue(account, files.url("/a.pdf"))
    Message.objects.update(created_at=delivery.database_now() - timedelta(days=5))
    files.scripts["/a.pdf"] = answer(b"", status="503 Away")

    assert prepared(message).error_code == AttachmentProblem.AWAY
    assert Message.objects.get().state == MessageState.FAILED


def test_what_failed_is_prepared_again_for_whoever_asks(files: ScriptedHttpServer, account: Account) -> None:
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"), files.url("/b.pdf"))
    assert prepared(message).state == MessageState.FAILED

    files.scripts["/b.pdf"] = answer(PDF)
    delivery.requeue(message_id=message.pk)

    assert Message.objects.get().state == MessageState.PREPARING
    assert prepared(message).state == MessageState.QUEUED
    assert [asked.target for asked in files.asked] == ["/a.pdf", "/b.pdf", "/b.pdf"]


def test_cancelled_mail_is_not_prepared_and_leaves_no_bytes(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 5}
    files.scripts["/a.pdf"] = answer(PDF)
    files.scripts["/b.pdf"] = answer(b"", status="503 Away")
    message = queue(account, files.url("/a.pdf"), files.url("/b.pdf"))
    prepared(message)
    assert stored_files()

    delivery.cancel(message_id=message.pk)

    assert Message.objects.get().state == MessageState.CANCELLED
    assert not stored_files()
    assert not Preparation.objects.exists()
    assert not delivery.prepare_message(message_id=message.pk)


def during(files: ScriptedHttpServer, path: str, act: Any) -> None:
    """Do ``act`` while the server is asked for the path; then it gives the file."""

    def script(_asked: Asked) -> Iterator[bytes]:
        try:
            act()
        finally:
            connections.close_all()
        yield answer(PDF)

    files.scripts[path] = script


@pytest.mark.parametrize("inline", [5, 500], ids=["stored", "in a row"])
def test_a_mail_cancelled_while_its_files_are_fetched_stays_cancelled(
    files: ScriptedHttpServer, account: Account, settings: Any, inline: int
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": inline}
    message = queue(account, files.url("/a.pdf"))
    during(files, "/a.pdf", lambda: delivery.cancel(message_id=message.pk))

    assert prepared(message).state == MessageState.CANCELLED
    assert not stored_files()
    assert not AttachmentBody.objects.exists()
    assert not Body.objects.exists()


def test_a_worker_whose_lease_ran_out_writes_nothing_over_the_next_one(
    files: ScriptedHttpServer, account: Account
) -> None:
    """The first stands still while a file comes; the second fetches it, and queues the mail."""
    message = queue(account, files.url("/a.pdf"))

    def overtake() -> None:
        files.scripts["/a.pdf"] = answer(PDF + b"second")
        assert not delivery.prepare_message(message_id=message.pk), "the lease holds"
        assert delivery.due_files() == []
        Preparation.objects.update(lease_until=delivery.database_now() - timedelta(seconds=1))
        assert delivery.due_files() == [message.pk]
        assert delivery.prepare_message(message_id=message.pk)

    during(files, "/a.pdf", overtake)

    queued = prepared(message)

    assert queued.state == MessageState.QUEUED
    assert files_in(bytes_of(queued))[0][2] == PDF + b"second"
    assert Attachment.objects.get().size == len(PDF) + 6


def test_a_worker_that_is_to_end_leaves_the_mail_to_the_next_one(
    files: ScriptedHttpServer, account: Account
) -> None:
    message = queue(account, files.url("/a.pdf"))
    stops = threading.Event()
    hangs = threading.Event()

    def hang(_asked: Asked) -> Iterator[bytes]:
        stops.set()
        hangs.wait(30)
        yield b""

    files.scripts["/a.pdf"] = hang
    delivery.prepare_message(message_id=message.pk, should_stop=stops.is_set)
    hangs.set()

    files.scripts["/a.pdf"] = answer(PDF)
    assert delivery.due_files() == [message.pk]
    assert prepared(message).state == MessageState.QUEUED


def test_an_error_of_our_own_costs_one_mail_a_minute_and_the_third_fails_it(
    files: ScriptedHttpServer, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"))
    monkeypatch.setattr(prepare, "compose_source", lambda *_args, **_rest: 1 / 0)

    for _ in range(2):
        assert prepared(message).wait_reason == WaitReason.INTERNAL_ERROR
        make_due(message)

    assert prepared(message).state == MessageState.FAILED
    assert Message.objects.get().error_code == WaitReason.INTERNAL_ERROR


def test_an_account_with_such_mail_is_in_use_and_mail_of_a_deleted_one_fails(
    files: ScriptedHttpServer, account: Account
) -> None:
    message = queue(account, files.url("/a.pdf"))
    assert delivery.count_unsent([account.pk]) == {account.pk: 1}
    Account.objects.filter(pk=account.pk).update(deleted_at=delivery.database_now())

    delivery.sweep()

    assert Message.objects.get().error_code == "account_deleted"
    assert not delivery.prepare_message(message_id=message.pk)


def test_prepared_mail_cannot_be_held(files: ScriptedHttpServer, account: Account) -> None:
    message = queue(account, files.url("/a.pdf"))
    with pytest.raises(InvalidTransition):
        delivery.hold(message_id=message.pk)


@pytest.mark.postgres
def test_two_workers_at_once_fetch_each_file_once(files: ScriptedHttpServer, account: Account) -> None:
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"))
    begin, took = threading.Barrier(4), []

    def work() -> None:
        try:
            begin.wait(10)
            took.append(delivery.prepare_message(message_id=message.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(took) == [False, False, False, True]
    assert len(files.asked) == 1
