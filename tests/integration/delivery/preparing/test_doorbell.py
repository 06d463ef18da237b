"""Whoever fetches files is called with the commit: the doorbell of Celery, and the task that it calls."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from mailconfig import delivery, tasks
from mailconfig.doorbell import doorbell
from mailconfig.models import Account, Message, MessageState
from tests.servers.http import ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[int]:
    numbers: list[int] = []
    monkeypatch.setattr(doorbell, "ring", lambda _publish, number: numbers.append(number))
    return numbers


def test_the_commit_of_a_mail_with_files_calls_for_them(
    files: ScriptedHttpServer, account: Account, called: list[int]
) -> None:
    with transaction.atomic():
        message = delivery.queue_service_mail(
            account, recipient="anna@example.net", attachments=[files.url("/a.pdf")]
        )
        assert called == []
    assert called == [message.pk]

    tasks.sweep()
    assert called == [message.pk] * 2, "a call that was lost is made again"


def test_the_task_prepares_the_mail(files: ScriptedHttpServer, account: Account) -> None:
    files.scripts["/a.pdf"] = answer(b"%PDF")
    message = delivery.queue_service_mail(
        account, recipient="anna@example.net", attachments=[files.url("/a.pdf")]
    )

    tasks.prepare(message.pk)

    assert Message.objects.get().state == MessageState.QUEUED
