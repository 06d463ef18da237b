"""The addresses at which mail services report, and the events that they reported."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailconfig.secrets.fields import SecretField
from mailconfig.values import EventsFault, MailEvent

from .account import Account
from .event_keys import one_line_key
from .message import Message
from .written import WrittenManager

if TYPE_CHECKING:
    from collections.abc import Collection


class EventService(models.TextChoices):
    """Mail services whose reports are understood; what they are called in addresses and as send methods."""

    SENDGRID = "sendgrid", "SendGrid"
    BREVO = "brevo", "Brevo"
    MAILGUN = "mailgun", "Mailgun"
    POSTMARK = "postmark", "Postmark"
    RESEND = "resend", "Resend"


SIGNS_BY_SECRET = frozenset({EventService.MAILGUN, EventService.RESEND})
"""Services that sign their reports with a key which both sides know."""


class MailEventChoice(models.TextChoices):
    """Kinds of events, with words."""

    PROCESSED = MailEvent.PROCESSED.value, _("taken by the service")
    DEFERRED = MailEvent.DEFERRED.value, _("put off")
    DELIVERED = MailEvent.DELIVERED.value, _("delivered")
    BOUNCED = MailEvent.BOUNCED.value, _("came back")
    DROPPED = MailEvent.DROPPED.value, _("dropped by the service")
    OPENED = MailEvent.OPENED.value, _("opened")
    CLICKED = MailEvent.CLICKED.value, _("link clicked")
    COMPLAINED = MailEvent.COMPLAINED.value, _("called spam")
    OPTED_OUT = MailEvent.OPTED_OUT.value, _("unsubscribed")


class EventsFaultChoice(models.TextChoices):
    """Reasons why a report was refused, with words."""

    TOO_LARGE = EventsFault.TOO_LARGE.value, _("It was longer than a mebibyte.")
    MEDIA_TYPE = EventsFault.MEDIA_TYPE.value, _("It was no JSON by its Content-Type.")
    UNSIGNED = EventsFault.UNSIGNED.value, _("It was not signed.")
    BAD_SIGNATURE = EventsFault.BAD_SIGNATURE.value, _("Its signature is not one by the key that is stored.")
    OLD = EventsFault.OLD.value, _("It was signed too long ago, or in the future.")
    KEY_UNREADABLE = EventsFault.KEY_UNREADABLE.value, _("The stored key cannot be read. Enter it again.")
    MALFORMED = EventsFault.MALFORMED.value, _("It was no JSON, or not what the service sends.")
    NOT_INSTALLED = (
        EventsFault.NOT_INSTALLED.value,
        _("Reports of this service are read by django-anymail, which is not installed."),
    )


def new_token() -> str:
    """Return a token that nobody guesses: 32 random octets, URL-safe."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return that by which a token is looked up: how long the look-up takes says nothing about tokens that there are."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class EventWebhook(models.Model):
    """An address at which one mail service reports what became of the mail of one account.

    The token in it is what lets somebody in. Where a key is stored, only what is signed by it counts.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="event_webhooks",
        verbose_name=_("account"),
        db_index=False,
    )
    service = models.CharField(_("mail service"), max_length=16, choices=EventService.choices)
    token = models.CharField(max_length=64, default=new_token, editable=False)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    public_key = models.TextField(
        _("verification key"),
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "SendGrid's key of the signed event webhook, as its settings show it. With a key only what is signed counts."
        ),
    )
    secret = SecretField(_("signing key"))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    received_at = models.DateTimeField(_("last report"), null=True, editable=False)
    taken = models.BigIntegerField(_("events stored"), default=0, db_default=0, editable=False)
    refused_at = models.DateTimeField(_("last refusal"), null=True, editable=False)
    refused_because = models.CharField(
        _("refused because"),
        max_length=16,
        choices=EventsFaultChoice.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )

    objects = WrittenManager["EventWebhook"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("event webhook")
        verbose_name_plural = _("event webhooks")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "service"],
                name="mailconfig_event_webhook_once",
                violation_error_message=_("This account has an address for this service already."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_service_display()}: {self.account}"

    def secret_binding(self, name: str) -> str:
        """Return that for which the signing key is sealed: this service, for this account."""
        return "\x1f".join(("event_webhook", self.service, str(self.account_id)))

    @property
    def demands_signature(self) -> bool:
        """Return whether only what is signed counts."""
        return bool(self.public_key) or self.secret is not None

    def clean(self) -> None:
        """Refuse a key that is none, or is of another service's kind.

        Raises:
            ValidationError: by field.
        """
        super().clean()
        if self.public_key:
            if self.service != EventService.SENDGRID:
                raise ValidationError({"public_key": _("Only SendGrid signs with a key of this kind.")})
            try:
                self.public_key = one_line_key(self.public_key)
            except ValueError:
                raise ValidationError(
                    {"public_key": _("Enter the verification key as SendGrid's settings show it.")}
                ) from None
        if self.secret is not None and self.service not in SIGNS_BY_SECRET:
            raise ValidationError({"secret": _("This service does not sign with a key of this kind.")})

    def save(self, **kwargs: Any) -> None:
        """Store the row, and that by which its token is looked up."""
        self.token_digest = digest_of(self.token)
        update_fields: Collection[str] | None = kwargs.get("update_fields")
        if update_fields is not None and "token" in update_fields:
            kwargs["update_fields"] = {*update_fields, "token_digest"}
        super().save(**kwargs)


def ensure_event_webhook(account: Account) -> None:
    """Make an address for the service that an account sends by, if there is none and its reports are understood."""
    if account.send_method in EventService.values:
        EventWebhook.objects.get_or_create(account_id=account.pk, service=account.send_method)


class MessageEvent(models.Model):
    """Something that a mail service reported of a message at one recipient. Goes with its message.

    Rows are only ever added, in whatever order events come in: a state is what all of them together say.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="events", db_index=False)
    key = models.CharField(max_length=64, editable=False)
    """SHA-256, in hex, of the id by which the service knows the event, or of all that it says where it has none.

    Unique for a message, which is one account's: so it is unique for the account, and no index more is written.
    """
    address = models.CharField(_("recipient"), max_length=320, blank=True)
    """As the message has it; empty: the service does not say."""
    kind = models.CharField(_("event"), max_length=16, choices=MailEventChoice.choices)
    at = models.DateTimeField(pgettext_lazy("time of an event", "at"))
    """As the service says, and never later than it came in."""
    enhanced_code = models.CharField(_("status"), max_length=16, blank=True)
    text = models.TextField(_("the server's words"), blank=True)
    """Cleaned and cut; empty for a message with tokens."""
    received_at = models.DateTimeField(_("reported"), db_default=Now(), editable=False)

    objects = WrittenManager["MessageEvent"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("event of a message")
        verbose_name_plural = _("events of messages")
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "key"], name="mailconfig_message_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.kind}"
