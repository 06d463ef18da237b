"""A file whose URL is a token: resolved when it is fetched, and told to nobody."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest

from mailconfig import delivery
from mailconfig.exceptions import ResolverAway
from mailconfig.models import Account, AccountKind, Attachment, Message
from tests.acceptance.test_canary import database_bytes
from tests.factories import make_account, make_tenant
from tests.resolver import Resolver
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.http import ScriptedHttpServer, answer

pytestmark = pytest.mark.django_db(transaction=True)

_LATER = Reply.of("451 4.3.0 later")
FILE, TO = "NS-EU-FILE-1", "NS-EU-TO-1"
SECRET = "kanarienvogel"


@pytest.fixture
def acme(files: ScriptedHttpServer) -> Account:
    Resolver.mend()
    Resolver.known["acme", FILE] = files.url(f"/{SECRET}/{SECRET}.pdf?key={SECRET}")
    Resolver.known["acme", TO] = f"{SECRET}@example.net"
    files.scripts[f"/{SECRET}/{SECRET}.pdf"] = answer(b"%PDF-1.7", fields="Content-Type: application/pdf\r\n")
    return make_account(kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(slug="acme"))


def prepared(account: Account, url: str = FILE, recipient: str = "anna@example.net") -> Message:
    message = delivery.queue_service_mail(account, recipient=recipient, text="Hello", attachments=[url])
    delivery.prepare_message(message_id=message.pk)
    message.refresh_from_db()
    return message


def test_the_file_is_fetched_from_where_its_token_leads(
    acme: Account, files: ScriptedHttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    message = prepared(acme)

    assert message.state == "queued"
    assert files.asked[0].target == f"/{SECRET}/{SECRET}.pdf?key={SECRET}"
    attachment = Attachment.objects.get()
    assert (attachment.url, attachment.name, attachment.content_type) == (
        FILE,
        "attachment.pdf",
        "application/pdf",
    )
    assert SECRET.encode() not in database_bytes()
    assert SECRET not in caplog.text


def test_a_mail_of_tokens_goes_with_the_file_of_a_token(acme: Account, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "LIMIT_WAIT_SECONDS": 20.0, "PII_RESOLVER_SECONDS": 10.0}
    with ChaosServer() as server:
        Account.objects.filter(pk=acme.pk).update(port=server.port)
        server.on("dot", _LATER, at=1, accept=True)
        message = prepared(acme, recipient=TO)
        delivery.drain_account(account_id=acme.pk)
        Message.objects.update(not_before=delivery.database_now())
        delivery.drain_account(account_id=acme.pk)
        first, second = server.messages
    message.refresh_from_db()
    assert message.state == "sent"
    assert first.data == second.data
    assert second.recipients == (f"{SECRET}@example.net",)
    (part,) = email.message_from_bytes(second.data, policy=email.policy.default).iter_attachments()
    assert part.get_filename() == "attachment.pdf"
    assert part.get_content() == b"%PDF-1.7"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "token_unknown"),
        ("ftp://kanarienvogel.example/", "attachment_url"),
        ("http://169.254.169.254/kanarienvogel", "attachment_url"),
        (7, "token_invalid"),
    ],
)
def test_a_token_that_leads_nowhere_fails_its_mail(acme: Account, value: Any, code: str) -> None:
    if value is None:
        del Resolver.known["acme", FILE]
        Resolver.known["rival", FILE] = "https://kanarienvogel.example/"
    else:
        Resolver.known["acme", FILE] = value

    message = prepared(acme)

    assert (message.state, message.error_code) == ("failed", code)
    assert SECRET not in message.error_text + Attachment.objects.get().detail


def test_mail_waits_for_a_resolver_that_is_away(acme: Account) -> None:
    Resolver.away = ResolverAway("down")

    message = prepared(acme)

    assert (message.state, message.error_code) == ("preparing", "unresolved")
    Resolver.away = None
