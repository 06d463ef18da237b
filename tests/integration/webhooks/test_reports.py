"""Reports of SendGrid: signed or refused, each event once, in any order, and of nobody else's mail."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailconfig import delivery, signals
from mailconfig.delivery import MailingState, with_mailing_states
from mailconfig.delivery.events.taking import MOST_ALIKE
from mailconfig.incoming.service_events.signatures import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP
from mailconfig.models import (
    Attempt,
    Bounce,
    EventWebhook,
    HandOver,
    Mailbox,
    Message,
    MessageEvent,
    MessageState,
    Suppression,
)
from mailconfig.models.event_webhook import new_token
from tests.factories import make_account, make_hand_over, make_mailbox, make_message, make_tenant

from .conftest import TO, event_of, post, sent
from .signing import Signer, octets_of

pytestmark = pytest.mark.django_db(transaction=True)

Told = list[dict[str, Any]]


@pytest.fixture
def told() -> Iterator[Told]:
    """What signals told: of bounces, and of people who want no more mail."""
    found: Told = []

    def note(*, signal: Any, sender: Any, **values: Any) -> None:
        found.append(values)

    for signal in (signals.message_bounced, signals.recipient_opted_out):
        signal.connect(note)
    yield found
    for signal in (signals.message_bounced, signals.recipient_opted_out):
        signal.disconnect(note)


def state_of(message: Message) -> MailingState:
    """The state as its sender reads it."""
    return MailingState(with_mailing_states(Message.objects.filter(pk=message.pk)).get().mailing_state)


def kinds() -> list[str]:
    """What is stored, in the order in which it came."""
    return list(MessageEvent.objects.order_by("pk").values_list("kind", flat=True))


Forge = Callable[[Signer, bytes], tuple[bytes, dict[str, str], str]]
JSON = "application/json"
HOUR = 3600


def _as_json_says_it_too(signer: Signer, body: bytes) -> tuple[bytes, dict[str, str], str]:
    return json.dumps(json.loads(body)).encode(), signer.sign(body), JSON


FORGED: dict[str, tuple[Forge, int, str]] = {
    "unsigned": (lambda _, body: (body, {}, JSON), 403, "unsigned"),
    "no timestamp": (
        lambda signer, body: (body, {SENDGRID_SIGNATURE: signer.sign(body)[SENDGRID_SIGNATURE]}, JSON),
        403,
        "unsigned",
    ),
    "another mailbox's key": (lambda _, body: (body, Signer().sign(body), JSON), 403, "bad_signature"),
    "another body": (lambda signer, body: (body, signer.sign(body + b" "), JSON), 403, "bad_signature"),
    "written anew": (_as_json_says_it_too, 403, "bad_signature"),
    "old": (lambda signer, body: (body, signer.sign(body, at=time.time() - 700), JSON), 403, "old"),
    "of tomorrow": (lambda signer, body: (body, signer.sign(body, at=time.time() + 700), JSON), 403, "old"),
    "timestamp moved": (
        lambda signer, body: (
            body,
            {
                **signer.sign(body, at=time.time() - HOUR),
                SENDGRID_TIMESTAMP: f"{int(time.time())}",
            },
            JSON,
        ),
        403,
        "bad_signature",
    ),
    "no base64": (
        lambda signer, body: (
            body,
            {**signer.sign(body), SENDGRID_SIGNATURE: "\xff%%"},
            JSON,
        ),
        403,
        "bad_signature",
    ),
    "a form": (lambda signer, body: (body, signer.sign(body), "multipart/form-data"), 415, "media_type"),
    "a mebibyte and one": (
        lambda signer, body: ((long := body.ljust(1_048_577)), signer.sign(long), JSON),
        413,
        "too_large",
    ),
    "cut off": (lambda signer, body: (body[:-9], signer.sign(body[:-9]), JSON), 400, "malformed"),
}


@pytest.mark.parametrize("case", FORGED)
def test_what_is_forged_old_or_changed_is_refused_without_effect(
    webhook: EventWebhook, signer: Signer, message: Message, case: str
) -> None:
    forge, status, code = FORGED[case]
    body, headers, content_type = forge(signer, octets_of([event_of(message, "bounce", type="bounce")]))

    answer = post(webhook, body, headers=headers, content_type=content_type)

    assert (answer.status_code, answer.json()) == (status, {"error": code})
    assert not MessageEvent.objects.exists()
    assert not Bounce.objects.exists()
    webhook.refresh_from_db()
    assert (webhook.refused_because, webhook.received_at) == (code, None)


def test_what_is_signed_counts_once_however_often_it_comes(
    webhook: EventWebhook, signer: Signer, message: Message, told: Told
) -> None:
    body = octets_of([event_of(message, "bounce", type="bounce", status="5.1.1", reason="550 5.1.1 nobody")])
    whole = body.ljust(1_048_576)  # as long as it may be

    for headers in (signer.sign(whole), signer.sign(whole, at=time.time() - 590), signer.sign(whole)):
        assert post(webhook, whole, headers=headers).status_code == 204

    assert kinds() == ["bounced"]
    bounce = Bounce.objects.get()
    assert (bounce.message, bounce.address, bounce.enhanced_code) == (message, TO, "5.1.1")
    assert Suppression.objects.get().address == TO
    assert told == [{"message_id": message.pk, "account_id": webhook.account_id, "bounce_id": bounce.pk}]
    assert state_of(message) == MailingState.BOUNCED


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("post", "/webhooks/sendgrid/{token}x", 404),
        ("post", "/webhooks/sendgrid/" + "a" * 43, 404),
        ("post", "/webhooks/sendgrid/" + "é" * 4000, 404),
        ("post", "/webhooks/postmark/{token}", 404),
        ("post", "/webhooks/nobody/{token}", 404),
        ("get", "/webhooks/sendgrid/{token}", 405),
        ("get", "/webhooks/sendgrid/x", 405),
        ("put", "/webhooks/sendgrid/{token}", 405),
    ],
)
def test_a_token_that_there_is_not_is_told_from_nothing(
    webhook: EventWebhook, message: Message, method: str, path: str, status: int
) -> None:
    body = octets_of([event_of(message, "open")])

    answer = Client().generic(method.upper(), path.format(token=webhook.token), body, content_type=JSON)

    assert answer.status_code == status
    if status == 404:
        assert answer.json() == {"error": "not_found"}
    assert not MessageEvent.objects.exists()


def test_a_deleted_account_and_a_replaced_token_have_no_address_any_more(
    mailbox: Mailbox, webhook: EventWebhook, message: Message
) -> None:
    old = EventWebhook(service=webhook.service, token=webhook.token)
    delivery.rotate_event_webhook(webhook=webhook)
    assert post(old, [event_of(message, "open")]).status_code == 404
    assert post(webhook, [event_of(message, "open")]).status_code == 204

    delivery.delete_account(account_id=mailbox.pk, by=None)

    assert post(webhook, [event_of(message, "open")]).status_code == 404
    assert kinds() == ["opened"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["open", "delivered", "processed"], MailingState.DELIVERED),
        (["bounce", "delivered", "open"], MailingState.BOUNCED),
        (["delivered", "bounce"], MailingState.BOUNCED),
        (["dropped", "processed"], MailingState.BOUNCED),
        (["deferred", "spamreport", "click"], MailingState.DELIVERED),
    ],
)
def test_a_state_never_goes_back_whatever_the_order(
    webhook: EventWebhook, message: Message, order: list[str], expected: MailingState
) -> None:
    for name in order:
        assert post(webhook, [event_of(message, name)]).status_code == 204

    assert state_of(message) == expected
    assert len(kinds()) == len(order)


@pytest.mark.parametrize(
    ("event", "bounces", "reasons", "opts_out"),
    [
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, 1, ["bounce"], False),
        ({"event": "bounce", "type": "bounce", "status": "5.7.1"}, 1, [], False),
        ({"event": "bounce", "type": "blocked"}, 1, [], False),
        ({"event": "dropped", "reason": "Bounced Address"}, 1, ["bounce"], False),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, 1, ["opt_out"], True),
        ({"event": "dropped", "reason": "Spam Content"}, 1, [], False),
        ({"event": "deferred", "response": "451 later"}, 0, [], False),
        ({"event": "spamreport"}, 0, ["complaint"], False),
        ({"event": "unsubscribe"}, 0, ["opt_out"], True),
        ({"event": "group_unsubscribe", "asm_group_id": 7}, 0, ["opt_out"], True),
        ({"event": "group_resubscribe"}, 0, [], False),
    ],
)
def test_an_event_means_what_the_service_says_it_means(
    told: Told, event: dict[str, Any], bounces: int, reasons: list[str], opts_out: bool
) -> None:
    mailbox = make_mailbox(send_method="sendgrid", tenant=make_tenant())
    message = sent(mailbox, tenant=mailbox.tenant)
    webhook = EventWebhook.objects.get(account=mailbox)

    assert post(webhook, [event_of(message, **event)]).status_code == 204

    assert Bounce.objects.count() == bounces
    again = sent(mailbox, tenant=mailbox.tenant)
    assert post(webhook, [event_of(again, **event)]).status_code == 204  # listed is listed, and told once
    bounces *= 2

    assert Bounce.objects.count() == bounces
    rows = Suppression.objects.values_list("tenant", "address", "reason")
    assert list(rows) == [(mailbox.tenant_id, TO, reason) for reason in reasons]
    opted_out = {
        "tenant_id": mailbox.tenant_id,
        "address": TO,
        "message_id": message.pk,
        "account_id": mailbox.pk,
        "source": "service",
    }
    assert [values for values in told if "source" in values] == [opted_out] * opts_out


def test_only_mail_of_the_account_and_its_recipients_are_spoken_of(
    mailbox: Mailbox, webhook: EventWebhook, message: Message
) -> None:
    others = sent(make_account())
    waiting = make_message(mailbox, to=[TO])
    by_id = sent(mailbox, message_id="<given@example.com>")
    own = sent(mailbox)
    Message.objects.filter(pk=own.pk).update(given_message_id=None)
    own_id = f"<{own.uuid.hex}@example.com>"
    over = sent(make_account(), failed_over_from=mailbox)
    abroad = sent(mailbox, to=["Åsa@bücher.example"])
    foreign = [
        event_of(others, "bounce", type="bounce"),
        event_of(waiting, "bounce", type="bounce"),  # nobody has handed it over
        event_of(message, "unsubscribe", email="president@example.net"),
        event_of(message, "open", mailconfig_id="0" * 32),
        event_of(message, "open", mailconfig_id=None, **{"smtp-id": "<unknown@example.com>"}),
    ]
    ours = [
        event_of(by_id, "open", mailconfig_id=None, **{"smtp-id": "<given@example.com>"}),
        event_of(own, "open", mailconfig_id="", **{"smtp-id": own_id}),
        event_of(over, "open", email="THEM@Example.Net"),
        event_of(abroad, "open", email="åsa@xn--bcher-kva.example"),
    ]

    assert post(webhook, foreign + ours).status_code == 204

    found = MessageEvent.objects.order_by("pk").values_list("message", flat=True)
    assert list(found) == [by_id.pk, own.pk, over.pk, abroad.pk]
    assert not Suppression.objects.exists()
    assert not Bounce.objects.exists()


HOSTILE: list[bytes] = [
    b" ",
    b"{}",
    b"null",
    b"[" * 100_000,
    b"[" * 300 + b"]" * 300,
    b"[" + b'{"event":' * 20 + b"1" + b"}" * 20 + b"]" + b"}",
    b'[{"event":"open","timestamp":NaN}]',
    b'[{"event":"open","timestamp":' + b"9" * 5000 + b"}]",
    b'[{"event":"open"',
    b"\xff\xfe[]",
    b"[1,]",
    gzip.compress(b"[]"),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_body_that_is_no_report_is_refused(webhook: EventWebhook, body: bytes) -> None:
    assert post(webhook, body).status_code == 400


def test_odd_events_are_passed_over_and_the_others_count(webhook: EventWebhook, message: Message) -> None:
    odd: list[Any] = [
        None, [], 1, "open", {}, {"event": []}, {"event": "open"}, {"event": "account_status_change"},
        event_of(message, "open", email=7),
        event_of(message, "open", email="\ud800@example.net"),
        event_of(message, "open", mailconfig_id={}, **{"smtp-id": "\x00"}),
        event_of(message, "open", email="a" * 400),
        event_of(message, "open", sg_event_id=""),  # told from others by all it says
    ]  # fmt: skip
    sound = [
        event_of(
            message, "bounce", type="bounce", timestamp=10**30, reason="\ud800\x00 no \x1b[31m" + "x" * 9000
        ),
        event_of(message, "open", timestamp=-(10**18)),
        event_of(message, "open", timestamp=-62_135_596_800),  # the first second of all
        event_of(message, "delivered", timestamp="soon", sg_event_id="\ud800" * 1000),
        event_of(message, "click", timestamp=2**40, url="https://example.com"),
    ]

    assert post(webhook, odd + sound).status_code == 204

    assert kinds() == ["opened", "bounced", "opened", "opened", "delivered", "clicked"]
    day = (timezone.now() - timedelta(days=1), timezone.now())
    assert not MessageEvent.objects.exclude(at__range=day).exists()
    text = Bounce.objects.get().text
    assert text.isprintable()
    assert len(text) <= 500


def test_a_time_beyond_all_numbers_is_that_of_now(webhook: EventWebhook, message: Message) -> None:
    body = octets_of([event_of(message, "open", timestamp="huge")]).replace(b'"huge"', b"1e400")
    assert b":1e400" in body

    assert post(webhook, body).status_code == 204

    (at,) = MessageEvent.objects.values_list("at", flat=True)
    assert timezone.now() - timedelta(minutes=5) < at <= timezone.now()


def test_ten_thousand_events_take_a_bounded_number_of_statements(
    mailbox: Mailbox, webhook: EventWebhook
) -> None:
    names = ["delivered", "bounce", "unsubscribe", "open"]
    messages = [sent(mailbox, to=[f"{number}@e.n"]) for number in range(40)]
    events = [
        {
            "event": names[number // 40 % 4],
            "email": f"{number % 40}@e.n",
            "sg_event_id": f"{number}",
            "smtp-id": messages[number % 40].message_id,
        }
        for number in range(10_000)
    ]
    body = json.dumps(events, separators=(",", ":")).encode()

    with CaptureQueriesContext(connection) as queries:
        answer = post(webhook, body)

    assert answer.status_code == 204
    assert len(queries) <= 20 * 25
    assert MessageEvent.objects.count() == 40 * 4 * MOST_ALIKE
    assert (Bounce.objects.count(), Suppression.objects.count()) == (40, 40)
    listed = list(Suppression.objects.order_by("pk").values_list("address", flat=True))
    assert listed == sorted(listed), "so of two who list the same neither waits for the other in turn"


def test_one_report_brought_by_many_at_once_counts_once(
    webhook: EventWebhook, message: Message, told: Told
) -> None:
    body = octets_of([event_of(message, "bounce", type="bounce"), event_of(message, "unsubscribe")])
    start, statuses = threading.Barrier(6), []

    def bring() -> None:
        start.wait(timeout=30)
        statuses.append(post(webhook, body).status_code)
        connections.close_all()

    threads = [threading.Thread(target=bring) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert statuses == [204] * 6
    assert sorted(kinds()) == ["bounced", "opted_out"]
    assert len(told) == 2
    webhook.refresh_from_db()
    assert webhook.taken == 2


@pytest.mark.postgres
def test_what_comes_before_the_outcome_is_committed_counts_once_it_is(
    mailbox: Mailbox, webhook: EventWebhook
) -> None:
    message = make_message(mailbox, to=[TO])
    make_hand_over(message)
    begun, reported = threading.Event(), threading.Event()

    def settle() -> None:
        at = timezone.now()
        with transaction.atomic():
            HandOver.objects.filter(message=message).delete()
            Attempt.objects.create(
                account=mailbox,
                message=message,
                outcome="sent",
                started_at=at,
                handed_over_at=at,
                ended_at=at,
            )
            Message.objects.filter(pk=message.pk).update(state=MessageState.SENT, settled_at=at)
            begun.set()
            reported.wait(timeout=30)
        connections.close_all()

    thread = threading.Thread(target=settle)
    thread.start()
    assert begun.wait(timeout=30)
    events = [event_of(message, "delivered"), event_of(message, "bounce", type="bounce")]
    status = post(webhook, events).status_code
    before = state_of(message)
    reported.set()
    thread.join(timeout=30)

    assert (status, before) == (204, MailingState.DELIVERING)
    assert kinds() == ["delivered", "bounced"]
    assert state_of(message) == MailingState.BOUNCED


def test_of_mail_with_tokens_only_the_token_is_kept(mailbox: Mailbox, webhook: EventWebhook) -> None:
    token = "NS-EU-AAAA-BBBB"
    message = sent(mailbox, to=[token], has_tokens=True)

    event = event_of(
        message, "bounce", type="bounce", email="real@example.net", reason="550 real@example.net?"
    )
    assert post(webhook, [event]).status_code == 204

    row, bounce = MessageEvent.objects.get(), Bounce.objects.get()
    assert {row.address, bounce.address} == {token}
    assert {row.text, bounce.text} == {""}


def test_refusals_are_noted_once_a_minute(webhook: EventWebhook, signer: Signer) -> None:
    for _ in range(3):
        post(webhook, b"[]")
    with CaptureQueriesContext(connection) as queries:
        post(webhook, b"[]")

    assert len(queries) == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_an_account_that_sends_by_a_service_has_an_address_there(keeps: bool) -> None:
    mailbox = make_mailbox(send_method="smtp")
    assert not EventWebhook.objects.exists()

    mailbox.send_method = "sendgrid"
    mailbox.save()
    token = EventWebhook.objects.get(account=mailbox).token
    mailbox.send_method = "sendgrid" if keeps else "smtp"
    mailbox.save()

    # What the service still has to say of mail it took counts.
    assert EventWebhook.objects.get(account=mailbox).token == token
    assert len(token) == len(new_token()) == 43
    assert reverse("mailconfig-event-webhook", args=["sendgrid", token]).endswith(token)
