"""Endpoints that misbehave: each costs itself, is tried again for three days, and loses nothing that it could have had."""

from __future__ import annotations

import gzip
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from standardwebhooks.webhooks import Webhook

from mailconfig import crash, delivery, signals, tasks
from mailconfig.delivery.webhooks import leases, upkeep
from mailconfig.delivery.worker import pool
from mailconfig.delivery.worker.purge import purge
from mailconfig.delivery.worker.sweep import sweep
from mailconfig.doorbell import doorbell
from mailconfig.exceptions import Throttled
from mailconfig.models import MOST_ENDPOINTS, Tenant, WebhookDelivery, WebhookEndpoint
from tests.factories import make_tenant
from tests.integration.delivery.webhooks.calls import later, make_event, make_webhook, seconds_until
from tests.integration.delivery.webhooks.conftest import LOOPBACK
from tests.servers.children import drain_worker, until
from tests.servers.http import Asked, Script, ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)


def endless(_asked: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"400\r\n" + b"x" * 1024 + b"\r\n"


def silence(_asked: Asked) -> Iterator[bytes]:
    threading.Event().wait(5)
    yield b""


BOMB = gzip.compress(b"0" * 10_000_000)
CASES: dict[str, tuple[Script, str, int | None, str]] = {
    "an error": (answer(b"no\x00 <b>\n room", status="500 Oh"), "http_status", 500, "no <b> room"),
    "a redirect to loopback": (
        answer(status="307 There", fields="Location: http://127.0.0.1/other\r\n"),
        "http_status",
        307,
        "",
    ),
    "an endless body": (endless, "http_status", 500, "x" * 499 + "…"),
    "a bomb": (
        answer(BOMB, status="502 Oh", fields="Content-Encoding: gzip\r\n"),
        "http_status",
        502,
        "",
    ),
    "silence": (silence, "timeout", None, ""),
    "no HTTP": (b"220 mail.example.com ESMTP\r\n", "protocol_error", None, ""),
    "nothing": (b"", "protocol_error", None, ""),
}


@pytest.mark.one_database
def test_what_is_no_success_is_noted_and_tried_again(
    hooks: ScriptedHttpServer, tenant: Tenant, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WEBHOOK_SECONDS": 0.5}
    found = {}
    endpoint, _secret = make_webhook(tenant, hooks)
    for name, (script, *_expected) in CASES.items():
        hooks.scripts["/in"] = script
        WebhookEndpoint.objects.all().delete()
        endpoint, _secret = make_webhook(tenant, hooks)
        make_event(endpoint)
        assert delivery.deliver_events(endpoint_id=endpoint.pk) is False
        row = WebhookDelivery.objects.get()
        assert (row.state, row.attempts) == ("waiting", 1)
        assert 3 < seconds_until(row.due_at) < 7
        found[name] = (row.problem, row.http_status, row.answer)
        endpoint.refresh_from_db()
        assert (endpoint.problem, endpoint.failures, endpoint.is_enabled) == (row.problem, 1, True)

    assert found == {name: (problem, status, text) for name, (_, problem, status, text) in CASES.items()}
    assert {asked.target for asked in hooks.asked} == {"/in"}
    hooks.scripts["/in"] = answer(BOMB, status="202 Yes", fields="Content-Encoding: gzip\r\n")
    later(seconds=10)
    delivery.deliver_events(endpoint_id=endpoint.pk)
    assert WebhookDelivery.objects.get().state == "delivered", "of a success nobody reads the body"


@pytest.mark.one_database
def test_an_event_is_tried_ten_times_in_three_days_and_the_endpoint_disabled(
    hooks: ScriptedHttpServer, tenant: Tenant
) -> None:
    hooks.scripts["/in"] = answer(status="503 Later", fields="Retry-After: 20\r\n")
    endpoint, _secret = make_webhook(tenant, hooks)
    event = make_event(endpoint)
    told: list[dict[str, Any]] = []

    def listen(**values: Any) -> None:
        told.append({name: values[name] for name in ("endpoint_id", "tenant_id", "reason")})

    signals.webhook_disabled.connect(listen)
    try:
        delivery.deliver_events(endpoint_id=endpoint.pk)
        event.refresh_from_db()
        assert seconds_until(event.due_at) > 15, "an endpoint that asks for more time has it"
        hours = 0.0
        while event.state == "waiting":
            away = max(1.0, seconds_until(event.due_at))
            hours += away / 3600
            later(seconds=away + 600)
            delivery.deliver_events(endpoint_id=endpoint.pk)
            event.refresh_from_db()
        assert (event.state, event.attempts) == ("failed", 10)
        assert 55 < hours < 90
        assert {asked.headers["webhook-id"] for asked in hooks.asked} == {str(event.event_id)}
        later(days=3)
        endpoint.refresh_from_db()
        if endpoint.is_enabled:  # the last try came before the third day was over
            make_event(endpoint)
            delivery.deliver_events(endpoint_id=endpoint.pk)
            endpoint.refresh_from_db()
    finally:
        signals.webhook_disabled.disconnect(listen)

    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "failing")
    assert told == [{"endpoint_id": endpoint.pk, "tenant_id": tenant.pk, "reason": "failing"}]

    endpoint.is_enabled = True
    delivery.save_webhook(endpoint=endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.disabled_reason, endpoint.failing_since, endpoint.failures) == ("", None, 0)


def test_who_is_gone_is_disabled_at_once(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    hooks.scripts["/in"] = answer(status="410 Gone")
    endpoint, _secret = make_webhook(tenant, hooks)
    make_event(endpoint)

    assert not delivery.deliver_events(endpoint_id=endpoint.pk)

    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "gone")
    assert WebhookDelivery.objects.get().state == "failed"
    assert delivery.call_for_endpoints() == []
    with pytest.raises(ValidationError):
        delivery.send_test_event(endpoint=endpoint)


def test_one_that_comes_back_is_told_at_once_what_waits(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    hooks.scripts["/in"] = answer(status="500 Oh")
    endpoint, _secret = make_webhook(tenant, hooks)
    events = [make_event(endpoint) for _ in range(4)]
    for _ in range(3):
        delivery.deliver_events(endpoint_id=endpoint.pk)
        assert len(hooks.asked) == 1, "while it fails each turn is one request, however much waits"
        hooks.asked.clear()
        later(seconds=200)
    hooks.scripts["/in"] = answer()

    delivery.deliver_events(endpoint_id=endpoint.pk)

    assert {asked.headers["webhook-id"] for asked in hooks.asked} == {str(event.event_id) for event in events}
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since, endpoint.problem) == (0, None, "")


def test_one_that_was_mended_is_tested_at_once(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    hooks.scripts["/in"] = answer(status="503 Later", fields="Retry-After: 86400\r\n")
    endpoint, _secret = make_webhook(tenant, hooks)
    make_event(endpoint)
    delivery.deliver_events(endpoint_id=endpoint.pk)
    assert delivery.call_for_endpoints() == []
    hooks.scripts["/in"] = answer()

    test = delivery.send_test_event(endpoint=endpoint)

    assert delivery.call_for_endpoints() == [endpoint.pk]
    delivery.deliver_events(endpoint_id=endpoint.pk)
    test.refresh_from_db()
    assert test.state == "delivered"


def test_a_webhook_that_hangs_holds_up_nobody_elses(hooks: ScriptedHttpServer, tenant: Tenant) -> None:
    ends = threading.Event()

    def hang(_asked: Asked) -> Iterator[bytes]:
        ends.wait(30)
        yield b""

    hooks.scripts["/hangs"], hooks.scripts["/in"] = hang, answer()
    hanging = [make_webhook(tenant, hooks, "/hangs")[0] for _ in range(6)]
    other = make_webhook(make_tenant(), hooks)[0]
    for endpoint in (*hanging, other):
        make_event(endpoint)

    with pool.WebhookPool(should_stop=ends.is_set) as webhooks:

        def is_told() -> bool:
            due = leases.due_endpoints()
            webhooks.offer(due, due)
            return WebhookDelivery.objects.filter(endpoint=other, state="delivered").exists()

        try:
            until(is_told, why="it was not told beside")
            held = WebhookEndpoint.objects.exclude(lease_token=None)
            until(lambda: held.count() <= leases.MOST_OF_TENANT, why="it was not given back")
        finally:
            ends.set()


def test_who_changes_a_description_enables_nothing_that_was_disabled_meanwhile(
    hooks: ScriptedHttpServer, tenant: Tenant
) -> None:
    endpoint, _secret = make_webhook(tenant, hooks)
    make_event(endpoint)
    hooks.scripts["/in"] = answer(status="410 Gone")
    read_earlier = WebhookEndpoint.objects.get()
    delivery.deliver_events(endpoint_id=endpoint.pk)

    read_earlier.description = "Orders"
    delivery.save_webhook(endpoint=read_earlier, changed=["description"])

    endpoint.refresh_from_db()
    assert (endpoint.description, endpoint.is_enabled, endpoint.disabled_reason) == ("Orders", False, "gone")
    assert not read_earlier.is_enabled
    delivery.save_webhook(endpoint=endpoint)
    assert WebhookEndpoint.objects.get().disabled_reason == "gone"
    endpoint.is_enabled = True
    delivery.save_webhook(endpoint=endpoint, changed=["is_enabled"])
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason, endpoint.problem) == (True, "", "")


@pytest.mark.parametrize("change", ["deleted", "disabled", "moved"])
def test_an_endpoint_changed_in_hand_keeps_nobody(
    hooks: ScriptedHttpServer, tenant: Tenant, change: str
) -> None:
    endpoint, _secret = make_webhook(tenant, hooks)

    def edit() -> None:
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        if change == "deleted":
            rows.delete()
        else:
            rows.update(**{"is_enabled": False} if change == "disabled" else {"url": hooks.url("/new")})

    went_on = crash.point
    asked_at: list[str] = []

    def at(name: str) -> None:
        if name == "webhook_sent" and not asked_at:
            asked_at.append(name)
            edit()
        went_on(name)

    hooks.scripts["/in"] = hooks.scripts["/new"] = answer()
    for _ in range(2):
        make_event(endpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crash, "point", at)
        delivery.deliver_events(endpoint_id=endpoint.pk)

    expected = {"deleted": ["/in"], "disabled": ["/in"], "moved": ["/in", "/new"]}
    assert [asked.target for asked in hooks.asked] == expected[change]
    assert WebhookDelivery.objects.filter(state="delivered").count() == (
        0 if change == "deleted" else len(expected[change])
    )


def test_a_secret_that_cannot_be_read_sends_nothing_and_blames_nobody(
    hooks: ScriptedHttpServer, tenant: Tenant, settings: Any
) -> None:
    hooks.scripts["/in"] = answer()
    endpoint, _secret = make_webhook(tenant, hooks)
    event = make_event(endpoint)
    settings.FIELD_ENCRYPTION_KEY = Fernet.generate_key().decode()

    delivery.deliver_events(endpoint_id=endpoint.pk)

    endpoint.refresh_from_db()
    event.refresh_from_db()
    assert (endpoint.problem, endpoint.failures, hooks.asked) == ("secret_unreadable", 0, [])
    assert (event.state, event.attempts) == ("waiting", 0)
    secret = delivery.rotate_webhook_secret(endpoint=endpoint).reveal()
    delivery.deliver_events(endpoint_id=endpoint.pk)
    assert Webhook(secret).verify(hooks.asked[0].body, hooks.asked[0].headers)


def test_an_address_that_policy_forbids_is_told_nothing(
    hooks: ScriptedHttpServer, tenant: Tenant, settings: Any
) -> None:
    """Neither when it is stored, nor when its name leads elsewhere by then."""
    endpoint, _secret = make_webhook(tenant, hooks)
    WebhookEndpoint.objects.update(url=hooks.url(host="localhost"))
    make_event(endpoint)
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WEBHOOK_NETWORKS": []}

    delivery.deliver_events(endpoint_id=endpoint.pk)

    assert hooks.connections == 0
    assert WebhookDelivery.objects.get().problem in {"connect_failed", "host_not_allowed"}
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WEB_PORTS": [443], "ALLOW_PLAIN_HTTP": False}
    for url in (
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://hooks.example.com:25/",
        "https://user@hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://169.254.169.254/latest",
    ):
        with pytest.raises(ValidationError):
            delivery.check_webhook_url(url)
    delivery.check_webhook_url("https://hooks.example.com/mail?of=acme")


def test_bounds_on_what_waits_what_is_kept_and_what_is_tried(
    hooks: ScriptedHttpServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MOST_WAITING", 3)
    endpoint, _secret = make_webhook(tenant, hooks)
    events = [make_event(endpoint) for _ in range(5)]

    sweep()

    endpoint.refresh_from_db()
    assert endpoint.dropped == 2
    assert list(WebhookDelivery.objects.order_by("pk")) == events[2:]
    for told_already in (0, 1):
        WebhookDelivery.objects.filter(pk=events[2].pk).update(
            state="delivered" if told_already else "waiting"
        )
        (found,) = delivery.status().webhooks
        assert (found.waiting, found.oldest_at) == (3 - told_already, events[2 + told_already].created_at)
    WebhookDelivery.objects.update(state="waiting")
    later(days=5)
    assert purge().webhooks == 0
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"failed"}
    later(days=3)
    assert purge().webhooks == 3
    for _ in range(10):
        delivery.send_test_event(endpoint=endpoint)
    with pytest.raises(Throttled):
        delivery.send_test_event(endpoint=endpoint)
    for _ in range(MOST_ENDPOINTS - 1):
        make_webhook(tenant, hooks)
    with pytest.raises(ValidationError):
        make_webhook(tenant, hooks)


def test_under_celery_a_worker_is_called_once_and_tells(
    hooks: ScriptedHttpServer, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[int] = []
    monkeypatch.setattr(doorbell, "ring", lambda _publish, number: called.append(number))
    hooks.scripts["/in"] = answer()
    endpoint, _secret = make_webhook(tenant, hooks)
    make_event(endpoint)

    tasks.ring()
    tasks.ring()
    assert called == [endpoint.pk]
    later(minutes=2)
    tasks.ring()
    assert called == [endpoint.pk] * 2, "a call that was lost is made again"
    tasks.webhook(endpoint.pk)

    assert WebhookDelivery.objects.get().state == "delivered"
    tasks.ring()
    assert called == [endpoint.pk] * 2


@pytest.mark.one_database
@pytest.mark.slow
def test_workers_killed_at_every_step_tell_it_again_under_the_same_id(
    hooks: ScriptedHttpServer, tenant: Tenant, tmp_path: Path
) -> None:
    fast = {**LOOPBACK, "LEASE_SECONDS": 0.2, "WEBHOOK_SECONDS": 0.5, "SWEEP_SECONDS": 0.2}
    hooks.scripts["/in"] = answer()
    endpoint, secret = make_webhook(tenant, hooks)
    event = make_event(endpoint)

    for point, asked in (("webhook_taken", 0), ("webhook_sent", 1)):
        with drain_worker(tmp_path, fast, crash_at=point) as worker:
            assert worker.wait() == -signal.SIGKILL, point
        assert len(hooks.asked) == asked
    with drain_worker(tmp_path, fast) as worker:
        until(lambda: WebhookDelivery.objects.get().state == "delivered", why="it was not told")
        assert worker.terminate() == 0

    assert [asked.headers["webhook-id"] for asked in hooks.asked] == [str(event.event_id)] * 2
    assert len({asked.body for asked in hooks.asked}) == 1
    assert Webhook(secret).verify(hooks.asked[1].body, hooks.asked[1].headers)
