"""The suppression list: addresses and domains to which a tenant's mail does not go."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from .message import Message
from .validators import validate_line
from .written import WrittenManager

NO_TENANT = 0
"""Stands for no tenant where rows are compared: no key is 0."""


class SuppressionReason(models.TextChoices):
    """Reasons for which an address is on the list."""

    BOUNCE = "bounce", _("mail to it came back")
    OPT_OUT = "opt_out", _("wants no more mail")
    COMPLAINT = "complaint", _("called a mail spam")
    MANUAL = "manual", _("listed by hand")


UNREACHABLE = (SuppressionReason.BOUNCE, SuppressionReason.MANUAL)
"""Reasons that stop all mail but transactional mail; the others are the wish of a person, and stop bulk mail alone."""


def tenant_key(tenant: str = "tenant") -> Coalesce:
    """Return the expression by which rows of a tenant, or of none, are found; that of the index."""
    return Coalesce(F(tenant), Value(NO_TENANT), output_field=models.BigIntegerField())


class Suppression(models.Model):
    """An entry: one for each reason, so that taking one away leaves the others in force."""

    tenant = models.ForeignKey(
        "mailconfig.Tenant",
        on_delete=models.CASCADE,
        related_name="suppressions",
        null=True,
        blank=True,
        verbose_name=_("tenant"),
    )
    """``None``: of the accounts that belong to no tenant."""
    address = models.CharField(
        _("address or domain"),
        max_length=320,
        validators=[validate_line],
        help_text=_("With an @ one address; without, all addresses of exactly this domain."),
    )
    """Normalised, as two spellings of one address are one."""
    reason = models.CharField(
        _("reason"), max_length=16, choices=SuppressionReason.choices, default=SuppressionReason.MANUAL
    )
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, related_name="+", null=True, blank=True, verbose_name=_("message")
    )
    """The mail that came back, was reported, or whose link was followed."""
    note = models.CharField(
        _("note"), max_length=255, blank=True, default="", db_default="", validators=[validate_line]
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("by"),
    )
    """``None``: the recipient, or a server."""
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    objects = WrittenManager["Suppression"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        constraints: ClassVar = [
            # Asked for each recipient before each hand-over: found by tenant and address, whatever the list's length.
            models.UniqueConstraint(
                tenant_key(),
                F("address"),
                F("reason"),
                name="mailconfig_suppression_listed",
                violation_error_message=_("This is on the list for this reason already."),
            ),
        ]

    def __str__(self) -> str:
        return self.address
