"""A tenant: the organisation that accounts and mail belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .validators import validate_line
from .written import WrittenQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


class TenantQuerySet(WrittenQuerySet["Tenant"]):
    """Tenants, and those somebody belongs to."""

    def for_principal(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """The active tenants that ``user`` belongs to; a superuser belongs to all."""
        active = self.filter(is_active=True)
        if user.pk is None or not user.is_active:
            return active.none()
        if getattr(user, "is_superuser", False):
            return active
        return active.filter(members=user.pk)


class Tenant(models.Model):
    """An organisation with members. Its slug is a host label (RFC 1035 §2.3.1): it may stand in a host name."""

    slug = models.CharField(
        _("short name"),
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z",
                _("Lower-case letters, digits and hyphens only; it may stand in a host name."),
            )
        ],
        help_text=_("Stands in addresses such as acme.example.com."),
    )
    name = models.CharField(_("name"), max_length=255, validators=[validate_line])
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name=_("members"), related_name="mail_tenants", blank=True
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [("see_all_tenants", "Can see what belongs to any tenant, or to none")]

    def __str__(self) -> str:
        return self.name
