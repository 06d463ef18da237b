"""Mail with files from URLs, sent over the email service."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User

from mailconfig import delivery
from mailconfig.models import Message, TenantMailConfig
from tests.integration.api.email_service.calls import MAIL, call, said, send
from tests.servers.chaos import ChaosServer
from tests.servers.http import ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)

PDF = b"%PDF-1.7"


@pytest.fixture
def files(settings: Any) -> Iterator[ScriptedHttpServer]:
    settings.MAILCONFIG |= {
        "ATTACHMENT_NETWORKS": ["127.0.0.0/8"],
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
    }
    with ScriptedHttpServer() as web:
        yield web


def test_a_mail_waits_for_its_file_and_goes_with_it(
    alice: User, config: TenantMailConfig, server: ChaosServer, files: ScriptedHttpServer
) -> None:
    files.scripts["/invoice.pdf"] = answer(PDF)

    sent = send(alice, MAIL | {"attachments": [files.url("/invoice.pdf")]})

    said(sent, 202)
    told = call(alice, "GET", sent["Location"]).json()
    assert told["state"] == "preparing"
    assert "Its files are being fetched." in told.values()
    delivery.drain_account(account_id=config.pk)
    assert server.messages == []

    delivery.drain_all(should_stop=lambda: False)

    (received,) = server.messages
    (part,) = message_from_bytes(received.data, policy=policy.default).iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("invoice.pdf", PDF)


def test_whoever_asks_is_told_why_a_mail_without_its_file_failed(
    alice: User, config: TenantMailConfig, files: ScriptedHttpServer
) -> None:
    files.scripts["/invoice.pdf"] = answer(b"<!doctype html><title>Log in</title>")
    sent = send(alice, MAIL | {"attachments": [files.url("/invoice.pdf")]})

    delivery.prepare_message(message_id=Message.objects.get().pk)

    told = call(alice, "GET", sent["Location"]).json()
    assert told["state"] == "failed"
    assert "A web page came instead of the file: perhaps a page to log in." in told.values()


def test_a_mail_that_waits_for_its_file_is_cancelled(
    alice: User, config: TenantMailConfig, files: ScriptedHttpServer
) -> None:
    sent = send(alice, MAIL | {"attachments": [files.url("/invoice.pdf")]})

    assert call(alice, "DELETE", sent["Location"]).status_code in {200, 204}
    assert delivery.due_files() == []


@pytest.mark.parametrize(
    "url",
    ["http://files.test/", "https://127.0.0.1/", "https://u:p@files.test/", "https://files.test:25/", "x"],
)
def test_a_url_that_cannot_be_fetched_is_named_by_its_place(
    alice: User, config: TenantMailConfig, url: str
) -> None:
    words = said(send(alice, MAIL | {"attachments": ["https://files.test/", url]}), 400)

    assert words.startswith("attachments: Attachment 2 cannot be fetched")
    assert not Message.objects.exists()
