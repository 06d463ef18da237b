"""Rows of what came in: folders as far as they were read, messages, what those say, and bounces."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .mailbox import Mailbox
from .message import Message
from .written import WrittenManager


class SyncedKind(models.TextChoices):
    """Kinds of messages that come in."""

    MAIL = "mail", _("mail")
    AUTOMATIC = "automatic", _("automatic reply")
    REPORT = "report", _("delivery report")


class SyncedFolder(models.Model):
    """A folder of a mailbox, and how far it was read. Its UIDs mean something as long as UIDVALIDITY stays (RFC 3501 §2.3.1.1).

    Where the far side has no such numbers, they are given here (:mod:`mailconfig.delivery.sync.numbering`).
    """

    mailbox = models.ForeignKey(
        Mailbox, on_delete=models.CASCADE, related_name="synced_folders", db_index=False
    )
    name = models.CharField(_("folder"), max_length=255)
    uid_validity = models.BigIntegerField(editable=False)
    highest_uid = models.BigIntegerField(default=0, editable=False)
    """All messages up to this one were looked at, and stored if they are to be."""
    highest_modseq = models.BigIntegerField(null=True, editable=False)
    """The folder's mod-sequence when it was read to its end (RFC 7162); ``None``: the server counts none."""
    position = models.TextField(blank=True, default="", db_default="", editable=False)
    """Up to where it was read, in the far side's own words; empty: its UIDs say so."""

    objects = WrittenManager["SyncedFolder"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mailbox", "name"], name="mailconfig_synced_folder_once"),
        ]

    def __str__(self) -> str:
        return self.name


class SyncedMessage(models.Model):
    """A message that a sync found. What it says lies in :class:`SyncedContent`, if it is kept at all."""

    mailbox = models.ForeignKey(
        Mailbox,
        on_delete=models.CASCADE,
        related_name="synced_messages",
        verbose_name=_("mailbox"),
        db_index=False,
    )
    folder = models.ForeignKey(
        SyncedFolder, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    uid_validity = models.BigIntegerField(editable=False)
    uid = models.BigIntegerField(editable=False)
    key = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    """The far side's own key of it, or a digest of one that is longer; empty: it has a UID."""
    kind = models.CharField(_("kind"), max_length=16, choices=SyncedKind.choices, default=SyncedKind.MAIL)

    message_id = models.CharField("Message-ID", max_length=255, blank=True)
    """Of its header, with angle brackets; empty: it has none."""
    in_reply_to = models.CharField("In-Reply-To", max_length=255, blank=True)
    references = models.TextField("References", blank=True)
    """Message-IDs with a space between them, the oldest first (RFC 5322 §3.6.4)."""
    thread_id = models.CharField(_("thread"), max_length=255, blank=True)
    """The Message-ID that its thread began with, as far as it says."""
    answers = models.ForeignKey(
        Message,
        on_delete=models.SET_NULL,
        related_name="replies",
        null=True,
        blank=True,
        verbose_name=_("answers"),
    )

    from_address = models.CharField(_("from"), max_length=320, blank=True)
    from_name = models.CharField(_("sender's name"), max_length=255, blank=True)
    to = models.TextField(_("to"), blank=True)
    """Addresses with a comma and a space between them."""
    cc = models.TextField(_("copy to"), blank=True)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    dated_at = models.DateTimeField(_("dated"), null=True)
    """As its Date field says; ``None``: it says nothing of sense."""
    received_at = models.DateTimeField(_("received"))
    """As the server says (INTERNALDATE)."""
    size = models.BigIntegerField(_("size"), default=0)
    """Octets, as the server says."""
    is_cut = models.BooleanField(_("cut"), default=False)
    """Whether more was in it than is kept."""
    synced_at = models.DateTimeField(_("synced"), db_default=Now(), editable=False)

    objects = WrittenManager["SyncedMessage"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("synced message")
        verbose_name_plural = _("synced messages")
        default_permissions: ClassVar = ("view",)
        permissions: ClassVar = [("view_synced_content", "Can see what a synced message says")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["folder", "uid_validity", "uid"], name="mailconfig_synced_message_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["mailbox", "id"], name="mailconfig_synced_mailbox"),
            # What came in within a day counts towards a limit.
            models.Index(fields=["mailbox", "received_at"], name="mailconfig_synced_received"),
            models.Index(fields=["mailbox", "message_id"], name="mailconfig_synced_message_id"),
            models.Index(fields=["mailbox", "key"], name="mailconfig_synced_key", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return self.subject or self.message_id or f"{self.uid}"


class SyncedContent(models.Model):
    """The text of a synced message, as it is to be read; deleted once it is not to be kept any longer."""

    message = models.OneToOneField(
        SyncedMessage, on_delete=models.CASCADE, primary_key=True, related_name="content"
    )
    text = models.TextField(_("text"), blank=True)
    html = models.TextField("HTML", blank=True)
    """As it came, nothing sanitised: to be shown where it can do nothing."""

    objects = WrittenManager["SyncedContent"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id}"


class Bounce(models.Model):
    """Report that a message did not arrive at a recipient, long after a server had taken it."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="bounces", db_index=False)
    address = models.CharField(_("recipient"), max_length=320)
    is_permanent = models.BooleanField(_("for good"), default=True)
    enhanced_code = models.CharField(_("status"), max_length=16, blank=True)
    """RFC 3463; empty: the report names none."""
    text = models.TextField(_("the server's words"), blank=True)
    """Cleaned and cut."""
    reported_in = models.ForeignKey(
        SyncedMessage, on_delete=models.SET_NULL, related_name="bounces", null=True, blank=True
    )
    reported_at = models.DateTimeField(_("reported"), db_default=Now(), editable=False)

    objects = WrittenManager["Bounce"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("bounce")
        verbose_name_plural = _("bounces")
        default_permissions: ClassVar = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "address"], name="mailconfig_bounce_once"),
        ]

    def __str__(self) -> str:
        return self.address
