"""A file of a mail that is fetched from a URL before the mail may go."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .attachment_problem import AttachmentProblem
from .message import Message
from .written import WrittenManager


class Attachment(models.Model):
    """A file by its URL, and once it was fetched by what it is. It is fetched once: whatever stands there later is another.

    Its bytes are kept until they are part of the mail's; of a mail that is rendered at each attempt until that is settled.
    """

    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="attachments", db_index=False, editable=False
    )
    position = models.SmallIntegerField(editable=False)
    url = models.TextField("URL", editable=False)
    """As it was given: a token stays one."""
    name = models.CharField(_("name"), max_length=255, blank=True, editable=False)
    content_type = models.CharField(_("type"), max_length=127, blank=True, editable=False)
    size = models.IntegerField(_("size"), null=True, editable=False)
    """Octets; ``None``: it was not fetched yet."""
    has_bytes = models.BooleanField(default=False, editable=False)
    """Whether its bytes are kept here: not before it was fetched, and not once they are part of the mail, or erased."""
    stored_as = models.CharField(max_length=255, blank=True, editable=False)
    """The bytes' name in Django storage; empty while they are an :class:`AttachmentBody`."""
    problem = models.CharField(
        _("problem"), max_length=32, choices=AttachmentProblem.choices, blank=True, editable=False
    )
    """What came of the last try, if not the file."""
    detail = models.TextField(blank=True, editable=False)
    """What exactly it was, for staff."""

    objects = WrittenManager["Attachment"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "position"], name="mailconfig_attachment_position"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["message"], name="mailconfig_attachment_kept", condition=Q(has_bytes=True)),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.position}"


class AttachmentBody(models.Model):
    """The bytes of a small file, apart from its row."""

    attachment = models.OneToOneField(
        Attachment, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    octets = models.BinaryField(editable=False)

    objects = WrittenManager["AttachmentBody"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.attachment_id}"


class Preparation(models.Model):
    """A message whose files are not all there: when to fetch them, and who does. There as long as it is ``preparing``."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="+")
    due_at = models.DateTimeField(db_default=Now(), db_index=True, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    worker = models.CharField(max_length=128, blank=True, editable=False)
    failures = models.SmallIntegerField(default=0, editable=False)
    """Tries in a row in which no file came; chooses the back-off."""

    objects = WrittenManager["Preparation"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id}"
