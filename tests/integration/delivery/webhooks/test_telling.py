"""What tenants are told: each kind of event with what is said of it, signed so that anybody's library takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mailconfig import delivery
from mailconfig.delivery import lanes, telling
from mailconfig.delivery.sync.bounces import store_returns
from mailconfig.delivery.sync.ties import Return
from mailconfig.incoming.reports import Report
from mailconfig.models import (
    EventKind,
    Lane,
    MessageState,
    Purpose,
    Tenant,
    WaitReason,
    WebhookDelivery,
    message_events,
    note_recipient_opted_out,
)
from tests.documents import document
from tests.factories import make_account, make_mailbox, make_message, make_tenant
from tests.integration.delivery.webhooks.calls import later, make_event, make_webhook
from tests.servers.http import Asked, ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


def body_of(asked: Asked, secret: str) -> Any:
    """What was sent, if the signature is right as others look at it."""
    return Webhook(secret).verify(asked.body, asked.headers)


def test_the_end_of_a_mail_is_told_signed_and_once(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    hooks.scripts["/in"] = answer(b"thanks")
    endpoint, secret = make_webhook(tenant, hooks)
    account = make_account(tenant=tenant)
    message = make_message(account, tenant=tenant)
    make_message(account, tenant=None)

    delivery.drain_account(account_id=account.pk)
    assert delivery.deliver_events(endpoint_id=endpoint.pk) is False
    assert delivery.deliver_events(endpoint_id=endpoint.pk) is False

    (asked,) = hooks.asked
    told = body_of(asked, secret)
    assert told == {
        "id": asked.headers["webhook-id"],
        "type": "message.settled",
        "created_at": told["created_at"],
        "tenant": "acme",
        "data": {
            "message_id": message.pk,
            "message_uuid": str(message.uuid),
            "account_id": account.pk,
            "account_uuid": str(account.uuid),
            "state": "sent",
            "code": "",
            "reason": "",
            "is_test": False,
        },
    }
    assert asked.method == "POST"
    assert asked.headers["content-type"] == "application/json"
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.http_status, row.answer) == ("delivered", 1, 200, "")
    endpoint.refresh_from_db()
    assert endpoint.last_success_at is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(asked.body + b" ", asked.headers)


def test_each_kind_says_what_it_is_about_and_nothing_else(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    make_webhook(tenant, hooks)
    make_webhook(tenant, hooks, kinds=["recipient.opted_out"])
    mailbox = make_mailbox(tenant=tenant)
    message = make_message(mailbox, tenant=tenant, state=MessageState.QUEUED, subject="Confidential")
    lane = Lane.objects.get(account=mailbox, purpose=Purpose.SEND)
    ownership = lanes.take(account_id=mailbox.pk, lease=60)
    assert ownership is not None

    now = timezone.now()
    lanes.wait(
        lane, token=ownership.token, reason=WaitReason.PAUSED_LOGIN, until=None, now=now, text="No, Bob!"
    )
    lane.refresh_from_db()
    lanes.clear(lane, token=ownership.token)
    delivery.hold(message_id=message.pk)
    anna = "anna@example.net"
    report = Report(
        original_message_ids=(),
        address=anna,
        tried_address=anna,
        is_permanent=True,
        enhanced_code="5.1.1",
        text="?",
    )
    with transaction.atomic():
        store_returns(mailbox, [Return(message_id=message.pk, address=anna, report=report, uid=1)], {})
        note_recipient_opted_out(
            tenant_id=tenant.pk,
            address="anna@example.net",
            message_id=message.pk,
            account_id=mailbox.pk,
            source="link",
        )

    numbers = {"account_id": mailbox.pk, "account_uuid": str(mailbox.uuid)}
    of_mail = {"message_id": message.pk, "message_uuid": str(message.uuid), **numbers}
    told = {row.kind: row.data for row in WebhookDelivery.objects.order_by("pk")}
    bounce_id = told["message.bounced"]["bounce_id"]
    assert told == {
        "account.paused": {**numbers, "purpose": "send", "reason": "paused_login"},
        "account.resumed": {**numbers, "purpose": "send"},
        "message.settled": {**of_mail, "state": "held", "code": "", "reason": "held", "is_test": False},
        "message.bounced": {
            **of_mail,
            "bounce_id": bounce_id,
            "address": "anna@example.net",
            "is_permanent": True,
            "code": "5.1.1",
        },
        "recipient.opted_out": {**of_mail, "address": "anna@example.net", "source": "link"},
    }
    opted_out = WebhookDelivery.objects.filter(kind=EventKind.RECIPIENT_OPTED_OUT)
    assert len({row.event_id for row in opted_out}) == 1
    assert opted_out.count() == 2


def test_what_is_taken_back_is_not_told(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    make_webhook(tenant, hooks)
    message = make_message(make_account(tenant=tenant), tenant=tenant)

    with pytest.raises(RuntimeError, match="no"), transaction.atomic():  # noqa: PT012
        delivery.cancel(message_id=message.pk)
        assert WebhookDelivery.objects.count() == 1
        raise RuntimeError("no")

    assert not WebhookDelivery.objects.exists()


def test_a_webhook_deleted_while_mail_is_settled_undoes_nothing(
    hooks: ScriptedHttpServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes it between the look for it and the commit, which names it."""
    endpoint, _secret = make_webhook(tenant, hooks)
    message = make_message(make_account(tenant=tenant), tenant=tenant)
    number = endpoint.pk
    monkeypatch.setattr(message_events, "wanting", lambda *_args, **_kwargs: [number])
    delivery.delete_webhook(endpoint=endpoint)
    monkeypatch.setattr(telling, "listening_tenants", lambda: frozenset({tenant.pk}))

    delivery.drain_account(account_id=message.account_id)

    message.refresh_from_db()
    assert message.state == "sent"
    assert delivery.call_for_endpoints() == []
    later(days=12)
    assert delivery.purge().webhooks == 1


def test_a_tenant_without_a_webhook_pays_nothing(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    def questions(of: Tenant) -> list[str]:
        message = make_message(make_account(tenant=of), tenant=of)
        with CaptureQueriesContext(connection) as asked:
            delivery.drain_account(account_id=message.account_id)
        return [query["sql"] for query in asked.captured_queries]

    other = make_tenant()
    make_webhook(tenant, hooks)
    telling.listening_tenants()

    for _ in range(3):  # on PostgreSQL statements are prepared after some
        assert not [sql for sql in questions(other) if "webhook" in sql]
    assert [sql for sql in questions(tenant) if "INSERT" in sql and "webhook" in sql]


def test_for_a_day_a_new_secret_stands_beside_the_one_before(
    hooks: ScriptedHttpServer, tenant: Tenant
) -> None:
    hooks.scripts["/in"] = answer()
    endpoint, first = make_webhook(tenant, hooks)
    second = delivery.rotate_webhook_secret(endpoint=endpoint).reveal()

    make_event(endpoint)
    delivery.deliver_events(endpoint_id=endpoint.pk)
    later(hours=24, seconds=1)
    make_event(endpoint)
    delivery.deliver_events(endpoint_id=endpoint.pk)

    during, after = hooks.asked
    assert body_of(during, first) == body_of(during, second)
    assert body_of(after, second)["type"] == "message.settled"
    with pytest.raises(WebhookVerificationError):
        body_of(after, first)
    assert first not in str(endpoint.__dict__)
    assert json.dumps(list(WebhookDelivery.objects.values("data", "answer"))).count("whsec") == 0


def test_the_verifier_of_the_documents_takes_what_is_sent(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    verify = run_snippet("docs/webhooks-out.md")["verify"]
    hooks.scripts["/in"] = answer()
    endpoint, secret = make_webhook(tenant, hooks)
    other = delivery.rotate_webhook_secret(endpoint=endpoint).reveal()
    make_event(endpoint)
    delivery.deliver_events(endpoint_id=endpoint.pk)

    (asked,) = hooks.asked
    for key in (secret, other):
        verify(key, asked.headers, asked.body)
    old = {**asked.headers, "webhook-timestamp": str(int(asked.headers["webhook-timestamp"]) - 400)}
    for key, headers, body in (
        (secret, old, asked.body),
        (secret, asked.headers, asked.body + b" "),
        (f"whsec_{'A' * 43}=", asked.headers, asked.body),
    ):
        with pytest.raises(ValueError, match=r"too old|not signed"):
            verify(key, headers, body)


def run_snippet(name: str) -> dict[str, Any]:
    """Names that the first snippet of a document makes."""
    (code, *_others) = document(name).snippets("python")
    found: dict[str, Any] = {}
    exec(compile(code, name, "exec"), found)  # noqa: S102 - a document of ours
    return found
