"""Files whose URLs are tokens: resolved when they are fetched, and kept nowhere; and mail with tokens and files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import serializers

from mailconfig import delivery
from mailconfig.exceptions import InvalidMessage, ResolverAway
from mailconfig.models import (
    Account,
    Attachment,
    Message,
    MessageSource,
    MessageState,
    Preparation,
    WaitReason,
)
from mailconfig.testing import outbox
from tests.factories import make_account
from tests.resolver import PATH, Resolver
from tests.servers.http import ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN, PERSON = "NS-EU-FILE-1", "NS-EU-PERSON-1"
PDF = b"%PDF-1.7"


@pytest.fixture(autouse=True)
def resolver(settings: Any, files: ScriptedHttpServer) -> Iterator[type[Resolver]]:
    settings.MAILCONFIG |= {"PII_RESOLVER": PATH, "PII_RESOLVER_SECONDS": 0.5}
    Resolver.mend()
    yield Resolver
    Resolver.mend()


def know(account: Account, **values: str) -> None:
    assert account.tenant is not None
    Resolver.known.update(
        {(account.tenant.slug, token.replace("_", "-")): value for token, value in values.items()}
    )


def queue(account: Account, recipient: str = "anna@example.net", *urls: str) -> Message:
    return delivery.queue_service_mail(account, recipient=recipient, attachments=urls or [TOKEN])


def prepared(message: Message) -> Message:
    delivery.prepare_message(message_id=message.pk)
    return Message.objects.get(pk=message.pk)


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        ("", "attachment.pdf"),
        ('="anna-canary.pdf"', "attachment.pdf"),
        ("*=UTF-8''an%6Ea-c%61nary.pdf", "attachment.pdf"),
        ('="Your bill.pdf"', "Your bill.pdf"),
    ],
)
def test_a_url_that_a_token_stands_for_is_fetched_and_stands_nowhere(
    files: ScriptedHttpServer, account: Account, caplog: pytest.LogCaptureFixture, offered: str, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    know(account, NS_EU_FILE_1=files.url("/canary/anna-canary.pdf?key=canary"))
    fields = "Content-Type: application/pdf\r\n"
    fields += f"Content-Disposition: attachment; filename{offered}\r\n" if offered else ""
    files.scripts["/canary/anna-canary.pdf"] = answer(PDF, fields=fields)

    message = prepared(queue(account))

    assert (message.state, message.has_tokens) == (MessageState.QUEUED, False)
    row = Attachment.objects.get()
    assert (row.url, row.name, row.content_type) == (TOKEN, name, "application/pdf")
    rows = [*Message.objects.all(), *Attachment.objects.all(), *MessageSource.objects.all()]
    assert "canary" not in serializers.serialize("json", rows)
    assert "canary" not in caplog.text
    assert not any(Resolver.in_transaction)


@pytest.mark.parametrize("status", ["404 Not Found", "503 Away", "302 Found"])
def test_what_became_of_such_a_file_tells_nothing_of_its_url(
    files: ScriptedHttpServer, account: Account, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    caplog.set_level(logging.DEBUG)
    know(account, NS_EU_FILE_1=files.url("/canary"))
    files.scripts["/canary"] = answer(b"", status=status, fields="Location: /canary\r\n")

    message = prepared(queue(account))

    assert message.error_code.startswith("attachment_")
    rows = [message, *Attachment.objects.all()]
    assert "canary" not in serializers.serialize("json", rows)
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "file:///etc/passwd", "not a URL", "https://u:canary@files.test/"]
)
def test_a_token_that_stands_for_no_url_of_ours_fails_the_mail(account: Account, url: str) -> None:
    know(account, NS_EU_FILE_1=url)

    assert prepared(queue(account)).error_code == "attachment_url"
    assert "canary" not in Attachment.objects.get().detail


def test_an_unknown_token_or_one_of_another_tenant_fails_the_mail(account: Account) -> None:
    Resolver.known["another", TOKEN] = "https://files.test/"

    failed = prepared(queue(account))

    assert (failed.state, failed.error_code) == (MessageState.FAILED, "token_unknown")


@pytest.mark.parametrize("is_slow", [False, True], ids=["down", "slow"])
def test_a_resolver_that_is_down_or_slow_is_asked_again(
    files: ScriptedHttpServer, account: Account, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailconfig.delivery.preparing.prepare.RESOLVER_GRACE", 0.0)
    assert account.tenant is not None
    know(account, NS_EU_FILE_1=files.url("/a.pdf"))
    files.scripts["/a.pdf"] = answer(PDF)
    if is_slow:
        Resolver.gates[account.tenant.slug] = threading.Event()
    else:
        Resolver.away = ResolverAway("down")
    message = queue(account)

    waiting = prepared(message)

    assert (waiting.state, waiting.wait_reason) == (MessageState.PREPARING, WaitReason.UNRESOLVED)
    assert Preparation.objects.get().due_at > delivery.database_now() + timedelta(seconds=60)
    known = dict(Resolver.known)
    Resolver.mend()
    Resolver.known.update(known)
    Preparation.objects.update(due_at=delivery.database_now())
    assert prepared(message).state == MessageState.QUEUED


def test_mail_with_tokens_goes_with_its_files_at_each_attempt(
    files: ScriptedHttpServer, account: Account, settings: Any
) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True, "INLINE_BYTES": 5}
    know(account, NS_EU_PERSON_1="anna@example.net")
    files.scripts["/a.pdf"] = answer(PDF)
    message = prepared(queue(account, PERSON, files.url("/a.pdf")))
    assert (message.state, message.has_tokens) == (MessageState.QUEUED, True)
    assert Attachment.objects.get().has_bytes

    delivery.drain_account(account_id=account.pk)

    (mail,) = outbox
    assert b"filename=a.pdf" in mail.body.replace(b'"', b"")
    assert Message.objects.get().state == MessageState.SENT
    delivery.sweep()
    assert not Attachment.objects.get().has_bytes
    assert len(files.asked) == 1


def test_tokens_belong_to_a_tenant() -> None:
    with pytest.raises(InvalidMessage):
        queue(make_account())
    assert not Message.objects.exists()
