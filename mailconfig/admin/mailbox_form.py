"""The form of a mailbox: both halves, of which the second is like the first unless somebody says otherwise."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailconfig.models import Mailbox
from mailconfig.models.choices import SyncMethod
from mailconfig.models.validators import validate_line
from mailconfig.secrets.forms import SecretFormField

from . import oauth2_login
from .forms import AccountForm
from .themes import dress

RECOMMENDED = {"limit_count": 2, "limit_period": 60, "limit_per_day": 500, "limit_per_week": 5000}
"""Limits that mail services do not mind."""
HELP = {
    "imap_host": gettext_lazy(
        "The server where the mailbox is read, such as imap.example.com. Empty: the mailbox only sends."
    ),
    "imap_port": gettext_lazy("Empty: the usual one, 993 with encryption from the start, else 143."),
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
        "username", "secret", "clear_secret",
    }
)  # fmt: skip
"""What a proof of the sync depends on; the last are those that reading may share with sending."""


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
        for name, text in HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text
        if "is_sync_enabled" in self.fields:
            self.fields["is_sync_enabled"].label = gettext_lazy("Sync this mailbox")
        for name in ("imap_ssl", "imap_username", "imap_secret"):
            if name in self.fields:
                dress(self.fields[name].widget)

    def _tell_about_secret(self) -> None:
        super()._tell_about_secret()
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

    def clean(self) -> dict[str, Any]:
        """Say of the mailbox what the two halves say together."""
        cleaned = super().clean()
        mailbox = cast("Mailbox", self.instance)
        if "imap_host" in self.fields:
            self._say_user_names(mailbox, cleaned)
            self._say_passwords(mailbox, cleaned)
            if cleaned.get("imap_host"):
                mailbox.sync_method = mailbox.sync_method or SyncMethod.IMAP
            elif mailbox.sync_method == SyncMethod.IMAP:
                mailbox.sync_method = ""
        return cleaned

    @staticmethod
    def _needs_no_login(cleaned: dict[str, Any]) -> bool:
        """Return whether no half logs in."""
        return AccountForm._needs_no_login(cleaned) and not cleaned.get("imap_host")

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

    def syncs_anew(self) -> bool:
        """Return whether there is something to sync, and what reads it is another than before."""
        syncs = self.cleaned_data.get("imap_host") and self.cleaned_data.get("is_sync_enabled")
        is_other = self.instance._state.adding or not RECEIVING.isdisjoint(self.changed_data)
        return bool(syncs) and is_other and not oauth2_login.waits_for_connection(self.instance)
