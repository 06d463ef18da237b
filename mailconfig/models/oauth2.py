"""The app that asks for access tokens (OAuth 2.0, RFC 6749 §2), as it is registered with a service. Staff keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.hostnames import check_host
from mailconfig.secrets.fields import SealedSecret, SecretField

from .choices import SMTP, SyncMethod
from .oauth2_providers import ANY_DIRECTORY, PROVIDERS, OAuth2GrantType, OAuth2Provider
from .oauth2_rules import broken_client_rules, why_enter_client_secret_again
from .validators import validate_endpoint, validate_line
from .written import WrittenManager

if TYPE_CHECKING:
    from collections.abc import Collection

CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a destination
LONGEST_SCOPE = 1000

validate_directory = RegexValidator(
    r"\A[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?\Z",
    _("Enter the directory's id or one of its domains."),
)
validate_client_id = RegexValidator(
    r"\A[!-~]+\Z", _("Enter the id as the service shows it: no blanks, no letters outside ASCII.")
)
validate_scope = RegexValidator(
    # RFC 6749 §3.3
    r"\A[!#-\[\]-~]+(?: [!#-\[\]-~]+)*\Z",
    _("Enter the rights with one blank between them."),
)


class OAuth2Client(models.Model):
    """An app that is registered with a service, in whose name tokens are asked for. Staff keeps it.

    Whoever holds its secret may log in as each mailbox that the organisation let it into, so which accounts use it is a
    permission of its own, and its tokens are shown to the mail servers that it names and to no other.
    """

    name = models.CharField(_("name"), max_length=255, validators=[validate_line])
    provider = models.CharField(
        _("service"), max_length=16, choices=OAuth2Provider.choices, default=OAuth2Provider.MICROSOFT
    )
    directory = models.CharField(
        _("directory (tenant) of Microsoft"),
        max_length=255,
        blank=True,
        default="",
        validators=[validate_directory],
        help_text=_("Its id or a domain of it. Empty: that of whoever signs in."),
    )
    client_id = models.CharField(
        _("application (client) id"), max_length=255, validators=[validate_client_id]
    )
    secret = SecretField(_("client secret"), binding=CLIENT_SECRET)
    authorization_endpoint = models.CharField(
        _("authorization endpoint"),
        max_length=500,
        blank=True,
        default="",
        validators=[validate_endpoint],
        help_text=_("Where people sign in. Empty: as the service has it."),
    )
    token_endpoint = models.CharField(
        _("token endpoint"),
        max_length=500,
        blank=True,
        default="",
        validators=[validate_endpoint],
        help_text=_("Where tokens are given out. Empty: as the service has it."),
    )
    scopes = models.CharField(
        _("rights (scopes)"),
        max_length=LONGEST_SCOPE,
        blank=True,
        default="",
        validators=[validate_scope],
        help_text=_(
            "With one blank between them. Empty: the least that the account needs, as the service calls it."
        ),
    )
    mail_servers = models.TextField(
        _("mail servers"),
        blank=True,
        default="",
        help_text=_("One a line: where its tokens may be shown. Empty: the service's own."),
    )
    tenant = models.ForeignKey(
        "mailconfig.Tenant",
        on_delete=models.CASCADE,
        verbose_name=_("tenant"),
        related_name="oauth2_clients",
        null=True,
        blank=True,
        help_text=_("Only accounts of this tenant may use it. Empty: any may."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)

    objects = WrittenManager["OAuth2Client"]()
    _stored_destination: tuple[str, ...] | None = None

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("app registration (OAuth 2)")
        verbose_name_plural = _("app registrations (OAuth 2)")
        ordering: ClassVar = ["name", "id"]
        permissions: ClassVar = [("use_oauth2client", "Can let accounts log in by an app registration")]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="mailconfig_oauth2_provider_known", condition=Q(provider__in=OAuth2Provider.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def authorization_url(self) -> str:
        """Return where people sign in; ``""``: nobody said."""
        if self.authorization_endpoint or self.provider not in PROVIDERS:
            return self.authorization_endpoint
        facts = PROVIDERS[self.provider]
        return self._authority(facts.authority) + facts.authorization_path.format(directory=self._directory())

    def token_url(self) -> str:
        """Return where tokens are given out; ``""``: nobody said."""
        if self.token_endpoint or self.provider not in PROVIDERS:
            return self.token_endpoint
        facts = PROVIDERS[self.provider]
        authority = self._authority(facts.token_authority or facts.authority)
        return authority + facts.token_path.format(directory=self._directory())

    def _authority(self, usual: str) -> str:
        return get_settings().oauth2_authorities.get(self.provider, usual).rstrip("/")

    def _directory(self) -> str:
        return self.directory or ANY_DIRECTORY

    def scopes_for(self, grant_type: str, *, send_method: str = SMTP, sync_method: str = "") -> str:
        """Return the rights to ask for, with one blank between them: those that were entered, else the least.

        Args:
            grant_type: of an :class:`OAuth2GrantType`.
            send_method: of the account.
            sync_method: the same; ``""``: it is not synced.
        """
        if self.scopes or self.provider not in PROVIDERS:
            return self.scopes
        facts = PROVIDERS[self.provider]
        if grant_type == OAuth2GrantType.CLIENT_CREDENTIALS:
            return " ".join(facts.of_organisation)
        sends = facts.send_by.get(send_method, facts.send if send_method == SMTP else ())
        reads = facts.read_by.get(sync_method, facts.read if sync_method == SyncMethod.IMAP else ())
        wanted = (*sends, *reads, *facts.besides) if sends or reads else (*facts.send, *facts.besides)
        return " ".join(dict.fromkeys(wanted))

    def allowed_mail_servers(self) -> frozenset[str]:
        """Return the servers that its tokens may be shown to, each as :func:`check_host` has it."""
        named = self.mail_servers.split()
        if not named:
            facts = PROVIDERS.get(self.provider)
            return frozenset(facts.mail_servers if facts else ())
        return frozenset(check_host(host, listed=get_settings().allowed_hosts) for host in named)

    def lets_in(self, host: str) -> bool:
        """Return whether its tokens may be shown to this server."""
        try:
            return check_host(host, listed=get_settings().allowed_hosts) in self.allowed_mail_servers()
        except ValueError:
            return False

    def secret_binding(self, name: str) -> str:
        """Return what the client secret is bound to: where it is shown, and as whose."""
        return "\x1f".join([CLIENT_SECRET, *self.destination()])

    def destination(self) -> tuple[str, ...]:
        """Return what all its secrets are bound to: where they are shown, as whose, and to whom the tokens are.

        Where nobody named mail servers the service's own are meant, which may come to be more with a later release.
        """
        servers = " ".join(sorted(self.mail_servers.lower().split()))
        return self.provider, self.token_url(), self.client_id, servers

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any
    ) -> Self:
        """Remember the destination that the stored secret was entered for."""
        client = super().from_db(db, field_names, values, **kwargs)
        if not client.get_deferred_fields():
            client._stored_destination = client.destination()
        return client

    def destination_changed(self) -> bool:
        """Return whether the stored secret would newly be shown elsewhere, or the tokens that it gets."""
        if not isinstance(self.secret, SealedSecret) or self._stored_destination is None:
            return False
        return self._stored_destination != self.destination()

    def clean(self) -> None:
        """Refuse what may not stand in one row, whoever writes it.

        Raises:
            ValidationError: by field.
        """
        super().clean()
        if errors := broken_client_rules(self):
            raise ValidationError(errors)

    def save(self, **kwargs: Any) -> None:
        """Store the row.

        Raises:
            ValidationError: the destination changed and no new secret came with it.
        """
        if refusal := why_enter_client_secret_again(self):
            raise ValidationError({"secret": refusal})
        super().save(**kwargs)
        self._stored_destination = self.destination()
