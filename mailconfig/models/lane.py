"""The lane: one row per account and purpose with all that changes while mail flows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailconfig import signals

from .webhook_events import note_account_resumed
from .written import WrittenManager


class Purpose(models.TextChoices):
    """Purposes of lanes."""

    SEND = "send", _("sending")
    SYNC = "sync", _("syncing")


class WaitReason(models.TextChoices):
    """Reasons for which a lane, or a message of its own, waits. Stable words for callers, and words for people."""

    LIMIT = "limit", _("The account's limit is reached.")
    SERVER_LIMIT = "server_limit", _("The mail server says its limit is reached.")
    SERVER_AWAY = "server_away", _("The mail server cannot be reached; we try again.")
    LOGIN_RETRY = "login_retry", _("The mail server refused the login; one more try is made.")
    TOKEN_AWAY = "token_away", _("The sign-in service gives out no access token now; we try again.")
    PAUSED_LOGIN = "paused_login", _("The login does not work. Check user name, password and encryption.")
    PAUSED_CONFIG = "paused_config", _("The connection's settings do not work. Check them.")
    PAUSED_SENDER = "paused_sender", _("The mail server refuses the sender's address.")
    PAUSED_CONSENT = (
        "paused_consent",
        _("The permission to use the mailbox is not valid any more. Connect the account again."),
    )
    PAUSED_REGISTRATION = (
        "paused_registration",
        _("The app registration does not work. Check it."),
    )
    PAUSED_PROTOCOL = "paused_protocol", _("The mail server breaks the protocol.")
    PAUSED_BY_PERSON = "paused_by_person", _("Somebody paused the account.")
    STORAGE_AWAY = "storage_away", _("The storage of large mails cannot be reached; we try again.")
    SECRET_UNREADABLE = "secret_unreadable", _("The stored password cannot be read. Enter it again.")
    DISABLED = "disabled", _("The account is disabled.")
    NO_SENDER = "no_sender", _("The account has no from address.")
    SYNC_STALE = "sync_stale", _("The mailbox must be synced before it sends.")
    WRONG_INSTALLATION = "wrong_installation", _("This database belongs to another installation.")
    FILES = "files", _("Its files are being fetched.")
    FILES_AWAY = "files_away", _("A file cannot be fetched now; we try again.")
    SCHEDULED = "scheduled", _("It is not due yet.")
    RETRY = "retry", _("The mail server asked to try again later.")
    BUSY = "busy", _("Its turn has not come yet.")
    HANDING_OVER = "handing_over", _("It is being handed over.")
    UNRESOLVED = "unresolved", _("What its tokens stand for is not known yet; we ask again.")
    HELD = "held", _("Somebody holds it back.")
    MAYBE_SENT = "maybe_sent", _("It may have arrived already: release it to send it again, or cancel it.")
    UNKNOWN_OUTCOME = "unknown_outcome", _("It may or may not have been accepted; we wait for certainty.")
    INTERNAL_ERROR = "internal_error", _("An error of our own; we try again.")


PAUSES = frozenset(
    {
        WaitReason.PAUSED_LOGIN,
        WaitReason.PAUSED_CONFIG,
        WaitReason.PAUSED_SENDER,
        WaitReason.PAUSED_CONSENT,
        WaitReason.PAUSED_REGISTRATION,
        WaitReason.PAUSED_PROTOCOL,
        WaitReason.SECRET_UNREADABLE,
    }
)
"""Reasons that last until credentials change or somebody tests the connection. A person's pause is none of them: it lasts until
somebody ends it, whatever works."""


AWAY = frozenset({WaitReason.SERVER_AWAY, WaitReason.TOKEN_AWAY})
"""Reasons that pass by themselves, once whoever is away is back: the account's mail server, or the service that gives out its
tokens."""


class Lane(models.Model):
    """Owned by at most one drain at a time: the one whose token it holds, until ``lease_until``."""

    account = models.ForeignKey("mailconfig.Account", on_delete=models.CASCADE, related_name="lanes")
    purpose = models.CharField(max_length=8, choices=Purpose.choices, default=Purpose.SEND)

    due_at = models.DateTimeField(_("due"), null=True, editable=False)
    """A hint when to drain; the messages themselves are the truth."""
    rung_at = models.DateTimeField(null=True, editable=False)
    """When a worker was last called for it."""
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    worker = models.CharField(max_length=128, blank=True, editable=False)

    wait_reason = models.CharField(
        _("waits because"), max_length=24, choices=WaitReason.choices, blank=True, editable=False
    )
    """What holds the whole lane back; empty: nothing."""
    wait_since = models.DateTimeField(_("waits since"), null=True, editable=False)
    wait_until = models.DateTimeField(_("waits until"), null=True, editable=False)
    """``None`` with a reason: until somebody acts."""
    wait_text = models.TextField(blank=True, editable=False)
    """The server's own words behind the reason, cleaned and cut; for staff."""

    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)
    """Since when a person wants nothing sent; ``None``: nobody paused it. What holds it back besides stands in ``wait_reason``, which
    edits, checks and drains write: they leave this alone."""
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
    paused_because = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    """That person's words."""

    noticed_since = models.DateTimeField(null=True, editable=False)
    """The ``wait_since`` of the pause that people were told of last."""
    noticed_at = models.DateTimeField(null=True, editable=False)
    """When somebody was told last, or was to be told and nobody could be."""

    validated_at = models.DateTimeField(_("proved"), null=True, editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    finished_at = models.DateTimeField(_("last finished"), null=True, editable=False)
    """When a sync came to its end last, well or not."""
    last_error_at = models.DateTimeField(_("last error"), null=True, editable=False)
    last_error_code = models.CharField(max_length=32, blank=True, editable=False)
    last_error_text = models.TextField(blank=True, editable=False)
    strikes = models.PositiveSmallIntegerField(default=0, editable=False)
    """Mails in a row, by different messages, that were refused for something of the account's."""
    breaches = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    """Breaches of the protocol in a row. What is sent ends this row and that of the strikes; neither counts in the other."""
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    """Failed connections in a row; chooses the back-off."""

    no_overlap_until = models.DateTimeField(null=True, editable=False)
    """The server refuses commands that come behind a dot before its reply: until then each waits for it."""
    session_mails = models.PositiveSmallIntegerField(null=True, editable=False)
    """So many mails the server takes in one session, as it seems."""
    session_mails_until = models.DateTimeField(null=True, editable=False)
    """Until when that is believed."""

    most_sessions = models.PositiveSmallIntegerField(null=True, editable=False)
    """So many sessions the server lets the account have at once, as it seems."""
    most_sessions_until = models.DateTimeField(null=True, editable=False)
    """Until when that is believed."""

    no_failover_until = models.DateTimeField(null=True, editable=False)
    """The account that takes over was not allowed to send this one's mail: until then it is given none."""
    no_failover_text = models.TextField(blank=True, default="", db_default="", editable=False)
    """That server's words; for staff."""

    tallied_until = models.DateTimeField(null=True, editable=False)
    """Up to when the account's attempts are summed up as tallies."""

    objects = WrittenManager["Lane"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("lane")
        verbose_name_plural = _("lanes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "purpose"], name="mailconfig_one_lane_per_purpose"),
            models.CheckConstraint(
                name="mailconfig_lane_lease_whole",
                condition=Q(lease_token=None, lease_until=None)
                | Q(lease_token__isnull=False, lease_until__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="mailconfig_lane_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.purpose}"

    @property
    def is_paused(self) -> bool:
        """Return whether it stopped by itself, and somebody has to act before it goes on."""
        return self.wait_reason in PAUSES

    @property
    def notice_queued_at(self) -> datetime | None:
        """Return when mail about the present pause was queued; ``None``: there is no pause, or nobody was told."""
        is_noticed = self.is_paused and self.wait_since is not None and self.noticed_since == self.wait_since
        return self.noticed_at if is_noticed else None

    @property
    def waits_because(self) -> str:
        """Return what holds it back before all else: a person, or its own reason; ``""``: nothing."""
        return WaitReason.PAUSED_BY_PERSON if self.paused_at is not None else self.wait_reason


def make_lanes(account_id: int, purposes: Collection[Purpose]) -> None:
    """Make the lanes that are not there yet. A new mailbox is due to be synced; what is sent makes a lane due by itself."""
    made = [
        Lane(account_id=account_id, purpose=purpose, due_at=Now() if purpose == Purpose.SYNC else None)
        for purpose in purposes
    ]
    Lane.objects.bulk_create(made, ignore_conflicts=True)


def wake_lanes(account_id: int, *, reconnects: Collection[Purpose]) -> None:
    """Let an edited account be looked at anew.

    Args:
        account_id: of the account.
        reconnects: the lanes whose connection was edited. What that was blamed for ends, and what it proved; what is
            known of the others stays.
    """
    lanes = Lane.objects.filter(account_id=account_id)
    lanes.update(due_at=Now(), rung_at=None, no_failover_until=None)
    anew = lanes.filter(purpose__in=reconnects)
    if reconnects:
        # What worked before says nothing of the new connection.
        anew.update(
            validated_at=None,
            last_success_at=None,
            no_overlap_until=None,
            session_mails=None,
            most_sessions=None,
        )
        for purpose in anew.filter(wait_reason__in=PAUSES).values_list("purpose", flat=True):
            note_account_resumed(account_id, purpose=purpose)
            transaction.on_commit(partial(_tell_resumed, account_id, purpose), robust=True)
    blamed = Q(wait_reason__in=[*PAUSES, *AWAY, WaitReason.LOGIN_RETRY])
    over = anew.filter(blamed) if reconnects else lanes.none()
    for ended in (over, lanes.exclude(blamed)):
        ended.exclude(wait_reason="").update(
            wait_reason="", wait_since=None, wait_until=None, wait_text="", failures=0, strikes=0, breaches=0
        )


def _tell_resumed(account_id: int, purpose: str) -> None:
    signals.account_resumed.send_robust(sender=Lane, account_id=account_id, purpose=str(purpose))
