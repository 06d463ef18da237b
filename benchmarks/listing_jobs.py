"""Lists of mailboxes, in a process of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import include, path
from rest_framework import generics, serializers
from rest_framework.test import APIClient

from mailconfig.models import AccountKind, EventService, EventWebhook, Mailbox
from mailconfig.secrets import keyring
from mailconfig.values import Authentication, Secret
from tests.factories import make_oauth2_client, make_oauth2_grant

OURS = "/api/v2/mailboxes?page[size]=100"
PLAIN = "/plain"
SECRET = Secret("not-a-real-password")
SETTINGS: dict[str, dict[str, Any]] = {
    "smtp": {"host": "smtp.example.com", "port": 587, "security": "starttls"},
    "imap": {"imap_host": "imap.example.com", "imap_secret": SECRET},
    "sendgrid": {"sendgrid_secret": SECRET},
    "ews": {"ews_endpoint": "https://mail.example.com/EWS/Exchange.asmx", "ews_secret": SECRET},
    "gmail_api": {},
}
"""By method; a mailbox that sends and syncs by the same has one of them."""
UNCOUNTED = 3
"""Answers before the first that counts: they load what all others share."""


class PlainSerializer(serializers.ModelSerializer[Mailbox]):
    """All columns but the secrets, as the rows have them."""

    class Meta:
        model = Mailbox
        exclude: ClassVar = ["secret", "imap_secret", "ews_secret", "sendgrid_secret"]


class PlainView(generics.ListAPIView[Mailbox]):
    """The view that a project writes first."""

    serializer_class = PlainSerializer

    def get_queryset(self) -> QuerySet[Mailbox]:
        """All of them."""
        return QuerySet(Mailbox).order_by("pk")


urlpatterns = [path("", include("mailconfig.urls")), path("plain", PlainView.as_view())]


def measure(mailboxes: int, rounds: int, methods: tuple[str, str]) -> dict[str, Any]:
    """Milliseconds of each answer both ways, statements of a short and of a long list, and what was decrypted."""
    reached = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com"}
    user = get_user_model().objects.create_user("owner")
    client = APIClient()
    client.force_authenticate(user)
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], MAILCONFIG=reached):
        statements = []
        for count in (10, mailboxes):
            _make(user, count - Mailbox.objects.count(), *methods)
            _list(client, OURS, count)
            with CaptureQueriesContext(connection) as queries:
                _list(client, OURS, count)
            statements.append(len(queries))
        with mock.patch.object(keyring, "open", wraps=keyring.open) as opened:
            _list(client, OURS, mailboxes)
        took: dict[str, list[float]] = {OURS: [], PLAIN: []}
        for _ in range(UNCOUNTED + rounds):
            for url, times in took.items():
                times.append(_milliseconds(partial(_list, client, url, mailboxes)))
    Mailbox.objects.all().delete()
    user.delete()
    return {
        "ours": took[OURS][UNCOUNTED:],
        "plain": took[PLAIN][UNCOUNTED:],
        "statements": statements,
        "decryptions": opened.call_count,
    }


def _make(user: Any, count: int, sends_by: str, syncs_by: str) -> None:
    app = make_oauth2_client(provider="google", directory="") if syncs_by == "gmail_api" else None
    for number in range(count):
        mailbox = Mailbox.objects.create(
            kind=AccountKind.MAILBOX,
            name=f"Mailbox {number}",
            owner=user,
            from_email=f"mailbox{number}@example.com",
            username=f"mailbox{number}@example.com",
            secret=SECRET,
            send_method=sends_by,
            sync_method=syncs_by,
            authentication=Authentication.OAUTH2 if app else Authentication.PASSWORD,
            **(SETTINGS[sends_by] | SETTINGS[syncs_by]),
        )
        if sends_by == "sendgrid":
            EventWebhook.objects.get_or_create(account=mailbox, service=EventService.SENDGRID)
        if app:
            make_oauth2_grant(mailbox, client=app)


def _list(client: APIClient, url: str, count: int) -> None:
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} answered {answer.status_code}: {answer.content[:500]!r}")
    rows = answer.json()
    found = len(rows["data"] if isinstance(rows, dict) else rows)
    if found != count:
        raise RuntimeError(f"{url} lists {found} instead of {count}")


def _milliseconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000
