"""The form of a mailbox: both halves, of which the second is like the first unless somebody says otherwise."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Mailbox
from mailconfig.models.choices import MailboxSendMethod, SyncMethod, VerifyMode
from mailconfig.models.validators import validate_endpoint, validate_line
from mailconfig.secrets.forms import SecretFormField

from . import oauth2_login, send_methods
from .forms import AccountForm
from .themes import dress

RECOMMENDED = {"limit_count": 2, "limit_period": 60, "limit_per_day": 500, "limit_per_week": 5000}
"""Limits that mail services do not mind."""
HELP = {
    "imap_host": gettext_lazy(
        "The server where the mailbox is read, such as imap.example.com. Empty: the mailbox only sends."
    ),
    "imap_port": gettext_lazy("Empty: the usual one, 993 with encryption from the start, else 143."),
    "ews_endpoint": gettext_lazy(
        "Such as https://mail.example.com/EWS/Exchange.asmx. User name and password are those above."
    ),
    "exchange_version": gettext_lazy(
        "Empty: the usual one, which Exchange since 2010 and Exchange Online speak."
    ),
    "ews_verify_mode": gettext_lazy(
        "Empty: it is verified. Not verified means that whoever stands between reads the password and all mail; it is"
        " refused unless the deployment allows it."
    ),
    "is_sync_enabled": gettext_lazy(
        "What comes in is read and stored here, and nothing is changed at the server: no message is marked as read, moved or deleted."
    ),
    "sync_interval": gettext_lazy("1800: every half hour."),
    "active_sync_interval": gettext_lazy(
        "While the owner uses this application. Empty: as the deployment says."
    ),
    "sync_exclusions": gettext_lazy(
        "One pattern a line, such as *@example.com or private.example. Mail with these people is not even fetched."
    ),
}
RECEIVING = frozenset(
    {
        "imap_host", "imap_port", "imap_ssl", "imap_username", "imap_secret", "is_sync_enabled", "syncs_outreach_folder",
        "reads_by_gmail", "username", "secret", "clear_secret",
    }
)  # fmt: skip
"""What a proof of the sync depends on; the last are those that reading may share with sending."""
EXCHANGE = frozenset({"ews_endpoint", "exchange_version", "ews_verify_mode"})
"""What a proof depends on besides, of a half that Exchange's web service has."""


class MailboxForm(AccountForm):
    """A mailbox as a person edits it. User name and password for sending serve for reading, unless others are entered."""

    imap_ssl = forms.TypedChoiceField(
        label=gettext_lazy("IMAP encryption"),
        required=False,
        coerce=lambda value: value == "True",
        empty_value=None,
        choices=[
            ("True", gettext_lazy("always: from the start on port 993, by STARTTLS on any other")),
            ("", gettext_lazy("if the server offers it")),
        ],
    )
    reads_by_gmail = forms.BooleanField(
        label=gettext_lazy("Read by Gmail's own interface"),
        required=False,
        help_text=gettext_lazy(
            "Instead of IMAP, with the login by OAuth 2 of an app registration of Google's. The folder Outreach is the label of that name."
        ),
    )
    finds_exchange = forms.BooleanField(
        label=gettext_lazy("Use Exchange, and find its address"),
        required=False,
        help_text=gettext_lazy(
            "By the mailbox's address, if the field below is empty: Microsoft 365 is known, any other is asked for by Autodiscover."
        ),
    )
    autodiscover_url = forms.CharField(
        label=gettext_lazy("Address of Autodiscover"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        validators=[validate_endpoint],
        help_text=gettext_lazy(
            "Empty: within the domain of the mailbox's address. A server that is named here may have the password when it asks."
        ),
    )
    imap_username = forms.CharField(
        label=gettext_lazy("IMAP user name"),
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        validators=[validate_line],
        help_text=gettext_lazy("Empty: the one for sending."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("instance") is None:
            initial = {**RECOMMENDED, "imap_ssl": "True", **(kwargs.get("initial") or {})}
            kwargs["initial"] = initial
        super().__init__(*args, **kwargs)
        mailbox = cast("Mailbox", self.instance)
        if not mailbox._state.adding:
            self.initial["imap_ssl"] = "True" if mailbox.imap_ssl else ""
            is_said = mailbox.login_name or mailbox.smtp_login_name or mailbox.imap_host
            is_other = bool(is_said) and mailbox.login != mailbox.username
            self.initial["imap_username"] = mailbox.login if is_other else ""
        self.initial.setdefault("reads_by_gmail", mailbox.sync_method == SyncMethod.GMAIL_API)
        if "ews_verify_mode" in self.fields:
            choices = [("", gettext_lazy("verified")), (VerifyMode.NONE.value, gettext_lazy("not verified"))]
            stored = mailbox.ews_verify_mode
            if stored:
                choices[0] = (str(stored), choices[0][1])
            cast("forms.ChoiceField", self.fields["ews_verify_mode"]).choices = choices
        for name, text in HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text
        if "is_sync_enabled" in self.fields:
            self.fields["is_sync_enabled"].label = gettext_lazy("Sync this mailbox")
        if send_methods.FIELD in self.fields:
            cast("send_methods.SendMethodSelect", self.fields[send_methods.FIELD].widget).of_mailbox = True
        for name in ("imap_ssl", "imap_username", "autodiscover_url", "imap_secret", send_methods.KEY_FIELD):
            if name in self.fields:
                dress(self.fields[name].widget)

    def _tell_about_secret(self) -> None:
        super()._tell_about_secret()
        self._tell_about_key()
        field = self.fields.get("imap_secret")
        if not isinstance(field, SecretFormField):
            return
        mailbox = cast("Mailbox", self.instance)
        if mailbox.imap_secret is not None and mailbox.has_own_smtp_secret:
            field.help_text = _(
                "A password of its own is stored. Leave this empty to keep it; it is never shown."
            )
        else:
            field.help_text = _("Empty: the password for sending.")
        if self.data and self.data.get(self.add_prefix("imap_secret")):
            field.help_text = _("The password that you typed is not kept in the page: enter it again.")

    def _tell_about_key(self) -> None:
        field = self.fields.get(send_methods.KEY_FIELD)
        if not isinstance(field, SecretFormField):
            return
        field.help_text = _("No key is stored.")
        if cast("Mailbox", self.instance).sendgrid_secret is not None:
            field.help_text = _("A key is stored. Leave this empty to keep it; it is never shown.")

    def clean(self) -> dict[str, Any]:
        """Say of the mailbox what the two halves say together."""
        cleaned = super().clean()
        mailbox = cast("Mailbox", self.instance)
        if "imap_host" in self.fields:
            self._say_user_names(mailbox, cleaned)
            self._say_passwords(mailbox, cleaned)
            self._say_sync_method(mailbox, cleaned)
        if "ews_endpoint" in self.fields:
            self._say_send_method(mailbox, cleaned)
        return cleaned

    @staticmethod
    def _say_sync_method(mailbox: Mailbox, cleaned: dict[str, Any]) -> None:
        """Gmail's own interface reads where that is chosen; Exchange's where no IMAP server is named."""
        if cleaned.get("reads_by_gmail"):
            mailbox.sync_method = SyncMethod.GMAIL_API
            return
        if mailbox.sync_method == SyncMethod.GMAIL_API:
            mailbox.sync_method = ""
        if cleaned.get("imap_host"):
            mailbox.sync_method = mailbox.sync_method or SyncMethod.IMAP
        elif mailbox.sync_method in {"", SyncMethod.IMAP, SyncMethod.EWS}:
            mailbox.sync_method = SyncMethod.EWS if cleaned.get("ews_endpoint") else ""

    def _say_send_method(self, mailbox: Mailbox, cleaned: dict[str, Any]) -> None:
        """Exchange sends where no SMTP server is named."""
        # What is chosen is put on the mailbox after this, as it stands in the cleaned values.
        chosen = cleaned.get(send_methods.FIELD) or mailbox.send_method
        by_ews = bool(cleaned.get("ews_endpoint")) and not cleaned.get("host")
        if by_ews and chosen in {MailboxSendMethod.SMTP, MailboxSendMethod.NONE}:
            chosen = MailboxSendMethod.EWS
        # Whoever named both elsewhere, and Exchange to send, meant that.
        is_said_anew = "host" in self.changed_data or not cleaned.get("ews_endpoint")
        if chosen == MailboxSendMethod.EWS and not by_ews and is_said_anew:
            chosen = MailboxSendMethod.SMTP
        mailbox.send_method = chosen
        if send_methods.FIELD in self.fields:
            cleaned[send_methods.FIELD] = chosen

    @staticmethod
    def _needs_no_login(cleaned: dict[str, Any]) -> bool:
        """Return whether no half logs in."""
        reads = cleaned.get("imap_host") or cleaned.get("ews_endpoint") or cleaned.get("reads_by_gmail")
        return AccountForm._needs_no_login(cleaned) and not reads

    @staticmethod
    def _say_user_names(mailbox: Mailbox, cleaned: dict[str, Any]) -> None:
        """The mailbox's own user name is that for reading; one for sending stands beside it only if it is another."""
        sends_as, reads_as = cleaned.get("username") or "", cleaned.get("imap_username") or ""
        login = reads_as or sends_as
        mailbox.login_name = "" if login == (cleaned.get("from_email") or "") else login
        mailbox.smtp_login_name = sends_as if reads_as and sends_as != reads_as else ""

    @staticmethod
    def _say_passwords(mailbox: Mailbox, cleaned: dict[str, Any]) -> None:
        """One that is entered for reading alone parts the two; the same one entered twice joins them again."""
        sending, reading = cleaned.get("secret"), cleaned.get("imap_secret")
        if reading is None:
            return
        if sending is None and mailbox.secret is None:
            # There is none to part from: it is the mailbox's, whether sending needs one or not.
            mailbox.secret = reading
        is_same = sending is not None and sending.reveal() == reading.reveal()
        mailbox.has_own_smtp_secret = not is_same and mailbox.secret is not reading
        mailbox.has_password_besides = mailbox.has_own_smtp_secret

    def _update_errors(self, errors: ValidationError) -> None:
        """Exchange's password is the one above: what is said of it is said there."""
        found = getattr(errors, "error_dict", {})
        if "ews_secret" in found:
            errors = ValidationError({**found, "secret": found["ews_secret"]})
            del errors.error_dict["ews_secret"]
        super()._update_errors(errors)

    def connects_anew(self) -> bool:
        """Return whether what was entered is a connection that nobody has tried yet."""
        if super().connects_anew():
            return True
        waits = oauth2_login.waits_for_connection(self.instance)
        return self.instance.sends_by_ews and not waits and not EXCHANGE.isdisjoint(self.changed_data)

    def syncs_anew(self) -> bool:
        """Return whether there is something to sync, and what reads it is another than before."""
        method = cast("Mailbox", self.instance).sync_method
        by_ews = method == SyncMethod.EWS
        names = {SyncMethod.EWS: "ews_endpoint", SyncMethod.GMAIL_API: "reads_by_gmail"}
        server = self.cleaned_data.get(names.get(SyncMethod(method), "imap_host") if method else "imap_host")
        syncs = server and self.cleaned_data.get("is_sync_enabled")
        decisive = RECEIVING | EXCHANGE if by_ews else RECEIVING
        is_other = self.instance._state.adding or not decisive.isdisjoint(self.changed_data)
        return bool(syncs) and is_other and not oauth2_login.waits_for_connection(self.instance)
