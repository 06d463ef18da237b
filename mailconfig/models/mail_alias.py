"""Another address of a mailbox."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .mailbox import Mailbox
from .small_letters import SmallLetters
from .validators import validate_address
from .written import WrittenManager


class MailAlias(models.Model):
    """An address whose mail comes into the mailbox as well, and that it may send from if that is said."""

    mailbox = models.ForeignKey(
        Mailbox,
        on_delete=models.CASCADE,
        related_name="aliases",
        verbose_name=_("mailbox"),
        db_index=False,
    )
    email = models.CharField(_("address"), max_length=254, validators=[validate_address])
    can_send = models.BooleanField(
        _("may be sent from"),
        default=False,
        db_default=False,
        help_text=_("The mail server has to let the mailbox send with this address."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)

    objects = WrittenManager["MailAlias"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("mail alias")
        verbose_name_plural = _("mail aliases")
        constraints: ClassVar = [
            # Two spellings of one address are one: replies would come to both, and either would say whether it may send.
            models.UniqueConstraint(
                "mailbox",
                SmallLetters("email"),
                name="mailconfig_alias_in_small_letters_once",
                violation_error_message=_("The mailbox has this alias already."),
            ),
        ]

    def __str__(self) -> str:
        return self.email
