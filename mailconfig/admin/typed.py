"""The theme's admin classes as the type checker sees them: they take no parameters at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.http import HttpRequest

from mailconfig.models import (
    Account,
    Attempt,
    Bounce,
    ConnectionCheck,
    Message,
    Suppression,
    SyncedMessage,
    Tenant,
    WebhookEndpoint,
)

from .themes import ChangeList, ModelAdmin

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    AnyModelAdmin = admin.ModelAdmin[Any]

    AccountModelAdmin = admin.ModelAdmin[Account]
    AttemptModelAdmin = admin.ModelAdmin[Attempt]
    BounceModelAdmin = admin.ModelAdmin[Bounce]
    CheckModelAdmin = admin.ModelAdmin[ConnectionCheck]
    MessageModelAdmin = admin.ModelAdmin[Message]
    SuppressionModelAdmin = admin.ModelAdmin[Suppression]
    SyncedModelAdmin = admin.ModelAdmin[SyncedMessage]
    TenantModelAdmin = admin.ModelAdmin[Tenant]
    WebhookModelAdmin = admin.ModelAdmin[WebhookEndpoint]
else:
    AnyModelAdmin = ModelAdmin
    AccountModelAdmin = AttemptModelAdmin = BounceModelAdmin = CheckModelAdmin = ModelAdmin
    MessageModelAdmin = SuppressionModelAdmin = SyncedModelAdmin = TenantModelAdmin = WebhookModelAdmin = (
        ModelAdmin
    )

__all__ = [
    "AccountModelAdmin",
    "AnyModelAdmin",
    "AttemptModelAdmin",
    "BounceModelAdmin",
    "ChangeList",
    "CheckModelAdmin",
    "MessageModelAdmin",
    "SuppressionModelAdmin",
    "SyncedModelAdmin",
    "TenantModelAdmin",
    "WebhookModelAdmin",
    "user_of",
]


def user_of(request: HttpRequest) -> User:
    """Return the user who is logged in; on the admin's pages there is always somebody. A host's own user model will do."""
    return cast("User", request.user)
