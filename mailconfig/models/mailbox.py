"""A mailbox: an account that sends and syncs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from mailconfig.secrets.fields import SealedSecret, SecretField
from mailconfig.values import Authentication, ConnectionSettings, Secret

from .account import BIGGEST_PERIOD, Account
from .account_destination import SECRET_COLUMNS, SecretName, entered
from .choices import AccountKind, EmailProvider, ExchangeVersion, SyncMethod, VerifyMode
from .gmail import at_gmail
from .lane import Purpose
from .mailbox_ews import ews_settings
from .mailbox_fallbacks import IMAP_PORT, IMAP_TLS_PORT, PASSWORD_COPIES, follow_account, security_of
from .mailbox_rules import broken_mailbox_rules, why_enter_others_again
from .validators import validate_endpoint, validate_host, validate_line, validate_text

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_TEXT = 65535
INBOX = "INBOX"
OUTREACH_FOLDER = "Outreach"

_REMEMBERED = {
    SecretName.IMAP: frozenset({"imap_host", "imap_port", "imap_ssl", "login_name", "from_email"}),
    SecretName.EWS: frozenset({"ews_endpoint", "ews_verify_mode", "login_name", "from_email"}),
}
"""Columns that a destination is made of, by secret."""


class Mailbox(Account):
    """Its own table holds what only a mailbox has.

    The account's columns hold what counts for sending, fall-backs applied; here is what was said of them where that is
    something else, and all that syncing needs. One password may serve SMTP, IMAP and EWS: it is sealed for each
    of them, so that it never reaches a server that it was not entered for.
    """

    kind_of_class = AccountKind.MAILBOX

    email_provider = models.CharField(
        _("mail service of the mailbox"),
        max_length=32,
        choices=EmailProvider.choices,
        blank=True,
        default="",
        db_default="",
    )
    login_name = models.CharField(
        _("user name of the mailbox"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[validate_line],
        help_text=_("Empty: its address."),
    )
    smtp_login_name = models.CharField(
        _("user name for sending"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[validate_line],
        help_text=_("Empty: that of the mailbox."),
    )
    has_own_smtp_secret = models.BooleanField(
        _("has a password of its own for sending"), default=False, db_default=False, editable=False
    )
    has_password_besides = models.BooleanField(default=False, db_default=False, editable=False)
    """Beside its own password for sending one of the mailbox was entered, though perhaps nothing needs it now."""

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
    active_sync_interval = models.PositiveIntegerField(
        _("sync interval in seconds while the user is active"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(BIGGEST_PERIOD)],
    )
    sync_method = models.CharField(
        _("sync method"), max_length=16, choices=SyncMethod.choices, blank=True, default="", db_default=""
    )
    is_sync_enabled = models.BooleanField(_("syncs"), default=True, db_default=True)
    syncs_outreach_folder = models.BooleanField(
        _("syncs the folder Outreach"), default=False, db_default=False, help_text=_("Instead of the inbox.")
    )
    sync_exclusions = models.TextField(
        _("addresses that are not synced"),
        blank=True,
        default="",
        db_default="",
        validators=[validate_text, MaxLengthValidator(LONGEST_TEXT)],
        help_text=_("One pattern a line."),
    )

    imap_host = models.CharField(
        _("IMAP server"), max_length=255, blank=True, default="", db_default="", validators=[validate_host]
    )
    imap_port = models.PositiveIntegerField(
        _("IMAP port"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    imap_ssl = models.BooleanField(_("IMAP is encrypted"), null=True, blank=True)
    imap_secret = SecretField(_("IMAP password"), binding=SecretName.IMAP)

    ews_endpoint = models.CharField(
        _("address of Exchange's web service"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[validate_endpoint],
    )
    ews_verify_mode = models.PositiveSmallIntegerField(
        _("verification of Exchange's certificate"), null=True, blank=True, choices=VerifyMode.choices
    )
    exchange_version = models.CharField(
        _("version of Exchange"),
        max_length=32,
        choices=ExchangeVersion.choices,
        blank=True,
        default="",
        db_default="",
    )
    ews_saves_copy = models.BooleanField(
        _("keeps a copy of what is sent"),
        default=True,
        db_default=True,
        help_text=_("In the mailbox's folder for sent mail, when Exchange's web service sends."),
    )
    ews_secret = SecretField(_("Exchange password"), binding=SecretName.EWS)
    sendgrid_secret = SecretField(_("SendGrid API key"), binding=SecretName.SENDGRID)

    signature = models.TextField(
        _("signature"),
        blank=True,
        default="",
        db_default="",
        validators=[validate_text, MaxLengthValidator(LONGEST_TEXT)],
    )
    opt_out_message = models.CharField(
        _("text of the unsubscribe page"),
        max_length=512,
        blank=True,
        default="",
        db_default="",
        validators=[validate_text],
    )
    opt_out_signature = models.CharField(
        _("unsubscribe text below the signature"),
        max_length=512,
        blank=True,
        default="",
        db_default="",
        validators=[validate_text],
    )

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="mailconfig_mailbox_imap_port_valid",
                condition=Q(imap_port=None) | Q(imap_port__gte=1, imap_port__lte=65535),
            ),
            models.CheckConstraint(
                name="mailconfig_mailbox_imap_secret_has_host",
                condition=Q(imap_secret=None) | ~Q(imap_host=""),
            ),
            models.CheckConstraint(
                name="mailconfig_mailbox_ews_secret_has_endpoint",
                condition=Q(ews_secret=None) | ~Q(ews_endpoint=""),
            ),
        ]

    @property
    def login(self) -> str:
        """The mailbox's user name: what was entered, else its address."""
        return self.login_name or self.from_email

    @property
    def has_password(self) -> bool:
        """Return whether a password of the mailbox was entered, apart from one for sending only."""
        return self.has_password_besides if self.has_own_smtp_secret else self.secret is not None

    @property
    def sync_folder(self) -> str:
        """The folder whose mail is synced."""
        return OUTREACH_FOLDER if self.syncs_outreach_folder else INBOX

    @property
    def sync_port(self) -> int:
        """The port at which it is read."""
        return self.imap_port or (IMAP_TLS_PORT if self.imap_ssl else IMAP_PORT)

    def sync_settings(self) -> ConnectionSettings:
        """Return what a transport needs to read in the mailbox, fall-backs applied."""
        if self.sync_method == SyncMethod.EWS:
            return ews_settings(self)
        secret: Secret | None = self.imap_secret
        if isinstance(secret, SealedSecret):
            secret = secret.bound_to(self.secret_binding(SecretName.IMAP))
        # A token serves where the mailbox's own password would: not where sending has one of its own.
        with_token = self.authentication == Authentication.OAUTH2 and not self.has_own_smtp_secret
        found = ConnectionSettings(
            host=self.imap_host,
            port=self.sync_port,
            security=security_of(ssl=bool(self.imap_ssl), port=self.sync_port, tls_port=IMAP_TLS_PORT),
            authentication=Authentication.OAUTH2 if with_token else Authentication.PASSWORD,
            username=self.login,
            secret=secret,
        )
        # What is stored for another server is not shown to Gmail: its tokens are fetched.
        return at_gmail(replace(found, secret=None)) if self.sync_method == SyncMethod.GMAIL_API else found

    def enter_password(self, password: Secret | None) -> None:
        """Take a password for all that has none of its own; ``None`` takes it away everywhere."""
        self.has_password_besides = self.has_own_smtp_secret and password is not None
        if not self.has_own_smtp_secret:
            self.secret = password
        for column, needed_for in PASSWORD_COPIES.items():
            setattr(self, column, password if getattr(self, needed_for) else None)

    def enter_smtp_password(self, password: Secret | None) -> None:
        """Take a password for sending only; ``None``: the mailbox's own serves from now on, and has to be entered again."""
        if password is None and not self.has_own_smtp_secret:
            return
        if not self.has_own_smtp_secret:
            self.has_password_besides = self.secret is not None
        self.has_own_smtp_secret = password is not None
        self.secret = password

    def enters(self, column: str) -> bool:
        """Return whether this secret was entered and is not stored yet."""
        typed = self.__dict__.get(column)
        return typed is not None and not isinstance(typed, SealedSecret)

    def secret_differs(self, name: SecretName) -> bool:
        """Return whether one of the secrets that are no account's would newly reach another server or user name."""
        return name in self._stored and self._differs(name)

    def _remember_stored(self) -> None:
        super()._remember_stored()
        deferred = self.get_deferred_fields()
        loaded = (name for name, columns in _REMEMBERED.items() if not deferred & columns)
        own: dict[str, tuple[object, ...]] = (
            {} if "has_own_smtp_secret" in deferred else {"own": (self.has_own_smtp_secret,)}
        )
        if not deferred & {"sync_method", "syncs_outreach_folder"}:
            own["sync"] = self._now("sync")
        self._stored = {**self._stored, **own, **{name: entered(self, name) for name in loaded}}

    def _purposes(self) -> frozenset[Purpose]:
        syncs = {Purpose.SYNC} if self.sync_method else set()
        return super()._purposes() | syncs

    def _reconnecting(self) -> frozenset[Purpose]:
        name = SecretName.EWS if self.sync_method == SyncMethod.EWS else SecretName.IMAP
        edited = self._differs("sync", name) or self.enters(SECRET_COLUMNS[name])
        sends_anew = self.sends_by_ews and (self._differs(SecretName.EWS) or self.enters("ews_secret"))
        sends_anew |= self.sends_with_service_key and self.enters("sendgrid_secret")
        return (
            super()._reconnecting()
            | ({Purpose.SYNC} if edited else set())
            | ({Purpose.SEND} if sends_anew else set())
        )

    def _now(self, key: str) -> tuple[object, ...]:
        if key == "own":
            return (self.has_own_smtp_secret,)
        if key == "sync":
            return (self.sync_method, self.syncs_outreach_folder)
        return entered(self, SecretName(key)) if key in _REMEMBERED else super()._now(key)

    @property
    def gave_up_own_smtp_secret(self) -> bool:
        """Return whether it sent with a password of its own, and now shall with the mailbox's."""
        return not self.has_own_smtp_secret and self._stored.get("own") == (True,)

    def get_constraints(self) -> list[tuple[type[models.Model], Sequence[models.BaseConstraint]]]:
        """Return those that the database has to be asked about: none of its own, all of which speak of the row alone."""
        return [(model, found) for model, found in super().get_constraints() if model is not Mailbox]

    def clean(self) -> None:
        """Refuse what may not stand in one row, whoever writes it.

        Raises:
            ValidationError: by field.
        """
        follow_account(self)
        errors: dict[str, Any] = {**broken_mailbox_rules(self)}
        try:
            super().clean()
        except ValidationError as error:
            errors = {**errors, **error.error_dict}
        if errors:
            raise ValidationError(errors)

    def save(self, **kwargs: Any) -> None:
        """Store the row. What somebody changed of the connection alone, as in the admin, is said of the mailbox as well.

        Raises:
            ValidationError: a destination, owner or tenant changed and no new secret came with it.
        """
        followed = follow_account(self)
        if refusals := why_enter_others_again(self):
            raise ValidationError(refusals)
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], *followed}
        typed = {column: getattr(self, column) for column in PASSWORD_COPIES if self.enters(column)}
        if self.enters("sendgrid_secret"):
            typed["sendgrid_secret"] = self.sendgrid_secret
        try:
            super().save(**kwargs)
        except BaseException:
            # Sealed for a row that was not stored; another try seals them anew.
            for column, secret in typed.items():
                setattr(self, column, secret)
            raise
