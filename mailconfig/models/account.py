"""The account: an identity, a way to connect, and limits. One table for every kind."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailconfig.mail_services import is_mail_service
from mailconfig.secrets.fields import SealedSecret, SecretField
from mailconfig.values import MOST_SESSIONS, Authentication, ConnectionSettings, Secret, Security

from .account_changes import RemembersStored
from .account_constraints import ACCOUNT_CONSTRAINTS, constraints_among_rows
from .account_destination import SecretName, binding, effective, is_override
from .account_queries import AccountQuerySet
from .account_rules import broken_rules, why_enter_again
from .choices import EWS, GMAIL_API, SMTP, AccountKind, AuthenticationChoice, Scope, SecurityChoice
from .deleting import protect_unless_deleted
from .failover import lock_chains, refuse_loop
from .gmail import at_gmail
from .lane import Lane, Purpose, make_lanes, wake_lanes
from .mailbox_ews import ews_settings
from .small_letters import SmallLetters
from .validators import validate_address, validate_host, validate_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .mailbox import Mailbox

BIGGEST_PERIOD = 366 * 86400


class Account(RemembersStored):
    """Written by people and by key rotation only; all that changes while mail flows is on its lanes.

    ``revision`` grows with every save, so that a drain sees in one comparison that something was edited.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=AccountKind.choices)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope.choices, default=Scope.USER)
    tenant = models.ForeignKey(
        "mailconfig.Tenant",
        on_delete=protect_unless_deleted,
        verbose_name=_("tenant"),
        related_name="accounts",
        null=True,
        blank=True,
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=protect_unless_deleted,
        verbose_name=_("owner"),
        related_name="mail_accounts",
        null=True,
        blank=True,
    )
    name = models.CharField(_("name"), max_length=255, blank=True, validators=[validate_line])
    preset = models.CharField(_("mail service"), max_length=32, blank=True)
    is_enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("A disabled account keeps its mail queued.")
    )
    is_default = models.BooleanField(
        _("default account"),
        default=False,
        help_text=_(
            "Takes what the project sends without naming an account. Such an account sends for the project."
        ),
    )
    serves_project = models.BooleanField(
        _("sends for the project"),
        default=False,
        db_default=False,
        help_text=_(
            "Sends the project's own mail for its address and domain: password resets, errors to admins."
        ),
    )

    from_email = models.CharField(
        _("from address"), max_length=254, blank=True, validators=[validate_address]
    )
    from_name = models.CharField(_("from name"), max_length=255, blank=True, validators=[validate_line])
    reply_to_email = models.CharField(
        _("reply-to address"), max_length=254, blank=True, validators=[validate_address]
    )
    reply_to_name = models.CharField(
        _("reply-to name"), max_length=255, blank=True, validators=[validate_line]
    )
    envelope_from = models.CharField(
        _("bounce address"),
        max_length=254,
        blank=True,
        validators=[validate_address],
        help_text=_("Where bounces go (MAIL FROM). Empty: the from address."),
    )

    send_method = models.CharField(_("send method"), max_length=16, default=SMTP)
    host = models.CharField(_("server"), max_length=255, blank=True, validators=[validate_host])
    port = models.PositiveIntegerField(
        _("port"), default=587, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    security = models.CharField(
        _("encryption"), max_length=16, choices=SecurityChoice.choices, default=SecurityChoice.STARTTLS
    )
    authentication = models.CharField(
        _("login"), max_length=16, choices=AuthenticationChoice.choices, default=AuthenticationChoice.PASSWORD
    )
    username = models.CharField(_("user name"), max_length=255, blank=True, validators=[validate_line])
    secret = SecretField(_("password"), null=True, blank=True, binding=SecretName.SMTP)

    limit_count = models.PositiveIntegerField(
        _("mails per period"),
        null=True,
        blank=True,
        help_text=_("Empty: no limit. 0: nothing is sent."),
    )
    limit_period = models.PositiveIntegerField(
        _("period in seconds"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(BIGGEST_PERIOD)],
    )
    limit_per_day = models.PositiveIntegerField(_("mails per day"), null=True, blank=True)
    limit_per_week = models.PositiveIntegerField(_("mails per week"), null=True, blank=True)
    limit_in_out_per_day = models.PositiveIntegerField(_("mails in and out per day"), null=True, blank=True)
    max_retries = models.PositiveSmallIntegerField(
        _("retries"), null=True, blank=True, help_text=_("Empty: as the deployment says.")
    )
    max_sessions = models.PositiveSmallIntegerField(
        _("connections at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SESSIONS)],
        help_text=_(
            "How many connections may send its mail at the same time. With more than one, mails may overtake each other."
            " Empty: as many as the mail service allows, else as the deployment says."
        ),
    )

    failover = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        verbose_name=_("fails over to"),
        related_name="fails_over",
        null=True,
        blank=True,
        db_index=False,
        help_text=_("Sends the mail of this account while this one cannot."),
    )

    revision = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = AccountQuerySet.as_manager()
    all_rows = AccountQuerySet.as_manager()
    """Of every kind, in the classes of one kind as well."""

    kind_of_class: ClassVar[AccountKind | None] = None

    class Meta:
        base_manager_name = "all_rows"
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering: ClassVar = ["name", "id"]
        permissions: ClassVar = [
            ("set_secret", "Can set secrets: enter the passwords, keys and logins of accounts"),
            ("test_account", "Can test an account's connection, and save without testing it"),
            ("send_test_mail", "Can send a test mail through an account"),
            ("choose_project_accounts", "Can choose the accounts that send the project's own mail"),
        ]
        constraints: ClassVar = ACCOUNT_CONSTRAINTS
        indexes: ClassVar = [
            models.Index(SmallLetters("from_email"), name="mailconfig_account_from_small"),
            models.Index(
                fields=["id"], name="mailconfig_account_project", condition=models.Q(serves_project=True)
            ),
            models.Index(
                fields=["failover"],
                name="mailconfig_account_failover",
                condition=models.Q(failover__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.from_email or self.username or f"{self.get_kind_display()} {self.pk}"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.kind_of_class is not None and self.__dict__.get("kind") == "":
            self.kind = self.kind_of_class

    def _purposes(self) -> frozenset[Purpose]:
        """Return the purposes that it has a lane for."""
        return frozenset({Purpose.SEND})

    def _reconnecting(self) -> frozenset[Purpose]:
        """Return those whose connection was edited since it was stored."""
        edited = self._differs("destination", "senders") or self._enters_secret()
        return frozenset({Purpose.SEND}) if edited else frozenset()

    def server(self) -> Account:
        """Return the account whose host, port and encryption count: an override's is the system account.

        Raises:
            ValidationError: an override without a system account.
        """
        if not is_override(self):
            return self
        system = Account.objects.kept().filter(scope=Scope.SYSTEM).first()
        if system is None:
            raise ValidationError({"scope": _("There is no system account whose server could be used.")})
        return system

    def secret_binding(self, name: str) -> str:
        """Return the destination that a secret is bound to, effective fall-backs applied.

        Args:
            name: of a :class:`~mailconfig.models.account_destination.SecretName`.

        Raises:
            ValidationError: an override without a system account.
            ValueError: there is no such secret.
        """
        secret = SecretName(name)
        return binding(secret, effective(self, secret))

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Leave it to the database whether people and tenants are there: a replica may not know them yet."""
        super().clean_fields(exclude={*(exclude or ()), "owner", "tenant", "created_by", "updated_by"})

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Leave out the public id, which nobody enters."""
        super().validate_unique(exclude={*(exclude or ()), "uuid"})

    def get_constraints(self) -> list[tuple[type[models.Model], Sequence[models.BaseConstraint]]]:
        """Return the constraints that the database has to be asked about; :meth:`clean` says the rest by itself."""
        of_others = [(model, found) for model, found in super().get_constraints() if model is not Account]
        return [*of_others, (Account, constraints_among_rows(self))]

    def clean(self) -> None:
        """Refuse what may not stand in one row, whoever writes it.

        Raises:
            ValidationError: by field.
        """
        super().clean()
        errors = broken_rules(self)
        if errors:
            raise ValidationError(errors)

    def save(self, **kwargs: Any) -> None:
        """Store the row; its lanes are made, or look at it anew.

        Raises:
            ValidationError: the destination, owner or tenant changed and no new secret came with it, or its mail would
                be led in a circle.
        """
        if refusal := why_enter_again(self):
            raise ValidationError({"secret": refusal})
        self.serves_project = self.serves_project or self.is_default
        adding = self._state.adding
        reconnects = self._reconnecting()
        update_fields = kwargs.get("update_fields")
        if not adding:
            self.revision = F("revision") + 1
            if update_fields is not None:
                implied = ("serves_project",) if "is_default" in update_fields else ()
                kwargs["update_fields"] = {*update_fields, *implied, "revision", "updated_at"}
        entered = self.secret if self._enters_secret() else None
        fails_over_anew = self.fails_over_anew()
        try:
            with transaction.atomic(using=kwargs.get("using"), savepoint=False):
                if fails_over_anew:
                    lock_chains(self, using=kwargs.get("using"))
                super().save(**kwargs)
                if fails_over_anew:
                    refuse_loop(self)
                if adding:
                    make_lanes(self.pk, self._purposes())
                else:
                    wake_lanes(self.pk, reconnects=reconnects)
                    if missing := (reconnects & self._purposes()) - {Purpose.SEND}:
                        make_lanes(self.pk, missing)
                self._make_event_webhook()
        except BaseException:
            # Sealed for a row that was not stored; another try seals it anew.
            if entered is not None:
                self.secret = entered
            raise
        self._remember_stored()
        if not adding:
            self.refresh_from_db(fields=["revision"])

    def _make_event_webhook(self) -> None:
        """Have an address at which the service that it sends by can report, if that one does."""
        # It is made of accounts and messages.
        from .event_webhook import ensure_event_webhook

        ensure_event_webhook(self)

    @property
    def lane(self) -> Lane:
        """The lane that sends."""
        return self.lanes.get(purpose=Purpose.SEND)

    @property
    def named_sender(self) -> str:
        """The address that the account itself names: its From address, else its user name if that is one."""
        return self.from_email or (self.username if "@" in self.username else "")

    @property
    def sender(self) -> str:
        """The address mail comes from; ``""`` if the account has none."""
        if self.named_sender or self.owner is None:
            return self.named_sender
        return str(getattr(self.owner, self.owner.get_email_field_name(), None) or "")

    @property
    def reverse_path(self) -> str:
        """Reverse-path of MAIL FROM (RFC 5321 §3.3)."""
        return self.envelope_from or self.sender

    def transport_settings(self, *, ehlo_name: str = "") -> ConnectionSettings:
        """Return what a transport needs to connect, fall-backs applied."""
        if self.sends_by_ews:
            return ews_settings(self.as_mailbox)
        where = effective(self, SecretName.SMTP)
        secret: Secret | None = self.secret
        if isinstance(secret, SealedSecret):
            secret = secret.bound_to(binding(SecretName.SMTP, where))
        if self.sends_with_service_key:
            secret = self._service_key()
        found = ConnectionSettings(
            host=where["host"],
            port=where["port"],
            security=Security(where["security"]),
            authentication=Authentication(where["authentication"]),
            username=where["username"],
            secret=secret,
            ehlo_name=ehlo_name,
            return_path=self.envelope_from,
        )
        return at_gmail(found) if where["send_method"] == GMAIL_API else found

    @property
    def sends_by_ews(self) -> bool:
        """Return whether it is a mailbox whose mail leaves by Exchange's web service."""
        return self.kind == AccountKind.MAILBOX and self.send_method == EWS

    @property
    def sends_with_service_key(self) -> bool:
        """Return whether it is a mailbox that sends by a mail service, with a key beside its password."""
        return self.kind == AccountKind.MAILBOX and is_mail_service(self.send_method)

    @property
    def as_mailbox(self) -> Mailbox:
        """Return the mailbox that it is, wherever this object was read from.

        Raises:
            Mailbox.DoesNotExist: it is none.
        """
        return cast("Mailbox", self if hasattr(self, "ews_endpoint") else self.mailbox)

    def _service_key(self) -> Secret | None:
        key: Secret | None = self.as_mailbox.sendgrid_secret
        if isinstance(key, SealedSecret):
            return key.bound_to(self.secret_binding(SecretName.SENDGRID))
        return key

    @property
    def has_secret(self) -> bool:
        """Return whether a secret is stored; asks nothing of the keys."""
        return self.secret is not None
