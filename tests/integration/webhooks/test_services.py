"""Reports of each service in its own words and with its own signature, as its public documents have them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from sendgrid.helpers.eventwebhook import EventWebhook as OwnVerifier

from mailconfig.exceptions import EventsRefused
from mailconfig.incoming.service_events.signatures import (
    SENDGRID_SIGNATURE,
    SENDGRID_TIMESTAMP,
    check_sendgrid,
)
from mailconfig.models import Bounce, EventWebhook, Message, MessageEvent, Suppression
from mailconfig.values import Secret
from tests.factories import make_account

from .conftest import TO, event_of, post, sent
from .signing import Signer, octets_of

pytestmark = pytest.mark.django_db(transaction=True)

MAILGUN_KEY = "not-a-real-signing-key"
RESEND_KEY = "whsec_" + base64.b64encode(b"not a real signing key").decode()


def mailgun(message: Message, event: str, **data: Any) -> dict[str, Any]:
    timestamp, token = f"{int(time.time())}", "t" * 50
    made = hmac.new(MAILGUN_KEY.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": timestamp, "token": token, "signature": made},
        "event-data": {
            "event": event,
            "id": f"id-{event}",
            "timestamp": time.time(),
            "recipient": TO,
            "user-variables": {"mailconfig_id": message.message_id},
            "message": {"headers": {"message-id": "other@mailgun.example"}},
            **data,
        },
    }


def postmark(message: Message, kind: str, **data: Any) -> dict[str, Any]:
    at = "2026-11-30T12:00:00Z"
    return {
        "RecordType": kind,
        "MessageID": "00000000-0000-0000-0000-000000000000",
        "Recipient" if kind in {"Delivery", "Open", "SubscriptionChange"} else "Email": TO,
        "Metadata": {"mailconfig_id": message.message_id},
        "DeliveredAt" if kind == "Delivery" else "BouncedAt": at,
        **data,
    }


def resend(message: Message, kind: str, **data: Any) -> dict[str, Any]:
    carried = json.dumps({"mailconfig_id": message.message_id})
    return {
        "type": kind,
        "created_at": "2026-11-30T12:00:00.000Z",
        "data": {
            "email_id": "4ef9a417-02e9-4d39-ad75-9611e0fcc33c",
            "to": ["Somebody <somebody@example.net>"],
            "headers": [{"name": "X-Metadata", "value": carried}],
            **data,
        },
    }


def brevo(message: Message, event: str, **data: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": TO,
        "message-id": "<other@brevo.example>",
        "ts_epoch": int(time.time() * 1000),
        "X-Mailin-custom": json.dumps({"mailconfig_id": message.message_id}),
        **data,
    }


def signed_by_resend(body: bytes, *, at: float | None = None) -> dict[str, str]:
    timestamp = f"{int(time.time() if at is None else at)}"
    key = base64.b64decode(RESEND_KEY.removeprefix("whsec_"))
    made = hmac.new(key, b"msg_1." + timestamp.encode() + b"." + body, hashlib.sha256).digest()
    signature = f"v1,{'A' * 44} v1,{base64.b64encode(made).decode()}"
    return {"svix-id": "msg_1", "svix-timestamp": timestamp, "svix-signature": signature}


def hook(service: str, **values: Any) -> tuple[EventWebhook, Message]:
    """A webhook of the service, and a mail of its account."""
    account = make_account()
    webhook = EventWebhook(account=account, service=service, **values)
    webhook.full_clean(exclude=["token_digest"])
    webhook.save()
    return webhook, sent(account)


@pytest.mark.parametrize(
    ("service", "make", "kinds", "bounces", "reasons"),
    [
        ("mailgun", lambda m: mailgun(m, "delivered"), ["delivered"], [], []),
        ("mailgun", lambda m: mailgun(m, "failed", severity="temporary"), ["deferred"], [], []),
        (
            "mailgun",
            lambda m: mailgun(m, "failed", severity="permanent", reason="bounce"),
            ["bounced"],
            [True],
            ["bounce"],
        ),
        ("mailgun", lambda m: mailgun(m, "failed", severity="permanent", reason="old"), ["bounced"], [True], []),
        ("mailgun", lambda m: mailgun(m, "complained"), ["complained"], [], ["complaint"]),
        ("postmark", lambda m: postmark(m, "Delivery"), ["delivered"], [], []),
        ("postmark", lambda m: postmark(m, "Bounce", ID=7, Type="HardBounce"), ["bounced"], [True], ["bounce"]),
        ("postmark", lambda m: postmark(m, "Bounce", ID=7, Type="SoftBounce"), ["bounced"], [False], []),
        ("postmark", lambda m: postmark(m, "SpamComplaint", ID=7, Type="SpamComplaint"), ["complained"], [], ["complaint"]),
        (
            "postmark",
            lambda m: postmark(
                m, "SubscriptionChange", SuppressSending=True, SuppressionReason="ManualSuppression"
            ),
            ["opted_out"],
            [],
            ["opt_out"],
        ),
        ("resend", lambda m: resend(m, "email.opened"), ["opened"], [], []),
        (
            "resend",
            lambda m: resend(m, "email.bounced", bounce={"type": "Permanent", "message": "a hard bounce message"}),
            ["bounced"],
            [True],
            ["bounce"],
        ),
        ("resend", lambda m: resend(m, "email.scheduled"), [], [], []),
        ("brevo", lambda m: brevo(m, "unique_opened"), ["opened"], [], []),
        ("brevo", lambda m: brevo(m, "hard_bounce", reason="550 5.1.1 no"), ["bounced"], [True], ["bounce"]),
        ("brevo", lambda m: brevo(m, "soft_bounce"), ["bounced"], [False], []),
        ("brevo", lambda m: brevo(m, "unsubscribe"), ["opted_out"], [], ["opt_out"]),
        ("brevo", lambda m: {**brevo(m, "click"), "X-Mailin-custom": 7}, [], [], []),
    ],
)  # fmt: skip
def test_each_service_is_understood(
    service: str, make: Any, kinds: list[str], bounces: list[bool], reasons: list[str]
) -> None:
    webhook, message = hook(service)
    body = json.dumps(make(message)).encode()

    answers = [post(webhook, body, headers=signed_by_resend(body)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert list(MessageEvent.objects.values_list("kind", flat=True)) == kinds
    assert list(Bounce.objects.values_list("is_permanent", flat=True)) == bounces
    assert list(Suppression.objects.values_list("address", "reason")) == [(TO, reason) for reason in reasons]


@pytest.mark.parametrize("service", ["mailgun", "postmark", "resend", "brevo"])
@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'{"type":[]}', b'{"event-data":7,"event":{}}'])
def test_what_a_service_would_never_send_has_no_effect(service: str, body: bytes) -> None:
    webhook, _message = hook(service)

    assert post(webhook, body).status_code in {204, 400}
    assert not MessageEvent.objects.exists()


def _changed(event: dict[str, Any], **signature: str) -> dict[str, Any]:
    return {**event, "signature": {**event["signature"], **signature}}


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda m: mailgun(m, "opened"), 204),
        (lambda m: _changed(mailgun(m, "opened"), token="another"), 403),
        (lambda m: _changed(mailgun(m, "opened"), timestamp=f"{int(time.time()) - 50_000}"), 403),
        *(
            (lambda m, huge=huge: _changed(mailgun(m, "opened"), timestamp=huge), 403)
            for huge in ("9" * 5000, "9" * 300, "inf", "1e400", "-1", "")
        ),
        (lambda m: {**mailgun(m, "opened"), "signature": None}, 403),
        (lambda m: [mailgun(m, "opened")], 403),
    ],
)
def test_mailguns_signature_counts_where_its_key_is_stored(make: Any, status: int) -> None:
    webhook, message = hook("mailgun", secret=Secret(MAILGUN_KEY))

    assert post(webhook, json.dumps(make(message)).encode()).status_code == status
    assert MessageEvent.objects.exists() is (status == 204)


@pytest.mark.parametrize(
    ("forge", "status"),
    [
        (lambda body: (body, signed_by_resend(body)), 204),
        (lambda body: (body + b" ", signed_by_resend(body)), 403),
        (lambda body: (body, signed_by_resend(body, at=time.time() - 700)), 403),
        (lambda body: (body, {**signed_by_resend(body), "svix-id": "msg_2"}), 403),
        (lambda body: (body, {}), 403),
    ],
)
def test_resends_signature_counts_where_its_key_is_stored(forge: Any, status: int) -> None:
    webhook, message = hook("resend", secret=Secret(RESEND_KEY))
    body, headers = forge(json.dumps(resend(message, "email.opened")).encode())

    assert post(webhook, body, headers=headers).status_code == status
    assert MessageEvent.objects.exists() is (status == 204)


def test_without_the_extra_the_service_is_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook, message = hook("brevo")
    monkeypatch.setitem(sys.modules, "anymail.webhooks.brevo", None)

    answer = post(webhook, json.dumps(brevo(message, "opened")).encode())

    assert (answer.status_code, answer.json()) == (503, {"error": "not_installed"})


@pytest.mark.parametrize(
    ("service", "values", "field"),
    [
        ("sendgrid", {"public_key": "no key"}, "public_key"),
        ("sendgrid", {"public_key": base64.b64encode(b"x" * 91).decode()}, "public_key"),
        ("sendgrid", {"secret": Secret(MAILGUN_KEY)}, "secret"),
        ("mailgun", {"public_key": Signer().public_key}, "public_key"),
        ("postmark", {"secret": Secret(MAILGUN_KEY)}, "secret"),
    ],
)
def test_a_key_of_another_kind_is_not_stored(service: str, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        hook(service, **values)
    assert set(refusal.value.message_dict) == {field}


def test_a_key_may_be_entered_with_its_frame() -> None:
    key = Signer().public_key
    framed = f"-----BEGIN PUBLIC KEY-----\n{key[:64]}\n{key[64:]}\n-----END PUBLIC KEY-----\n"
    assert hook("sendgrid", public_key=framed)[0].public_key == key


@pytest.mark.parametrize("change", ["nothing", "body", "timestamp", "key"])
def test_sendgrids_own_library_judges_the_same(message: Message, change: str) -> None:
    signer, other = Signer(), Signer()
    body = octets_of([event_of(message, "open", useragent="Größe")])
    headers = signer.sign(body)
    if change == "body":
        body += b" "
    if change == "timestamp":
        headers[SENDGRID_TIMESTAMP] = f"{int(headers[SENDGRID_TIMESTAMP]) - 1}"
    key = other.public_key if change == "key" else signer.public_key

    theirs = OwnVerifier(key).verify_signature(
        body.decode(), headers[SENDGRID_SIGNATURE], headers[SENDGRID_TIMESTAMP]
    )
    try:
        check_sendgrid(key, headers=headers, body=body, now=time.time())
        ours = True
    except EventsRefused:
        ours = False

    assert ours is theirs is (change == "nothing")
