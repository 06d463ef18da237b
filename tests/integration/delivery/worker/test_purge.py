"""What the retention takes, and what somebody wants back at that moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.worker import purge
from mailconfig.models import Attempt, Message, Recipient
from tests.editor import Editor
from tests.factories import make_account, make_message

pytestmark = pytest.mark.django_db(transaction=True)


def long_failed() -> Message:
    """A message that the retention is about to take."""
    then = timezone.now() - timedelta(days=400)
    return make_message(make_account(), state="failed", settled_at=then)


@pytest.mark.postgres
def test_a_purge_that_waited_for_a_retry_leaves_the_message_alone() -> None:
    message = long_failed()
    editor = Editor(lambda: delivery.requeue(message_id=message.pk))
    editor.begin()
    assert delivery.purge().messages == 0
    editor.join()
    assert Message.objects.get().state == "queued"
    assert Recipient.objects.count() == 1


def test_a_retry_after_the_purge_looked_for_old_mail_is_not_lost() -> None:
    message = long_failed()
    looked: list[str] = []

    def between(execute: Callable[..., Any], sql: str, params: Any, is_many: bool, context: Any) -> Any:
        result = execute(sql, params, is_many, context)
        if "mailconfig_message" in sql and not looked:
            looked.append(sql)
            delivery.requeue(message_id=message.pk)
        return result

    with connection.execute_wrapper(between):
        assert delivery.purge().messages == 0
    assert Message.objects.get().state == "queued"
    assert Recipient.objects.count() == 1


def test_what_is_long_settled_goes_with_all_that_belongs_to_it() -> None:
    message = long_failed()
    then = message.settled_at
    assert then
    Attempt.objects.create(
        account_id=message.account_id, message=message, outcome="refused", started_at=then, ended_at=then
    )
    report = delivery.purge()
    assert (report.messages, report.attempts) == (1, 1)
    assert not Recipient.objects.exists()


def test_the_purge_goes_past_old_mail_that_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "STEP", 1)
    then, now = timezone.now() - timedelta(days=400), timezone.now()
    account = make_account()
    kept = [
        make_message(account, created_at=then),
        make_message(account, created_at=then, state="held", wait_reason="held"),
        make_message(account, state="sent", created_at=then, settled_at=now),
    ]
    gone = [make_message(account, state=state, settled_at=then) for state in ("sent", "failed", "cancelled")]
    kept.append(make_message(account, state="sent", settled_at=now))
    assert delivery.purge(most=2).messages == 2
    assert delivery.purge().messages == 1
    assert set(Message.objects.values_list("pk", flat=True)) == {message.pk for message in kept}
    assert not {message.pk for message in gone} & {message.pk for message in kept}


def test_the_purge_reads_little_more_than_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "STEP", 5)
    then, now = timezone.now() - timedelta(days=400), timezone.now()
    account = make_account()
    for at in [then] * 5 + [now] * 50:
        make_message(account, state="sent", settled_at=at)
    with CaptureQueriesContext(connection) as captured:
        assert delivery.purge().messages == 5
    walked = [
        query
        for query in captured.captured_queries
        if '"created_at"' in query["sql"] and "LIMIT 5" in query["sql"]
    ]
    assert len(walked) == 2
