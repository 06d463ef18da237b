"""Webhooks: the endpoints that tenants have told what happens to their mail, and what each of them is to be told."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from mailconfig.http_urls import MAX_URL
from mailconfig.secrets.fields import SecretField

from .validators import validate_line
from .written import WrittenManager

MOST_ENDPOINTS = 10
"""Of one tenant."""


class EventKind(models.TextChoices):
    """Kinds of events, by the names that stand in what is sent."""

    MESSAGE_SETTLED = "message.settled", _("a message was sent, failed, was cancelled or is held")
    MESSAGE_BOUNCED = "message.bounced", _("a message came back")
    RECIPIENT_OPTED_OUT = "recipient.opted_out", _("a recipient wants no more mail")
    ACCOUNT_PAUSED = "account.paused", _("an account stopped")
    ACCOUNT_RESUMED = "account.resumed", _("an account goes on")
    TEST = "webhook.test", _("a test")


CHOSEN_KINDS = tuple(kind for kind in EventKind if kind is not EventKind.TEST)
"""Those that an endpoint chooses from; a test is sent to the one that it is of."""


class WebhookProblem(models.TextChoices):
    """Reasons why an endpoint did not take an event."""

    UNREACHABLE = "connect_failed", _("The server cannot be reached.")
    TLS = "tls_failed", _("The server's certificate or encryption is not accepted.")
    TIMEOUT = "timeout", _("The server did not answer in time.")
    PROTOCOL = "protocol_error", _("The server does not speak HTTP, or broke off.")
    STATUS = "http_status", _("The server did not answer with a status of success.")
    GONE = "gone", _("The server says that nobody wants these events any more (410).")
    URL = "host_not_allowed", _("The address may not be called.")
    SECRET = "secret_unreadable", _("The stored secret cannot be read. Make a new one.")
    INTERNAL = "internal_error", _("An error of our own; we try again.")


class DisabledReason(models.TextChoices):
    """Reasons why an endpoint was disabled by itself."""

    GONE = "gone", _("It answered that nobody wants these events any more (410).")
    FAILING = "failing", _("It took nothing for three days.")


class DeliveryState(models.TextChoices):
    """States of an event on its way to an endpoint."""

    WAITING = "waiting", _("waiting")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")


def validate_kinds(value: object) -> None:
    """A list of kinds of events that can be chosen, each once, at least one.

    Raises:
        ValidationError: it is none.
    """
    known = {str(kind) for kind in CHOSEN_KINDS}
    chosen = [kind for kind in value if isinstance(kind, str)] if isinstance(value, list) else []
    if not chosen or chosen != value or len(set(chosen)) < len(chosen) or not known.issuperset(chosen):
        words = _("Choose from %(words)s, each once.")
        raise ValidationError(words, code="invalid", params={"words": ", ".join(sorted(known))})


class WebhookEndpoint(models.Model):
    """A URL that is told of a tenant's events. What its tenant wrote is above, what the workers note below."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(
        "mailconfig.Tenant", on_delete=models.CASCADE, related_name="webhooks", verbose_name=_("tenant")
    )
    url = models.CharField(
        "URL", max_length=MAX_URL, help_text=_("Begins with https:// and names a public host.")
    )
    description = models.CharField(
        _("description"), max_length=255, blank=True, default="", validators=[validate_line]
    )
    kinds = models.JSONField(_("events"), default=list, validators=[validate_kinds])
    """Values of :class:`EventKind`."""
    is_enabled = models.BooleanField(_("enabled"), default=True)
    secret = SecretField(_("secret"), editable=False)
    """The key of its signatures, as its tenant was shown it once: ``whsec_`` and 32 octets in base64."""
    earlier_secret = SecretField(editable=False)
    """The one before it, by which everything is signed as well until ``earlier_secret_until``."""
    earlier_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)

    disabled_reason = models.CharField(
        _("disabled because"), max_length=16, choices=DisabledReason.choices, blank=True, editable=False
    )
    """Empty: by a person, or not at all."""
    disabled_at = models.DateTimeField(_("disabled"), null=True, editable=False)
    failures = models.SmallIntegerField(default=0, editable=False)
    """Requests in a row that it did not take."""
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    problem = models.CharField(
        _("problem"), max_length=24, choices=WebhookProblem.choices, blank=True, editable=False
    )
    """Of the last request, if it failed."""
    http_status = models.SmallIntegerField(_("HTTP status"), null=True, editable=False)
    """That it answered last; ``None``: it never did."""
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    dropped = models.BigIntegerField(_("dropped"), default=0, editable=False)
    """Events that nobody will ever send, since too many waited."""
    rest_until = models.DateTimeField(null=True, editable=False)
    served_at = models.DateTimeField(null=True, editable=False)
    """When a worker last had it in hand: whose turn is longest ago comes first."""
    rung_at = models.DateTimeField(null=True, editable=False)
    """When a worker was called for it; ``None``: not since one had it in hand."""
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    worker = models.CharField(max_length=128, blank=True, editable=False)

    objects = WrittenManager["WebhookEndpoint"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.description or self.url

    def secret_binding(self, _name: str) -> str:
        """Return what a secret is bound to: it signs for this endpoint of this tenant, wherever that is.

        The one before it, too, whose token it is that is kept on.
        """
        return "\x1f".join(["webhook", str(self.uuid), str(self.tenant_id)])


class WebhookDelivery(models.Model):
    """An event that one endpoint is told of. Of an event that several are told of the ``event_id`` is the same."""

    event_id = models.UUIDField(default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
        editable=False,
    )
    """Not kept by the database: who deletes it while mail is settled must not undo what came of the mail. A row that is left
    goes with the purge."""
    kind = models.CharField(_("event"), max_length=32, choices=EventKind.choices, editable=False)
    data = models.JSONField(default=dict, editable=False)
    """What is said of the event; no content of mail, and no secret."""
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=DeliveryState.choices,
        default=DeliveryState.WAITING,
        editable=False,
    )
    created_at = models.DateTimeField(_("happened"), db_default=Now(), editable=False)
    due_at = models.DateTimeField(_("due"), db_default=Now(), editable=False)
    attempts = models.SmallIntegerField(_("attempts"), default=0, editable=False)
    attempted_at = models.DateTimeField(_("last attempt"), null=True, editable=False)
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)
    problem = models.CharField(
        _("problem"), max_length=24, choices=WebhookProblem.choices, blank=True, editable=False
    )
    http_status = models.SmallIntegerField(_("HTTP status"), null=True, editable=False)
    answer = models.TextField(_("answer"), blank=True, editable=False)
    """The beginning of what came back with a status that is no success, cleaned."""

    objects = WrittenManager["WebhookDelivery"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ("view",)
        verbose_name = _("event of a webhook")
        verbose_name_plural = _("events of webhooks")
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="mailconfig_webhook_event_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["endpoint", "due_at"],
                name="mailconfig_webhook_waiting",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["endpoint", "id"], name="mailconfig_webhook_listed"),
            models.Index(fields=["created_at"], name="mailconfig_webhook_created"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


def waiting_events() -> Coalesce:
    """Return the number of events that wait for an endpoint, by the index of those: what was told stands beside them for days."""
    return Coalesce(_of_waiting(Count("pk")), 0)


def waiting_since() -> Subquery:
    """Return when the oldest event that waits for an endpoint happened; ``None``: none waits."""
    return _of_waiting(Min("created_at"))


def _of_waiting(aggregate: Count | Min) -> Subquery:
    rows = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.WAITING)
    return Subquery(rows.order_by().values("endpoint").annotate(found=aggregate).values("found"))
