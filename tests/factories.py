"""Rows for tests: accounts that point at a server on loopback, and mail for them."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.utils import timezone

from mailconfig.models import (
    Account,
    AccountKind,
    Body,
    HandOver,
    Mailbox,
    Message,
    OAuth2Client,
    OAuth2Grant,
    OAuth2GrantType,
    Recipient,
    SyncedContent,
    SyncedFolder,
    SyncedMessage,
    Tenant,
)
from mailconfig.values import Secret
from tests import password

PASSWORD = password.PASSWORD
_numbers = itertools.count(1)


def make_user(name: str = "", **values: Any) -> User:
    """A user with an address."""
    name = name or f"user{next(_numbers)}"
    email = values.pop("email", f"{name}@example.com")
    return get_user_model().objects.create_user(name, email, PASSWORD, **values)


def make_tenant(**values: Any) -> Tenant:
    """A tenant."""
    number = next(_numbers)
    return Tenant.objects.create(**{"slug": f"tenant-{number}", "name": f"Tenant {number}", **values})


def account_values(port: int, **values: Any) -> dict[str, Any]:
    """What an account for a server on loopback holds; with a password if ``username`` is given."""
    plain = {
        "kind": AccountKind.OUTBOUND_EMAIL,
        "name": f"Account {next(_numbers)}",
        "from_email": "sender@example.com",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "authentication": "none",
    }
    if values.get("username"):
        plain |= {"authentication": "password", "secret": Secret(PASSWORD)}
    return plain | values


def make_account(port: int = 2525, **values: Any) -> Account:
    """An account for a server on loopback."""
    return Account.objects.create(**account_values(port, **values))


def make_mailbox(port: int = 2525, **values: Any) -> Mailbox:
    """A mailbox for a server on loopback."""
    return Mailbox.objects.create(**account_values(port, **{"kind": AccountKind.MAILBOX, **values}))


def make_oauth2_client(**values: Any) -> OAuth2Client:
    """An app that is registered with Microsoft."""
    plain = {
        "name": f"App {next(_numbers)}",
        "client_id": f"app-{next(_numbers)}",
        "secret": Secret(PASSWORD),
    }
    return OAuth2Client.objects.create(**{"directory": "contoso.example", **plain, **values})


def make_oauth2_grant(account: Account, **values: Any) -> OAuth2Grant:
    """A grant for the account as it is; of an app of its own, and connected, unless the values say otherwise."""
    values["client"] = values.get("client") or make_oauth2_client()
    values.setdefault("grant_type", OAuth2GrantType.AUTHORIZATION_CODE)
    if values["grant_type"] == OAuth2GrantType.AUTHORIZATION_CODE:
        values.setdefault("refresh_token", Secret(PASSWORD))
    grant = OAuth2Grant(**values)
    grant.admit(account)
    grant.save()
    return grant


def make_email(number: int = 0, *, to: list[str] | None = None, **values: Any) -> EmailMessage:
    """A mail as a host project writes it."""
    return EmailMessage(f"Mail {number}", f"Text {number}", to=to or [f"to{number}@example.net"], **values)


def make_message(
    account: Account, *, to: list[str] | None = None, not_before: datetime | None = None, **values: Any
) -> Message:
    """A queued message without the work of rendering one. Its lane knows nothing of it."""
    number = next(_numbers)
    body = values.pop("body", f"Subject: Mail {number}\r\n\r\nText {number}\r\n".encode())
    plain = {
        "account": account,
        "envelope_from": account.reverse_path,
        "subject": f"Mail {number}",
        "message_id": f"<{number}@example.com>",
        "size": len(body or b""),
        "not_before": not_before or timezone.now(),
    }
    if values.get("settled_at"):
        plain["created_at"] = values["settled_at"]
    message = Message.objects.create(**plain | values)
    if body is not None:
        Body.objects.create(message=message, octets=body)
    addresses = to or [f"to{number}@example.net"]
    Recipient.objects.bulk_create(Recipient(message=message, address=address) for address in addresses)
    return message


def body_of(message: Message) -> bytes | None:
    """The bytes that the database has of it; ``None``: none."""
    octets = Body.objects.filter(message=message).values_list("octets", flat=True).first()
    return None if octets is None else bytes(octets)


def make_hand_over(message: Message, **values: Any) -> HandOver:
    """A hand-over of the message as a journal leaves it; of just now, unless ``handed_over_at`` says otherwise."""
    at = values.get("handed_over_at", timezone.now())
    plain = {"message": message, "account_id": message.account_id, "started_at": at, "handed_over_at": at}
    return HandOver.objects.create(**plain | values)


def make_synced(mailbox: Mailbox, *, text: str | None = None, html: str = "", **values: Any) -> SyncedMessage:
    """A message that came into a mailbox; with ``text`` or ``html`` its content is kept."""
    folder, _created = SyncedFolder.objects.get_or_create(
        mailbox=mailbox, name="INBOX", defaults={"uid_validity": 1}
    )
    number = next(_numbers)
    plain = {
        "uid_validity": folder.uid_validity,
        "uid": number,
        "message_id": f"<{number}@example.net>",
        "from_address": "carol@example.net",
        "subject": f"Answer {number}",
        "received_at": timezone.now(),
        "size": 1000,
    }
    message = SyncedMessage.objects.create(mailbox=mailbox, folder=folder, **plain | values)
    if text is not None or html:
        SyncedContent.objects.create(message=message, text=text or "", html=html)
    return message
