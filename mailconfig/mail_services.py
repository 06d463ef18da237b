"""The mail services that take mail by their own interface over HTTP, and what is known about each.

Values only: the transport that speaks with them is :mod:`mailconfig.transports.services`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

API_KEY = _("API key")


class Refusal(enum.Enum):
    """Causes of a refusal that the status of an answer does not tell."""

    LIMIT = enum.auto()
    """The account has sent enough, or paid too little, for now."""
    KEY = enum.auto()
    SENDER = enum.auto()
    MESSAGE = enum.auto()
    AGAIN = enum.auto()
    """Nothing was taken, and it may be asked again."""
    DOUBT = enum.auto()
    """It was sent the same mail before, in other words, and may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailService:
    """A service, by the words of its own documents."""

    label: str
    urls: tuple[str, ...]
    """Where its interface lives, each with its final slash: the usual place first, then other regions."""
    key_name: str | _StrPromise = API_KEY
    """Its word for the secret."""
    where: str
    """The place in its console where the secret is made, in its own words."""
    key_option: str = "api_key"
    """The same, as anymail's backend takes it."""
    user_name: str | _StrPromise = ""
    """Its word for what the account's user name holds; empty: nothing does."""
    user_option: str = ""
    """The same, as anymail's backend takes it; empty with :attr:`user_name`."""
    needs_user: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    """Further options of anymail's backend that are not to come out of the host project's settings."""
    asks: str = ""
    """Path of a question without effect that a wrong key is not answered; empty: none is known that all keys may ask."""
    asks_with: str = "Authorization: Bearer {key}"
    """The header field that shows the key there."""
    idempotency_field: str = ""
    """Header field by which it knows that it was sent the same mail before."""
    writes_itself: frozenset[str] = frozenset({"date"})
    """Header fields that it writes itself, in lower case: ours are left out."""
    refused_in: str = ""
    """Field of an answer that says of each recipient who gets nothing why not."""
    again: frozenset[str] = frozenset()
    """Reasons given there that pass."""
    return_path: Literal["", "address", "domain"] = ""
    """How much it is told of a bounce address that the account has of its own."""
    repeats_id: bool = False
    """Whether its reports repeat what it is told of a mail beside what is in it (metadata, custom arguments)."""
    only_one_reply_to: bool = False
    most_recipients: int = 1000
    """Recipients that it takes in one request: the others of a mail go in the next."""
    accepted_by: frozenset[int] = frozenset(range(200, 300))
    """Statuses that say that it has the mail."""
    guessed: frozenset[str] = frozenset()
    """Words that anymail has for recipients of whom an answer says nothing, beside ``unknown``."""
    codes: Mapping[str, Refusal] = field(default_factory=dict)
    """What its own codes mean; see :func:`mailconfig.transports.services.answers.codes_of`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields of the mail that tell it what to do, and that nobody gets to see."""
    note: str | _StrPromise = ""
    """One thing that people have to know."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of its regions, the usual one first."""
        return tuple(str(urlsplit(url).hostname) for url in self.urls)

    def url_for(self, host: str) -> str:
        """Return the address of the region that this host is of, else of the usual one."""
        return dict(zip(self.hosts, self.urls, strict=True)).get(host.strip().lower(), self.urls[0])


MAIL_SERVICES: Mapping[str, MailService] = {
    "sendgrid": MailService(
        label="SendGrid",
        where="Settings → API Keys",
        urls=("https://api.sendgrid.com/v3/", "https://api.eu.sendgrid.com/v3/"),
        options={"generate_message_id": True, "merge_field_format": None, "username": None, "password": None},
        asks="scopes",
        codes={"403 from": Refusal.SENDER, "401 Maximum credits exceeded": Refusal.LIMIT},
        accepted_by=frozenset({202}),  # 200: the mail is valid, and is not sent
        repeats_id=True,
        note=_("The key needs the permission to send mail. The sender has to be verified."),
    ),
    "mailgun": MailService(
        label="Mailgun",
        where="Sending → Domain settings → Sending API keys",
        urls=("https://api.mailgun.net/v3/", "https://api.eu.mailgun.net/v3/"),
        user_name=_("sending domain"),
        return_path="domain",
        repeats_id=True,
        user_option="sender_domain",
        note=_("Without a sending domain that of the From address is used."),
    ),
    "postmark": MailService(
        label="Postmark",
        where="Servers → API Tokens",
        urls=("https://api.postmarkapp.com/",),
        key_name=_("server API token"),
        key_option="server_token",
        user_name=_("message stream"),
        user_option="message_stream",
        options={"use_bulk_api": False, "generate_message_id": False},
        asks="server",
        repeats_id=True,
        asks_with="X-Postmark-Server-Token: {key}",
        codes={
            "422 100": Refusal.AGAIN,  # maintenance
            "422 400": Refusal.SENDER,  # no sender signature
            "422 401": Refusal.SENDER,  # one that is not confirmed
            "422 405": Refusal.LIMIT,  # not allowed to send: out of credits
            "422 412": Refusal.KEY,  # the account is pending
            "422 413": Refusal.KEY,  # the account may not send
        },
        headers={"X-PM-KeepID": "true"},
        most_recipients=50,
        note=_("The sender needs a confirmed signature or domain."),
    ),
    "resend": MailService(
        label="Resend",
        where="API Keys",
        urls=("https://api.resend.com/",),
        options={"verify_attachment_extensions": True},
        asks="domains",
        repeats_id=True,
        codes={
            "400 API key is invalid": Refusal.KEY,
            "403 invalid_api_key": Refusal.KEY,
            "403 validation_error": Refusal.SENDER,
            "409 invalid_idempotent_request": Refusal.DOUBT,
            "422 invalid_from_address": Refusal.SENDER,
            "429 daily_quota_exceeded": Refusal.LIMIT,
            "429 monthly_quota_exceeded": Refusal.LIMIT,
        },
        idempotency_field="Idempotency-Key",
        most_recipients=50,
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "brevo": MailService(
        label="Brevo",
        where="SMTP & API → API Keys",
        urls=("https://api.brevo.com/v3/",),
        options={"workaround_display_name_bugs": True, "prevent_header_encoding_bugs": True},
        asks="account",
        asks_with="api-key: {key}",
        codes={"402 not_enough_credits": Refusal.LIMIT},
        repeats_id=True,
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "mailjet": MailService(
        label="Mailjet",
        where="Account settings → API Key Management",
        urls=("https://api.mailjet.com/v3.1/", "https://api.us.mailjet.com/v3.1/"),
        key_name=_("secret key"),
        key_option="secret_key",
        user_name=_("API key"),
        user_option="api_key",
        needs_user=True,
        most_recipients=50,
        return_path="address",
        guessed=frozenset({"failed"}),
        codes={"403 send-0008": Refusal.SENDER, "400 send-0008": Refusal.SENDER},
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "mailersend": MailService(
        label="MailerSend",
        where="Integrations → API tokens",
        urls=("https://api.mailersend.com/v1/",),
        key_name=_("API token"),
        key_option="api_token",
        options={"batch_send_mode": None},
        codes={"422 from.email": Refusal.SENDER},
        guessed=frozenset({"failed"}),
        asks="api-quota",
        writes_itself=frozenset({"date", "message-id"}),
        note=_("Header fields of your own need a plan that allows them."),
    ),
    "sparkpost": MailService(
        label="SparkPost",
        where="Configuration → API Keys",
        urls=("https://api.sparkpost.com/api/v1/", "https://api.eu.sparkpost.com/api/v1/"),
        options={"subaccount": None},
        return_path="address",
        codes={"400 7001": Refusal.SENDER},  # no such sending domain
        asks="account",
        asks_with="Authorization: {key}",
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "scaleway": MailService(
        label="Scaleway",
        where="Security & Identity → IAM → API keys",
        urls=("https://api.scaleway.com/transactional-email/v1alpha1/regions/fr-par/",),
        key_name=_("secret key"),
        key_option="secret_key",
        user_name=_("project ID"),
        user_option="project_id",
        needs_user=True,
        options={"region": "fr-par"},
        asks="domains",
        asks_with="X-Auth-Token: {key}",
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "mailtrap": MailService(
        label="Mailtrap",
        where="Settings → API Tokens",
        urls=("https://send.api.mailtrap.io/api/",),
        key_name=_("API token"),
        key_option="api_token",
        options={"sandbox_id": None},
        writes_itself=frozenset({"date", "message-id"}),
    ),
    "mandrill": MailService(
        label="Mandrill (Mailchimp Transactional)",
        where="Settings → SMTP & API Info",
        urls=("https://mandrillapp.com/api/1.0/",),
        codes={
            # All its errors come with status 500.
            "500 Invalid_Key": Refusal.KEY,
            "500 PaymentRequired": Refusal.LIMIT,
            "500 ServiceUnavailable": Refusal.AGAIN,
            "500 ValidationError": Refusal.MESSAGE,
        },
        return_path="domain",
        writes_itself=frozenset({"date"}),
    ),
    "unisender_go": MailService(
        label="Unisender Go",
        where="Account → Security → API key",
        urls=(
            "https://go1.unisender.ru/en/transactional/api/v1/",
            "https://go2.unisender.ru/en/transactional/api/v1/",
        ),
        options={"generate_message_id": True, "workaround_display_name_bugs": True},
        codes={
            "403 901": Refusal.LIMIT,
            "403 902": Refusal.LIMIT,
            "403 905": Refusal.LIMIT,
            "403 906": Refusal.LIMIT,
        },
        refused_in="failed_emails",
        again=frozenset({"temporary_unavailable"}),
        most_recipients=10,
        writes_itself=frozenset({"date", "message-id"}),
    ),
}
"""By the name of the send method, which is that of anymail's backend."""


def is_mail_service(send_method: str) -> bool:
    """Return whether mail leaves by a service's own interface over HTTP, so that no mail server is to be named."""
    return send_method in MAIL_SERVICES
