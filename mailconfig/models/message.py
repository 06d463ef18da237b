"""A message: envelope, bytes, state. Only ``delivery`` writes the state."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import Exact, In, IsNull
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailconfig import request_ids

from .account import Account
from .lane import WaitReason
from .written import WrittenManager

if TYPE_CHECKING:
    from .hand_over import HandOver


class MessageState(models.TextChoices):
    """The states of a message; the diagram is in :mod:`mailconfig.delivery`.

    A message that is being handed over stays ``queued`` in its column: its :class:`~.hand_over.HandOver` says so, and
    :attr:`Message.shown_state`. Writing the message's row twice more for each mail would cost more than all else.
    """

    PREPARING = "preparing", _("preparing")
    QUEUED = "queued", _("queued")
    HANDING_OVER = "handing_over", _("being handed over")
    SENT = "sent", _("sent")
    PARTIAL = "partial", _("sent to some")
    FAILED = "failed", _("failed")
    HELD = "held", _("held")
    CANCELLED = "cancelled", _("cancelled")


FINAL_STATES = frozenset(
    {MessageState.SENT, MessageState.PARTIAL, MessageState.FAILED, MessageState.CANCELLED}
)
WAITING_STATES = frozenset(
    {MessageState.PREPARING, MessageState.QUEUED, MessageState.HANDING_OVER, MessageState.HELD}
)


class Priority(models.IntegerChoices):
    """Within an account, what goes first."""

    HIGH = 0, _("high")
    NORMAL = 1, _("normal")
    LOW = 2, _("low")


class MessageKind(models.IntegerChoices):
    """Kinds of mail, by what of the suppression list stops it."""

    TRANSACTIONAL = 0, _("transactional")
    """Nothing does: somebody waits for it."""
    ORDINARY = 1, _("ordinary")
    """Addresses that cannot be reached, or that were listed by hand."""
    BULK = 2, _("bulk")
    """All of it, so opting out and complaints as well."""


class Message(models.Model):
    """One mail of one account. Rendered once: every attempt sends the same bytes."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="messages", verbose_name=_("account"), db_index=False
    )
    """The one that sends it."""
    failed_over_from = models.ForeignKey(
        Account,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("queued for"),
        null=True,
        blank=True,
        editable=False,
        db_index=False,
        db_constraint=False,
    )
    """The one it was queued for, and whose it is; ``None``: the one that sends it."""
    failed_over_because = models.CharField(
        _("fails over because"),
        max_length=24,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    """The :class:`~.lane.WaitReason` that held its account back when another one took it."""
    tenant = models.ForeignKey(
        "mailconfig.Tenant",
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("tenant"),
    )
    state = models.CharField(
        _("state"), max_length=16, choices=MessageState.choices, default=MessageState.QUEUED
    )
    priority = models.SmallIntegerField(_("priority"), choices=Priority.choices, default=Priority.NORMAL)
    kind = models.SmallIntegerField(
        _("kind"),
        choices=MessageKind.choices,
        default=MessageKind.ORDINARY,
        db_default=MessageKind.ORDINARY,
        editable=False,
    )
    not_before = models.DateTimeField(_("not before"), db_default=Now())
    """When it is due, by the database's clock; also its place in the queue."""

    envelope_from = models.CharField(_("envelope sender"), max_length=254, blank=True)
    subject = models.CharField(_("subject"), max_length=998, blank=True)
    given_message_id = models.CharField("Message-ID", max_length=255, null=True, blank=True, editable=False)
    """``None``: the one that follows from uuid and envelope sender, as nearly all do. See :attr:`message_id`."""
    size = models.IntegerField(_("size"), default=0)
    stored_as = models.CharField(max_length=255, blank=True, editable=False)
    """The bytes' name in Django storage; empty while they are a :class:`~.body.Body`, and once they are erased."""
    eight_bit = models.BooleanField(default=False, editable=False)
    has_tokens = models.BooleanField(default=False, db_default=False, editable=False)
    """It is rendered at each attempt, out of its :class:`~.message_source.MessageSource`: no bytes of it are stored, and
    its size is not known before."""

    attempts = models.SmallIntegerField(_("attempts"), default=0)
    """Those that count towards the retries."""
    internal_errors = models.SmallIntegerField(default=0, editable=False)
    wait_reason = models.CharField(_("waits because"), max_length=24, choices=WaitReason.choices, blank=True)
    """Its own reason; what holds the whole lane back stands on the lane."""
    error_code = models.CharField(_("error"), max_length=32, blank=True)
    error_text = models.TextField(_("the server's words"), blank=True)

    idempotency_key = models.CharField(max_length=255, null=True, blank=True, editable=False)
    content_digest = models.CharField(max_length=64, blank=True, editable=False)
    """SHA-256 of the source, hex: tells whether an idempotency key came again with the same mail."""
    request_id = models.CharField(
        _("request id"),
        max_length=request_ids.MAX_LENGTH,
        default=request_ids.current_or_none,
        null=True,
        blank=True,
        editable=False,
    )
    """Of the REST request that queued it, as it was answered and logged; ``None``: none did."""
    resent_of = models.UUIDField(null=True, editable=False)
    """``uuid`` of the message whose content it sends once more. No key: the old one is purged before it."""
    is_test = models.BooleanField(_("test mail"), default=False, editable=False)
    created_at = models.DateTimeField(pgettext_lazy("time", "queued"), db_default=Now(), editable=False)
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)

    objects = WrittenManager["Message"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        permissions: ClassVar = [
            ("view_content", "Can see what a message says"),
            ("manage_message", "Can retry, release and cancel messages"),
            ("resend_message", "Can send a message again that was sent"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                name="mailconfig_message_idempotent",
                condition=Q(idempotency_key__isnull=False),
            ),
            # Of the account that it was queued for, wherever it is by now. The one above is that of releases before it.
            models.UniqueConstraint(
                Coalesce(F("failed_over_from"), F("account")),
                F("idempotency_key"),
                name="mailconfig_message_idempotent_at_home",
                condition=Q(idempotency_key__isnull=False),
            ),
            # The only one, and as short as can be: PostgreSQL parses each check at each write. Naming all states would
            # double its cost, and numbers that only count up are no PositiveIntegerField for the same reason.
            models.CheckConstraint(
                name="mailconfig_message_settled_when_final",
                condition=Exact(IsNull(F("settled_at"), True), In(F("state"), sorted(WAITING_STATES))),
            ),
        ]
        indexes: ClassVar = [
            # What is due is read from here, a range per priority: its cost knows neither history nor backlog.
            models.Index(
                fields=["account", "priority", "not_before", "id"],
                name="mailconfig_message_queue",
                condition=Q(state="queued"),
            ),
            models.Index(
                fields=["state", "account"],
                name="mailconfig_message_open",
                condition=Q(state__in=["held", "preparing"]),
            ),
            # The newest first is read backwards: what is written at an end fills its pages, and splits none in halves.
            models.Index(fields=["account", "id"], name="mailconfig_message_account"),
            models.Index(
                fields=["given_message_id"],
                name="mailconfig_message_given_id",
                condition=Q(given_message_id__isnull=False),
            ),
            # Those of a tenant, the newest first; mail of no tenant writes nothing here.
            models.Index(
                fields=["tenant", "id"],
                name="mailconfig_message_tenant",
                condition=Q(tenant__isnull=False),
            ),
            models.Index(
                fields=["request_id"],
                name="mailconfig_message_request",
                condition=Q(request_id__isnull=False),
            ),
            models.Index(
                fields=["resent_of"],
                name="mailconfig_message_resent",
                condition=Q(resent_of__isnull=False),
            ),
            models.Index(
                fields=["settled_at"],
                name="mailconfig_message_failed",
                condition=Q(state="failed"),
            ),
            # Mail that fails over: what still waits by who is to send it, and all by whose it is.
            models.Index(
                fields=["account", "failed_over_from"],
                name="mailconfig_message_over",
                condition=Q(state="queued", failed_over_from__isnull=False),
            ),
            models.Index(
                fields=["failed_over_from", "id"],
                name="mailconfig_message_over_from",
                condition=Q(failed_over_from__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.message_id

    @property
    def home_id(self) -> int:
        """The key of the account that it was queued for, whichever sends it."""
        return self.account_id if self.failed_over_from_id is None else self.failed_over_from_id

    @property
    def home(self) -> Account:
        """The account that it was queued for; a query, unless ``failed_over_from`` was selected with the message."""
        return self.failed_over_from or self.account

    @property
    def message_id(self) -> str:
        """The Message-ID, with its angle brackets."""
        return self._own_message_id if self.given_message_id is None else self.given_message_id

    @message_id.setter
    def message_id(self, value: str) -> None:
        """Keep it, if uuid and envelope sender, which must be there, do not say it already."""
        self.given_message_id = None if value == self._own_message_id else value

    @property
    def _own_message_id(self) -> str:
        return f"<{self.uuid.hex}@{self.envelope_from.rpartition('@')[2]}>"

    @property
    def is_final(self) -> bool:
        """Return whether nothing more will happen to it by itself."""
        return self.state in FINAL_STATES

    @property
    def under_way(self) -> HandOver | None:
        """The hand-over under way; a query, unless ``hand_over`` was selected with the message."""
        if self.state != MessageState.QUEUED:
            return None
        try:
            return self.hand_over
        except ObjectDoesNotExist:
            return None

    @property
    def shown_state(self) -> MessageState:
        """The state, a hand-over under way among them."""
        return MessageState.HANDING_OVER if self.under_way else MessageState(self.state)
