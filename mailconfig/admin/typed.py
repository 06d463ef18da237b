"""Django's admin classes as the type checker sees them: they take no parameters at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from mailconfig.models import Account, ConnectionCheck, Message, Tenant

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

    AccountModelAdmin = admin.ModelAdmin[Account]
    CheckModelAdmin = admin.ModelAdmin[ConnectionCheck]
    MessageModelAdmin = admin.ModelAdmin[Message]
    TenantModelAdmin = admin.ModelAdmin[Tenant]
else:
    AccountModelAdmin = CheckModelAdmin = MessageModelAdmin = TenantModelAdmin = admin.ModelAdmin

__all__ = [
    "AccountModelAdmin",
    "ChangeList",
    "CheckModelAdmin",
    "MessageModelAdmin",
    "TenantModelAdmin",
    "user_of",
]


def user_of(request: HttpRequest) -> AbstractUser:
    """Who is logged in; on the admin's pages there is always somebody."""
    user: Any = request.user
    return user
