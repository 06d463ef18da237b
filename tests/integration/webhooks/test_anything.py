"""Whatever comes to the addresses that no document of ours describes: services' reports, and the page of an opt-out link."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailconfig.models import EventWebhook, Suppression

from .conftest import event_of, sent

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

SHARED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One address takes them all."""
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@SHARED
@given(data=st.data())
def test_a_report_of_anything_is_taken_or_refused(webhook: EventWebhook, data: Any) -> None:
    good = event_of(sent(webhook.account), "delivered")
    odd = st.fixed_dictionaries({}, optional={name: ANYTHING | st.just(good[name]) for name in good})
    events = data.draw(st.lists(odd | st.just(good) | ANYTHING, max_size=4) | ANYTHING, label="events")
    body = data.draw(st.just(json.dumps(events).encode()) | st.binary(max_size=200), label="body")

    response = Client(raise_request_exception=True).post(
        reverse("mailconfig-event-webhook", args=[webhook.service, webhook.token]),
        body,
        content_type="application/json",
    )

    assert response.status_code in {204, 400, 415}


@SHARED
@given(
    method=st.sampled_from(["get", "head", "post", "put", "delete", "options"]),
    token=st.text(min_size=1, max_size=80) | st.text("abc:_-.", min_size=1, max_size=80),
    body=st.binary(max_size=80),
    language=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40),
)
def test_a_token_of_anything_opts_nobody_out(method: str, token: str, body: bytes, language: str) -> None:
    response = Client(raise_request_exception=True).generic(
        method.upper(),
        f"/unsubscribe/{quote(token, safe='')}",
        body,
        content_type="application/x-www-form-urlencoded",
        headers={"accept-language": language},
    )

    assert response.status_code in {200, 404, 405}
    assert not Suppression.objects.exists()
