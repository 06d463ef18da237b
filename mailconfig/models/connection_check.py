"""A check of a connection or of a sync, or a test mail: what was asked, by whom, and what came of it stage by stage."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .account import Account
from .written import WrittenManager


class CheckKind(models.TextChoices):
    """Kinds of checks."""

    CONNECTION = "connection", _("connection test")
    TEST_MAIL = "test_mail", _("test mail")
    SYNC = "sync", _("sync test")


class CheckState(models.TextChoices):
    """States of a check."""

    PENDING = "pending", _("waiting")
    RUNNING = "running", _("running")
    PASSED = "passed", _("passed")
    FAILED = "failed", _("failed")


class ConnectionCheck(models.Model):
    """Holds no secret. Checks of unsaved values have no account."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=CheckKind.choices)
    state = models.CharField(_("state"), max_length=8, choices=CheckState.choices, default=CheckState.PENDING)
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="checks", null=True, verbose_name=_("account")
    )
    tenant = models.ForeignKey(
        "mailconfig.Tenant", on_delete=models.CASCADE, related_name="+", null=True, verbose_name=_("tenant")
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        verbose_name=_("requested by"),
    )
    host = models.CharField(_("server"), max_length=255, blank=True)
    port = models.PositiveIntegerField(_("port"), null=True)
    username = models.CharField(_("user name"), max_length=255, blank=True)
    """Noted once a server has let it log in: what it refuses may be a password typed into the wrong field."""
    login = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    """Hash of the login that was made, or that is being made; empty: none was."""
    recipient = models.CharField(_("recipient"), max_length=254, blank=True)

    stage = models.CharField(_("failed at"), max_length=16, blank=True)
    code = models.CharField(_("code"), max_length=32, blank=True)
    guilty_field = models.CharField(_("look at"), max_length=32, blank=True)
    message = models.TextField(_("result"), blank=True)
    """The code of a sentence; what it says stands in :mod:`mailconfig.delivery.accounts.sentences`."""
    hint = models.TextField(_("hint"), blank=True)
    """The same, of what probably helps."""
    server_text = models.TextField(_("the server's words"), blank=True)
    stages = models.JSONField(_("stages"), default=list)
    """``[{"stage", "outcome", "milliseconds", "detail", "says"}]`` in their order: the server's words or ours, and the
    code of the sentence if those are ours."""
    revision = models.PositiveIntegerField(null=True, editable=False)
    """Of the account, whose values as they were stored then came to this end; NULL: other values, or no end."""
    looks_only = models.BooleanField(default=False, db_default=False, editable=False)
    """Whoever asked may not change the account: what came of it neither ends a pause nor is noted on the lane."""
    created_at = models.DateTimeField(_("asked"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    objects = WrittenManager["ConnectionCheck"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("connection check")
        verbose_name_plural = _("connection checks")
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="mailconfig_check_state_known", condition=Q(state__in=CheckState.values)
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="mailconfig_check_created"),
            models.Index(fields=["requested_by", "created_at"], name="mailconfig_check_person"),
            models.Index(fields=["login", "created_at"], name="mailconfig_check_login"),
            models.Index(
                fields=["created_at"],
                name="mailconfig_check_pending",
                condition=Q(state__in=["pending", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.host}: {self.get_state_display()}"

    @property
    def ok(self) -> bool:
        """It ended well."""
        return self.state == CheckState.PASSED
