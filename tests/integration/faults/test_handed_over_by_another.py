"""Whoever has lost a message to another worker leaves it alone as long as that one hands it over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue import due
from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.giving_up import end_orphans
from mailconfig.delivery.queue.turn import Turn
from mailconfig.models import Account, Body, HandOver, Lane, Message, Recipient
from mailconfig.values import Envelope
from tests.editor import Editor
from tests.factories import body_of, make_account, make_hand_over, make_message
from tests.servers.chaos import ChaosServer

from .conftest import attempts, states
from .test_owners import give_up, hand_over_as_another, meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def journal_as_another() -> None:
    """As :func:`hand_over_as_another`, with the message's row locked as a journal locks it."""
    list(Message.objects.select_for_update(no_key=True))
    hand_over_as_another()


def test_a_late_250_tells_recipients_apart_while_the_message_is_handed_over_again(
    server: ChaosServer,
) -> None:
    account = make_account(server.port)
    message = make_message(account)

    def frozen() -> None:
        give_up()
        hand_over_as_another()

    meanwhile(server, "dot", "250 2.0.0 taken after all", frozen)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["handing_over"]
    assert Recipient.objects.get().state == "sent"
    assert body_of(message) is not None, "it is being read"

    give_up()
    assert states() == ["sent"]
    assert body_of(message) is None


@pytest.mark.postgres
def test_a_refusal_that_waits_for_another_owners_journal_is_written_over_nothing() -> None:
    with ChaosServer(pipelining=False) as server:
        account = make_account(server.port)
        make_message(account)
        editor = Editor(journal_as_another)
        meanwhile(server, "rcpt", "550 5.1.1 never", editor.begin)
        delivery.drain_account(account_id=account.pk)
        editor.join()
        assert (states(), attempts()) == (["handing_over"], [0])
        assert Recipient.objects.get().state == ""


def test_a_message_that_we_stumble_over_does_not_fail_while_another_hands_it_over() -> None:
    with ChaosServer(pipelining=False) as server:
        account = make_account(server.port)
        make_message(account, internal_errors=2)
        Body.objects.all().delete()
        meanwhile(server, "data", "354 go on", hand_over_as_another)
        delivery.drain_account(account_id=account.pk)
        assert states() == ["handing_over"]


@pytest.mark.postgres
def test_mail_of_a_deleted_account_does_not_fail_if_its_journal_was_committed_first() -> None:
    account = make_account()
    make_message(account)
    Account.objects.update(deleted_at=timezone.now(), is_enabled=False)
    editor = Editor(journal_as_another)
    editor.begin()
    assert end_orphans(database_now()) == 0
    editor.join()
    assert states() == ["handing_over"]


@pytest.mark.postgres
def test_a_journal_is_found_that_is_committed_only_after_its_answer_was_lost() -> None:
    """The connection is cut, and PostgreSQL has not noticed: it goes on with the statement."""
    account = make_account()
    message = make_message(account)
    ownership = lanes.take(account_id=account.pk, lease=60)
    assert ownership
    (found,) = due.read(account_id=account.pk, now=database_now() + timedelta(seconds=1), limit=1).messages
    envelope = Envelope("me@example.net", ("you@example.net",), found.size, eight_bit=False)
    turn = Turn(found, found.recipients, envelope, 1, database_now())

    def go_on() -> None:
        list(Message.objects.select_for_update(no_key=True))
        make_hand_over(message, lease_token=ownership.token)

    editor = Editor(go_on)
    cut: list[str] = []

    def cut_once(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "mailconfig_handover" in sql and not cut:
            cut.append(sql)
            editor.begin()
            raise OperationalError("the connection was cut")
        return execute(sql, params, many, context)

    committer = Committer(ownership)
    with connection.execute_wrapper(cut_once):
        committer.start([turn], revision=account.revision)
        committer.finish()
    editor.join()
    assert turn.is_journaled
    assert turn.handed_over_at == HandOver.objects.get().handed_over_at
    assert Lane.objects.get().lease_token == ownership.token
