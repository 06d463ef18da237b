"""The page of a mail with files from URLs, and what the status says of it."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from mailconfig import delivery
from mailconfig.models import AccountKind, Attachment, Installation, Message, MessageState, Preparation
from tests.factories import make_account, make_tenant, make_user

pytestmark = pytest.mark.django_db

URL = "https://files.test/invoice.pdf?signature=canary"


@pytest.fixture
def message() -> Message:
    account = make_account(kind=AccountKind.TENANT_CONFIG, tenant=make_tenant())
    return delivery.queue_service_mail(account, recipient="anna@example.net", attachments=[URL, URL])


def page(message: Message, *permissions: str) -> str:
    person = make_user("carla", is_staff=True)
    names = ["view_message", "see_all_tenants", *permissions]
    person.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(person)
    return client.get(reverse("admin:mailconfig_message_change", args=[message.pk])).text


def test_the_page_names_the_files_and_why_one_is_not_there(message: Message) -> None:
    Attachment.objects.filter(position=0).update(
        name="invoice.pdf", content_type="application/pdf", size=2048
    )
    Attachment.objects.filter(position=1).update(problem="attachment_not_found", detail="HTTP 404")
    Message.objects.update(state=MessageState.FAILED, settled_at=delivery.database_now())

    text = page(message)

    assert "invoice.pdf" in text
    assert "application/pdf, 2.0" in text
    assert "The file is not there." in text
    assert "HTTP 404" in text
    assert "files.test" in text
    assert "canary" not in text


def test_who_may_read_what_mails_say_may_read_whole_urls(message: Message) -> None:
    text = page(message, "view_content")

    assert "signature=canary" in text
    assert "not fetched yet" in text
    assert "Its files are being fetched." in text


def status_text() -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("mailconfig_status", stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_the_status_counts_such_mail_and_says_when_nobody_fetches(message: Message, settings: Any) -> None:
    now = delivery.database_now()
    Installation.objects.update_or_create(id=1, defaults={"swept_at": now})
    text, code = status_text()
    assert "1 whose files are being fetched" in text
    assert code == 0

    Preparation.objects.update(due_at=now - timedelta(minutes=5))
    assert status_text()[1] == 2

    Preparation.objects.update(lease_until=now + timedelta(minutes=1))
    assert status_text()[1] == 0
