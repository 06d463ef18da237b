"""The storage of large mails is away, or a file is gone: the first is nobody's fault, the second that one's end."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import File
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.queue.bodies import StorageAway, _Chunks
from mailconfig.delivery.queue.storage_calls import MOST_CALLS, Calls, StorageHangs
from mailconfig.exceptions import NoAccount
from mailconfig.models import Account, Lane, Message, WaitReason
from tests.factories import make_account, make_email
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.storages import ObjectStorage

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where large mails are."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "tests.storages.ObjectStorage",
            "OPTIONS": {"location": str(tmp_path / "here")},
        },
    }
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 1000}
    ObjectStorage.mend()
    yield tmp_path / "here"
    ObjectStorage.mend()


def large(number: int) -> Any:
    """A mail that is stored."""
    return make_email(number, attachments=[("a.txt", "x" * 5000, "text/plain")])


def fail(folder: Path) -> None:
    """The client of the storage raises an error of its own."""
    ObjectStorage.broken.add("open")


def test_a_storage_that_does_not_delete_hides_no_reason_why_nothing_was_queued(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = make_account()
    Account.objects.update(deleted_at=timezone.now())
    ObjectStorage.broken.add("delete")
    with pytest.raises(NoAccount):
        delivery.enqueue_many([large(1), large(2)], account=account)
    orphans = sorted(f"mailconfig/{path.name}" for path in (folder / "mailconfig").iterdir())
    assert len(orphans) == 2, "they are left to the purge"
    logged = [record.getMessage() for record in caplog.records if record.exc_info]
    assert sorted(logged) == [f"the stored message {name} cannot be deleted" for name in orphans]


def unmount(folder: Path) -> None:
    """A volume that is not there: its folder is empty."""
    shutil.move(folder, folder.with_name("elsewhere"))
    folder.mkdir()


def mend(folder: Path) -> None:
    """All is as before."""
    ObjectStorage.mend()
    if folder.with_name("elsewhere").exists():
        folder.rmdir()
        shutil.move(folder.with_name("elsewhere"), folder)


@pytest.mark.parametrize("go_away", [fail, unmount])
def test_mail_waits_for_the_storage_and_keeps_its_place_while_small_mail_goes(
    server: ChaosServer, window: int, folder: Path, go_away: Callable[[Path], None]
) -> None:
    account = make_account(server.port)
    for number in range(6):
        delivery.enqueue(make_email(number) if number % 2 else large(number), account=account)
    places = list(Message.objects.order_by("pk").values_list("not_before", flat=True))
    go_away(folder)
    for _ in range(5):
        delivery.drain_account(account_id=account.pk)
        now = lane()
        assert now.wait_reason == WaitReason.STORAGE_AWAY
        assert now.wait_until
        assert timezone.now() < now.wait_until < timezone.now() + timedelta(seconds=61)
        assert now.due_at == now.wait_until
        past = timezone.now() - timedelta(seconds=1)
        Lane.objects.update(wait_until=past, due_at=past)
    assert states() == ["queued", "sent"] * 3
    assert attempts() == [0, 1] * 3
    assert list(Message.objects.order_by("pk").values_list("not_before", flat=True)) == places
    assert set(Message.objects.values_list("internal_errors", flat=True)) == {0}
    assert len(ObjectStorage.opened) <= 5, "it is asked once a drain"
    assert delivery.status().exit_code == 1

    mend(folder)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * 6
    assert lane().wait_reason == ""
    subjects = [message.recipients[0] for message in server.messages]
    assert subjects == [f"to{number}@example.net" for number in (1, 3, 5, 0, 2, 4)]


def test_a_file_that_is_gone_fails_its_mail_alone(server: ChaosServer, window: int, folder: Path) -> None:
    account = make_account(server.port)
    for number in range(3):
        delivery.enqueue(large(number), account=account)
    gone = Message.objects.order_by("pk")[1]
    (folder / gone.stored_as).unlink()
    for _ in range(3):
        delivery.drain_account(account_id=account.pk)
        rewind()
    assert states() == ["sent", "failed", "sent"]
    gone.refresh_from_db()
    assert (gone.error_code, gone.internal_errors) == ("internal_error", 3)


def test_a_storage_that_goes_away_in_the_middle_of_a_mail_costs_it_nothing(
    server: ChaosServer, folder: Path
) -> None:
    account = make_account(server.port)
    delivery.enqueue(large(0), account=account)
    ObjectStorage.broken.add("read")
    for _ in range(4):
        delivery.drain_account(account_id=account.pk, slice_seconds=0.2)
        rewind()
    assert (states(), attempts()) == (["queued"], [0])
    assert Message.objects.get().internal_errors == 0
    ObjectStorage.mend()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert len(server.messages) == 1


@pytest.mark.parametrize("method", ["open", "read"])
def test_a_storage_that_hangs_holds_up_its_mail_and_nothing_else(
    server: ChaosServer, folder: Path, method: str, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "STORAGE_SECONDS": 0.3}
    account, other = make_account(server.port), make_account(server.port)
    delivery.enqueue(large(0), account=account)
    delivery.enqueue(make_email(1), account=account)
    delivery.enqueue(make_email(2), account=other)
    ObjectStorage.stuck.add(method)
    for one in (account, other):
        delivery.drain_account(account_id=one.pk)
    assert (states(), attempts()) == (["queued", "sent", "sent"], [0, 1, 1])
    stopped = Lane.objects.get(account=account)
    assert stopped.wait_reason == WaitReason.STORAGE_AWAY
    assert "0.3 seconds" in stopped.wait_text
    assert Message.objects.order_by("pk")[0].internal_errors == 0

    ObjectStorage.mend()
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * 3
    assert len(server.messages) == 3


def test_a_storage_that_hangs_for_good_keeps_a_bounded_number_of_threads(folder: Path) -> None:
    calls, end = Calls(), threading.Event()
    try:
        for _ in range(MOST_CALLS):
            with pytest.raises(StorageHangs, match="did not answer"):
                calls.make(end.wait, seconds=0.001)
        with pytest.raises(StorageHangs, match="calls to the storage hang"):
            calls.make(end.wait, seconds=0.001)
    finally:
        end.set()
    assert calls.make(lambda: "an answer", seconds=10.0) == "an answer"


def test_what_comes_too_late_is_closed_and_an_error_of_the_storage_is_its_own(folder: Path) -> None:
    calls, end = Calls(), threading.Event()
    closed = threading.Event()

    def late() -> str:
        end.wait()
        return "a file"

    def close_late(result: str | None) -> None:
        if result == "a file":
            closed.set()

    def too_slow() -> None:
        raise TimeoutError("of the storage's client")

    with pytest.raises(StorageHangs):
        calls.make(late, seconds=0.001, discard=close_late)
    end.set()
    assert closed.wait(10)
    with pytest.raises(TimeoutError, match="client"):
        calls.make(too_slow, seconds=10.0)


def test_a_file_whose_reading_hangs_is_let_go_of_at_once(tmp_path: Path, settings: Any) -> None:
    """Closing it would wait for the reading."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "STORAGE_SECONDS": 0.1}
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = os.open(pipe, os.O_RDWR)
    file = pipe.open("rb")
    chunks = _Chunks(File(file))
    try:
        with pytest.raises(StorageAway, match="did not answer"):
            next(chunks)
        chunks.close()
        assert not file.closed
    finally:
        os.close(writing)
    until(lambda: file.closed)
