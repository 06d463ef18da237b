"""Turns of accounts whose mail has files: a server that hangs for one holds up nobody else's mail."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mailconfig import delivery, tasks
from mailconfig.delivery.preparing import leases
from mailconfig.delivery.worker import pool
from mailconfig.doorbell import doorbell
from mailconfig.models import Account, AccountKind, Message, MessageState, Preparation
from tests.factories import make_account, make_tenant
from tests.integration.delivery.preparing.calls import PDF, queue
from tests.servers.children import until
from tests.servers.http import Asked, ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_server_that_hangs_holds_up_nobody_elses_mail(
    files: ScriptedHttpServer, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MOST_DUE", 4)
    ends = threading.Event()

    def hang(_asked: Asked) -> Iterator[bytes]:
        ends.wait(30)
        yield b""

    files.scripts["/hangs"] = hang
    files.scripts["/a.pdf"] = answer(PDF)
    hanging = [queue(account, files.url("/hangs")) for _ in range(6)]
    other = make_account(kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(slug="other"))
    prompt = [queue(other, files.url("/a.pdf")) for _ in range(3)]
    assert delivery.due_files() == [hanging[0].pk, prompt[0].pk, hanging[1].pk, prompt[1].pk]

    with pool.FilePool(should_stop=ends.is_set, on_prepared=lambda: None) as prepares:

        def are_queued() -> bool:
            due = leases.due_by_account()
            prepares.offer(due, due)
            return Message.objects.filter(state=MessageState.QUEUED).count() == len(prompt)

        try:
            until(are_queued, why="its files were not fetched beside")
            held = Preparation.objects.exclude(lease_token=None)
            assert held.count() == leases.MOST_OF_ACCOUNT
        finally:
            ends.set()

    assert Message.objects.filter(state=MessageState.PREPARING).count() == len(hanging)


def test_under_celery_an_account_has_its_share_of_the_workers_and_no_more(
    files: ScriptedHttpServer, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []
    monkeypatch.setattr(doorbell, "ring", lambda _publish, number: called.append(number))
    files.scripts["/a.pdf"] = answer(PDF)
    messages = [queue(account, files.url("/a.pdf")) for _ in range(4)]
    other = make_account(kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(slug="other"))
    others = [queue(other, files.url("/a.pdf")) for _ in range(2)]
    taken = [leases.take(message.pk, should_stop=lambda: False) for message in messages[:2]]
    called.clear()

    tasks.prepare(messages[2].pk)
    assert (files.asked, called) == ([], [])
    tasks.prepare(others[0].pk)
    assert called[-2:] == [messages[2].pk, others[1].pk], "who has room goes on with what is due"
    for lease in taken:
        assert lease is not None
        lease.give_back()
    tasks.prepare(messages[2].pk)

    assert Message.objects.filter(state=MessageState.QUEUED).count() == 2
