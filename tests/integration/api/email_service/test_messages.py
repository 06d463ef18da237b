"""Mails asked after and cancelled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import AccountKind, Body, Message, MessageState, TenantMailConfig
from tests.factories import make_account, make_hand_over, make_message
from tests.integration.api.email_service.calls import call, said, send
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)


def told(user: User, message: Message, **headers: str) -> dict[str, Any]:
    """What is told of a mail."""
    answer = call(user, "GET", f"messages/{message.uuid}", **headers)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    assert found["id"] == str(message.uuid)
    assert "@" not in answer.content.decode(), "no address of anybody"
    return found


def settled(state: MessageState, **values: Any) -> dict[str, Any]:
    return {"state": state, "settled_at": timezone.now(), **values}


def test_a_mail_that_waits_its_turn(bob: User, config: TenantMailConfig) -> None:
    """Another member of the tenant may ask as well."""
    found = told(bob, make_message(config))

    assert {name: found[name] for name in ("state", "code", "next_at", "attempts", "settled_at")} == {
        "state": "queued",
        "code": "busy",
        "next_at": None,
        "attempts": 0,
        "settled_at": None,
    }
    assert found["reason"]
    assert found["created_at"].endswith("Z")


def test_a_mail_that_is_tried_again_says_when(
    alice: User, config: TenantMailConfig, server: ChaosServer
) -> None:
    server.on("rcpt", Reply.of("451 4.7.1 greylisted by inner-7"))
    send(alice)
    delivery.drain_account(account_id=config.pk)

    found = told(alice, Message.objects.get())

    assert (found["state"], found["code"], found["attempts"]) == ("queued", "retry", 1)
    assert found["next_at"] > timezone.now().isoformat()
    assert "inner-7" not in str(found), "the server's own words are not for everybody"


@pytest.mark.parametrize(
    ("values", "state", "code"),
    [
        (settled(MessageState.SENT), "sent", ""),
        (settled(MessageState.CANCELLED), "cancelled", ""),
        (settled(MessageState.FAILED, error_code="recipient_refused"), "failed", "recipient_refused"),
        (settled(MessageState.FAILED, error_code="account_deleted"), "failed", "account_deleted"),
        (settled(MessageState.FAILED, error_code="something_else"), "failed", "something_else"),
        ({"state": MessageState.HELD, "wait_reason": "held"}, "held", "held"),
        ({"not_before": timezone.now() + timedelta(hours=1)}, "queued", "scheduled"),
    ],
    ids=["sent", "cancelled", "refused", "configuration deleted", "no word of ours", "held", "scheduled"],
)
def test_every_state_has_its_reason_in_words(
    alice: User, config: TenantMailConfig, values: dict[str, Any], state: str, code: str
) -> None:
    message = make_message(config, **values)

    found, japanese = told(alice, message), told(alice, message, Accept_Language="ja")

    assert (found["state"], found["code"]) == (state, code)
    assert bool(found["reason"]) == bool(code)
    assert (found["reason"] != japanese["reason"]) == bool(code)
    assert (found["settled_at"] is None) == (message.settled_at is None)


def test_a_mail_that_is_being_handed_over(alice: User, config: TenantMailConfig) -> None:
    message = make_message(config)
    make_hand_over(message)

    assert told(alice, message)["state"] == "handing_over"
    assert "being handed over" in said(call(alice, "DELETE", f"messages/{message.uuid}"), 409)
    assert Message.objects.get().state == MessageState.QUEUED


def test_a_mail_that_waits_is_cancelled_once_and_for_all(
    bob: User, config: TenantMailConfig, server: ChaosServer
) -> None:
    message = make_message(config)

    answers = [call(bob, "DELETE", f"messages/{message.uuid}") for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert told(bob, message)["state"] == "cancelled"
    assert not Body.objects.exists()
    delivery.drain_account(account_id=config.pk)
    assert not server.sessions


@pytest.mark.parametrize("state", [MessageState.SENT, MessageState.PARTIAL, MessageState.FAILED])
def test_what_is_over_is_not_cancelled(alice: User, config: TenantMailConfig, state: MessageState) -> None:
    message = make_message(config, **settled(state))

    said(call(alice, "DELETE", f"messages/{message.uuid}"), 409)
    assert told(alice, message)["state"] == state


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_mail_that_is_not_the_tenants_own_is_not_there(
    alice: User, charlie: User, config: TenantMailConfig, method: str
) -> None:
    """Nor what else its people send, nor test mails: none of them went this way."""
    private = make_account(kind=AccountKind.OUTBOUND_EMAIL, tenant=config.tenant, owner=alice)
    mine = make_message(config)
    unknown = call(alice, method, "messages/6d8b1b0c-5d4f-4a86-9d58-000000000000").content

    for message in (make_message(private), make_message(config, is_test=True)):
        answer = call(alice, method, f"messages/{message.uuid}")
        assert (answer.status_code, answer.content) == (404, unknown)
    foreign = call(charlie, method, f"messages/{mine.uuid}", tenant="globex")
    assert (foreign.status_code, foreign.content) == (404, unknown)
    assert not Message.objects.filter(state=MessageState.CANCELLED).exists()


def test_the_mails_of_a_deleted_configuration_are_still_told_of(
    alice: User, config: TenantMailConfig
) -> None:
    message = make_message(config, **settled(MessageState.SENT))
    delivery.delete_account(account_id=config.pk, by=None)

    assert told(alice, message)["state"] == "sent"


def test_a_mail_that_another_account_sends_is_the_tenants_all_the_same(
    alice: User, config: TenantMailConfig
) -> None:
    other = make_account(tenant=config.tenant, kind=AccountKind.SMTP_PROVIDER)
    first = send(alice, Request_ID="one")
    message = Message.objects.get()
    Message.objects.update(account=other, failed_over_from=config, failed_over_because="server_away")

    assert told(alice, message)["state"] == "queued"
    again = send(alice, Request_ID="one")
    assert (again.status_code, again["Location"]) == (202, first["Location"])
    assert Message.objects.count() == 1
    theirs = make_message(other)
    assert call(alice, "GET", f"messages/{theirs.uuid}").status_code == 404
