"""Bytes of files: where they are kept until they are part of a mail, how much memory they take, and when they are gone."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import storages

from mailconfig import delivery
from mailconfig.delivery.queue import attached, bodies
from mailconfig.models import (
    Account,
    Attachment,
    AttachmentProblem,
    Message,
    MessageSource,
    MessageState,
    WaitReason,
)
from tests.integration.delivery.preparing.calls import (
    PDF,
    make_due,
    prepared,
    queue,
    stored_files,
)
from tests.servers.http import ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stored_file_that_is_gone_is_fetched_anew_and_a_storage_that_is_away_waited_for(
    files: ScriptedHttpServer, account: Account, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 5}
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"))
    real = attached.read_files

    def away(*_arguments: object) -> Any:
        raise bodies.StorageAway("no disk")

    monkeypatch.setattr(attached, "read_files", away)
    assert prepared(message).wait_reason == WaitReason.STORAGE_AWAY
    monkeypatch.setattr(attached, "read_files", real)
    monkeypatch.setattr(bodies, "keep", away)
    make_due(message)
    assert prepared(message).wait_reason == WaitReason.STORAGE_AWAY
    monkeypatch.undo()
    storages["default"].delete(Attachment.objects.get().stored_as)
    make_due(message)

    assert prepared(message).state == MessageState.PREPARING
    assert prepared(message).state == MessageState.QUEUED
    assert len(files.asked) == 2


def test_a_storage_that_loses_each_file_is_not_asked_for_ever(
    files: ScriptedHttpServer, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_arguments: object) -> Any:
        raise FileNotFoundError("gone")

    monkeypatch.setattr(attached, "read_files", gone)
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"))

    states = [prepared(message).state for _ in range(3)]

    assert states == [MessageState.PREPARING, MessageState.PREPARING, MessageState.FAILED]
    assert Message.objects.get().error_code == WaitReason.INTERNAL_ERROR
    monkeypatch.undo()
    delivery.requeue(message_id=message.pk)
    assert prepared(message).state == MessageState.QUEUED


def test_files_are_too_large_together(files: ScriptedHttpServer, account: Account) -> None:
    megabytes = b"x" * (7 * 2**20)
    for number in range(3):
        files.scripts[f"/{number}"] = answer(megabytes)
    message = queue(account, *(files.url(f"/{number}") for number in range(3)))

    assert prepared(message).error_code == AttachmentProblem.TOO_LARGE_TOGETHER


def test_ten_files_of_twenty_megabytes_fit_into_a_mail_and_into_memory(
    files: ScriptedHttpServer, account: Account
) -> None:
    for number in range(10):
        files.scripts[f"/{number}.bin"] = [answer(length=2**21), *([b"x" * 2**16] * 32)]
    message = queue(account, *(files.url(f"/{number}.bin") for number in range(10)))

    tracemalloc.start()
    try:
        queued = prepared(message)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert queued.state == MessageState.QUEUED
    assert queued.size > 27 * 10**6
    assert most < 90 * 2**20


def test_purged_mail_takes_its_files_along_and_files_of_nobody_go_after_a_day(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 5}
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"), files.url("/b.pdf"))
    assert prepared(message).state == MessageState.FAILED
    (name,) = stored_files()
    assert delivery.purge().files == 0
    long_ago = delivery.database_now() - timedelta(days=60)
    Message.objects.update(settled_at=long_ago, created_at=long_ago)

    assert delivery.purge().messages == 1

    assert name not in stored_files()
    assert not Attachment.objects.exists()


def test_files_of_a_mail_that_is_settled_are_erased_by_the_sweep(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    """A mail with tokens keeps them for as long as it may be sent."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 5}
    files.scripts["/a.pdf"] = answer(PDF)
    message = queue(account, files.url("/a.pdf"))
    Message.objects.update(has_tokens=True)

    assert prepared(message).state == MessageState.QUEUED
    assert attached.read_files(message.pk) == [("a.pdf", PDF, "application/pdf")]
    assert MessageSource.objects.exists()
    delivery.sweep()
    assert stored_files()

    Message.objects.update(state=MessageState.SENT, settled_at=delivery.database_now())
    delivery.sweep()
    assert not stored_files()
    assert Attachment.objects.get().name == "a.pdf"
