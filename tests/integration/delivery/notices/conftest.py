"""A tenant with an account that tells, accounts that pause, and what was queued of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import F
from django.utils import timezone

from mailconfig.models import Account, Lane, Message, Tenant
from tests.factories import body_of, make_account, make_tenant, make_user

BASE = "https://mail.example.com"


@pytest.fixture(autouse=True)
def on(settings: Any) -> Callable[..., None]:
    """Notices are on; ``on(PAUSE_NOTICES="digest")`` changes settings."""

    def change(**values: object) -> None:
        settings.MAILCONFIG = {**settings.MAILCONFIG, **values}

    change(PAUSE_NOTICES="each", PUBLIC_BASE_URL=BASE)
    return change


def make_administrator(tenant: Tenant, name: str, kind: str = "smtpprovider", **values: Any) -> User:
    """A member of the tenant who may change its accounts of a kind, in the admin."""
    user = make_user(name, is_staff=True, **values)
    user.user_permissions.add(Permission.objects.get(codename=f"change_{kind}"))
    tenant.members.add(user)
    return user


def make_teller(tenant: Tenant | None = None, **values: Any) -> Account:
    """The account that tells people of a tenant, or the project's."""
    mine: dict[str, Any] = {"kind": "smtp_provider", "tenant": tenant, "serves_project": tenant is None}
    return make_account(**{**mine, "from_email": "teller@example.com", **values})


def make_paused(tenant: Tenant | None, *, purpose: str = "send", **values: Any) -> Account:
    """An account that just paused."""
    account = make_account(
        **{
            "kind": "smtp_provider",
            "tenant": tenant,
            "name": "Front desk",
            "from_email": "desk@example.com",
            **values,
        }
    )
    pause(account, purpose=purpose)
    return account


def pause(
    account: Account, *, reason: str = "paused_login", ago: timedelta = timedelta(0), purpose: str = "send"
) -> None:
    """Let it have paused by itself so long ago."""
    Lane.objects.filter(account_id=account.pk, purpose=purpose).update(
        wait_reason=reason, wait_since=timezone.now() - ago, wait_text="535 5.7.8 nope for desk@example.com"
    )


def pass_time(hours: float) -> None:
    """Let so much time have passed since people were told."""
    Lane.objects.update(noticed_at=F("noticed_at") - timedelta(hours=hours))


def queued() -> list[EmailMessage]:
    """The mails that were queued, in their order."""
    return [
        message_from_bytes(body_of(message) or b"", policy=policy.default)
        for message in Message.objects.order_by("pk")
    ]


def addresses() -> list[str]:
    """Whom they go to."""
    return sorted(str(mail["To"]) for mail in queued())


@pytest.fixture
def tenant() -> Tenant:
    """A tenant with an administrator, anna, and an account that tells."""
    tenant = make_tenant()
    make_administrator(tenant, "anna")
    make_teller(tenant)
    return tenant
