"""A mailbox: an account that sends and syncs."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account
from .choices import AccountKind


class Mailbox(Account):
    """Its own table holds what only a mailbox has."""

    kind_of_class = AccountKind.MAILBOX

    sends_only_when_synced = models.BooleanField(
        _("sends only when synced"),
        default=False,
        help_text=_("Mail waits unless the last sync is younger than twice the sync interval."),
    )
    sync_interval = models.PositiveIntegerField(
        _("sync interval in seconds"),
        default=1800,
        validators=[MinValueValidator(1), MaxValueValidator(366 * 86400)],
    )

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
