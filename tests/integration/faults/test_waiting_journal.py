"""A journal that waits for a lock: an UPDATE that waited sees the new version of its own row, and the old ones of all others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from mailconfig import delivery
from mailconfig.delivery.worker.permission import LOOK_AGAIN_SECONDS
from mailconfig.models import Account, Message
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import until

from .conftest import attempts, lane, rewind, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@contextmanager
def somebody_else_at(message: Message) -> Iterator[None]:
    """Another connection locks the message's row, and changes nothing of it."""
    values = connection.settings_dict
    with psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values["PASSWORD"] or None,
        dbname=values["NAME"],
    ) as other:
        other.execute("SELECT 1 FROM mailconfig_message WHERE id = %s FOR UPDATE", [message.pk])
        yield
        other.rollback()


def waits_for_a_lock() -> bool:
    """Whether anybody does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


def disable(account: Account) -> None:
    account.is_enabled = False
    delivery.save_account(account=account, by=None)


def move(account: Account) -> None:
    account.port += 1
    delivery.save_account(account=account, by=None)


def delete(account: Account) -> None:
    """As its row says; deleting the proper way waits for the mail in hand."""
    Account.objects.filter(pk=account.pk).update(is_enabled=False, revision=account.revision + 1)


@pytest.mark.parametrize("edit", [disable, move, delete])
@pytest.mark.parametrize("mails", [1, 3])
def test_an_account_edited_while_its_journal_waits_hands_nothing_over(
    window: int, edit: Callable[[Account], None], mails: int
) -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        first, *_ = [make_message(account) for _ in range(mails)]

        def drain() -> None:
            try:
                delivery.drain_account(account_id=account.pk)
            finally:
                connection.close()

        worker = threading.Thread(target=drain)
        with somebody_else_at(first):
            worker.start()
            until(waits_for_a_lock, why="the journal did not wait")
            edit(Account.objects.get(pk=account.pk))
            time.sleep(2 * LOOK_AGAIN_SECONDS)  # so old a look at the account is not believed any more
        worker.join(30)
        assert server.messages == []
        assert (states(), attempts()) == (["queued"] * mails, [0] * mails)

        Account.objects.filter(pk=account.pk).update(is_enabled=True, port=server.port)
        rewind()
        delivery.drain_account(account_id=account.pk)
        assert states() == ["sent"] * mails
        assert lane().wait_reason == ""
