"""Mail that is sent over the email service: what is taken, and what goes out."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User

from mailconfig import delivery
from mailconfig.models import Message, MessageSource, MessageState, Recipient, Tenant, TenantMailConfig
from tests.integration.api.email_service.calls import MAIL, call, configure, said, send
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_mail_is_queued_and_goes_out_through_the_tenants_configuration(
    alice: User, config: TenantMailConfig, server: ChaosServer
) -> None:
    answer = send(alice)

    assert said(answer, 202)
    message = Message.objects.get()
    assert answer["Location"] == f"http://testserver/email-service/messages/{message.uuid}"
    assert (message.account_id, message.tenant_id, message.state) == (config.pk, config.tenant_id, "queued")

    delivery.drain_account(account_id=config.pk)

    (received,) = server.messages
    mail = message_from_bytes(received.data, policy=policy.default)
    assert (received.mail_from, received.recipients) == ("noreply@acme.example", ("customer@example.net",))
    assert (str(mail["From"]), str(mail["Subject"])) == ("Acme <noreply@acme.example>", "Your order")
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == ["Thank you.", "It is on its way."]
    assert call(alice, "GET", answer["Location"]).json()["state"] == "sent"


@pytest.mark.parametrize(
    "body",
    [
        {"recipient": "a@example.net"},
        MAIL | {"subject": "Ünï 😀"},
        MAIL | {"message": "\r\n.\r\nQUIT\r\n\tä"},
        MAIL | {"attachments": []},
    ],
    ids=["the least", "beyond ASCII", "dots and line ends", "no attachments"],
)
def test_what_is_optional_may_be_missing_and_text_be_any(
    alice: User, config: TenantMailConfig, server: ChaosServer, body: dict[str, Any]
) -> None:
    said(send(alice, body), 202)
    delivery.drain_account(account_id=config.pk)

    (received,) = server.messages
    mail = message_from_bytes(received.data, policy=policy.default)
    assert str(mail["Subject"] or "") == body.get("subject", "")
    assert mail.get_content().split() == body.get("message", "").split()


def test_a_token_is_kept_as_a_token(alice: User, config: TenantMailConfig) -> None:
    token = "NS-EU-1A-2B"

    said(send(alice, {"recipient": token, "subject": token, "message": token}), 202)

    source = MessageSource.objects.get()
    assert (source.recipient, source.subject, source.text) == (token, token, token)
    assert Recipient.objects.get().address == token


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipient", "NS-EU-1A-2B "),
        ("recipient", "NS-EU-" + "1" * 249),
        ("message", "NS-EU-" + "1" * 300 + "-A"),
    ],
)
def test_what_only_resembles_a_token_is_none(
    alice: User, config: TenantMailConfig, field: str, value: str
) -> None:
    assert said(send(alice, MAIL | {field: value}), 400).startswith(f"{field}: ")
    assert not Message.objects.exists()


def test_without_a_configuration_nothing_is_queued(alice: User) -> None:
    assert said(send(alice), 409) == "The tenant has no mail configuration."
    assert not Message.objects.exists()


def test_a_deleted_configuration_is_none(alice: User, config: TenantMailConfig) -> None:
    delivery.delete_account(account_id=config.pk, by=None)

    said(send(alice), 409)


def test_a_disabled_configuration_takes_no_mail(alice: User, config: TenantMailConfig) -> None:
    TenantMailConfig.objects.update(is_enabled=False)

    assert said(send(alice), 403) == "The tenant's mail configuration is disabled."
    assert not Message.objects.exists()


def test_a_configuration_without_an_address_takes_no_mail(alice: User, acme: Tenant) -> None:
    """Nor goes it out from the host project's default address."""
    configure(acme, from_email="", username="mailer")

    said(send(alice), 409)
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("tenant", "status"),
    [
        (None, 400),
        ("", 400),
        ("  ", 400),
        ("acme,acme", 400),
        ("acme, globex", 400),
        ("ACME", 404),
        ("globex", 404),
        ("nobody", 404),
        ("acme.", 404),
        ("a" * 10_240, 404),
        ("acme\x00", 404),
        ("acme\r\nX-Evil: 1", 404),
        ("\x01", 404),
        ("äcme", 404),
        ("1", 404),
    ],
    ids=repr,
)
def test_the_header_names_one_tenant_that_one_belongs_to(
    alice: User, charlie: User, config: TenantMailConfig, tenant: str | None, status: int
) -> None:
    answer = send(alice, tenant=tenant)

    message = said(answer, status)
    assert message.startswith("Tenant: ") if status == 400 else message == "There is no such tenant."
    assert "X-Evil" not in answer
    assert not Message.objects.exists()


def test_a_header_that_only_resembles_it_names_no_tenant(alice: User, config: TenantMailConfig) -> None:
    for name in ("Tenant_", "X-Tenant", "Tenant-ID"):
        said(call(alice, "POST", "send-email", MAIL, tenant=None, **{name: "acme"}), 400)


def test_an_inactive_tenant_is_none(alice: User, acme: Tenant, config: TenantMailConfig) -> None:
    Tenant.objects.filter(pk=acme.pk).update(is_active=False)

    said(send(alice), 404)


def test_a_superuser_belongs_to_every_tenant(admin_user: User, config: TenantMailConfig) -> None:
    said(send(admin_user), 202)


def test_unknown_fields_are_refused_by_name_beside_what_else_is_wrong(
    alice: User, config: TenantMailConfig
) -> None:
    message = said(send(alice, {"cc": "x@example.net", "subject": "", "from": "ceo@acme.example"}), 400)

    for field in ("cc", "from", "subject", "recipient"):
        assert f"{field}: " in message
    assert not Message.objects.exists()


def test_a_name_that_cannot_be_one_is_not_repeated(alice: User, config: TenantMailConfig) -> None:
    assert "s3cret p" not in said(send(alice, MAIL | {"s3cret p": 1}), 400)


def test_a_mail_beyond_the_largest_size_is_refused(
    alice: User, config: TenantMailConfig, settings: Any
) -> None:
    settings.MAILCONFIG |= {"MAX_MESSAGE_BYTES": 2000}

    said(send(alice, MAIL | {"message": "x" * 3000}), 400)
    assert send(alice, MAIL | {"message": "x" * 5 * 1024 * 1024}).status_code == 413
    assert not Message.objects.exists()


def test_a_paused_configuration_takes_mail_that_waits_and_says_why(
    alice: User, config: TenantMailConfig
) -> None:
    config.lanes.update(wait_reason="paused_login", wait_since="2026-01-01T00:00Z")

    answer = send(alice)

    told = call(alice, "GET", answer["Location"]).json()
    assert (told["state"], told["code"], told["next_at"]) == (MessageState.QUEUED, "paused_login", None)
    assert told["reason"]
