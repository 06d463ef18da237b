"""The deployment's settings: the ``MAILCONFIG`` dictionary of Django's settings, typed and with its defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, Literal, get_type_hints

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from .mail_services import MAIL_SERVICES
from .setting_types import (
    Authority,
    Count,
    Days,
    EhloName,
    ListedHost,
    Name,
    NameServer,
    NetworkText,
    Octets,
    Port,
    Quota,
    Retries,
    Seconds,
    Sessions,
    Wait,
    shown,
    split_name_server,
    to_kind,
)
from .values import NetworkPolicy, Timeouts

RETRY: Final = "retry"
HOLD: Final = "hold"
SERVICES_BY_HTTP = (*MAIL_SERVICES, "gmail_api")
"""Services whose interfaces over HTTP are spoken, by send or sync method."""
SURFACES = ("outbound_email", "providers", "tenant_config", "mailboxes", "email_service")

OAUTH2_SERVICES = ("microsoft", "google")
"""Services whose usual places are known."""
DEFAULT_CONCURRENCY = 20
DEFAULT_SYNC_CONCURRENCY = 10
"""Accounts that one process drains at the same time on PostgreSQL, unless ``CONCURRENCY`` says otherwise."""
SHARED_CONNECTIONS = 6
"""Connections to PostgreSQL that all accounts in hand of one process share. Python runs one thread at a time, so more would only
wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting; the upper-case name is the key in ``MAILCONFIG``, and the annotation is what is checked."""

    installation_id: Name = ""
    """Names this deployment. A database that was stored under another id, or under one while this is empty, sends
    nothing."""
    redirect_all_to: str = ""
    """If set, every mail goes to this one address instead of its recipients."""
    outbox: bool = False
    """For the tests of a host project: nothing is connected, drained mail lands in ``mailconfig.testing.outbox``."""

    allowed_networks: tuple[NetworkText, ...] = ()
    allowed_hosts: tuple[ListedHost, ...] = ()
    allowed_ports: tuple[Port, ...] | None = (25, 465, 587, 2465, 2525, 2587)
    allow_plain_login: bool = False
    allow_unverified_tls: bool = False
    """Whether a mailbox may ask (``ewsSslVerifyMode`` 0) for a connection whose certificate nobody looks at."""
    ca_file: str | None = None
    web_ports: tuple[Port, ...] | None = (443,)
    """Ports of the URLs that we connect to ourselves. ``None`` allows any."""
    allow_plain_http: bool = False
    """Whether such a URL may begin with ``http://``."""
    attachment_hosts: tuple[ListedHost, ...] = ()
    """The only hosts that files to be attached are fetched from; empty: any public one."""
    attachment_networks: tuple[NetworkText, ...] = ()
    """Networks that files may be fetched from although they are not public."""
    attachment_seconds: Seconds = 120.0
    """One deadline over all files of a mail, at each try."""
    webhook_networks: tuple[NetworkText, ...] = ()
    """Networks that tenants' webhooks may be in although they are not public."""
    webhook_seconds: Seconds = 10.0
    """One deadline over each request to a webhook."""
    ehlo_name: EhloName = ""
    timeouts: Mapping[str, Seconds] = field(default_factory=dict)
    """Overrides of :class:`mailconfig.values.Timeouts` by name, in seconds."""
    probe_seconds: Seconds = 10.0
    """One deadline over everything in a check made while somebody waits."""

    dns_servers: tuple[NameServer, ...] = ()
    """Name servers that are asked for records other than the addresses of hosts; empty: those that the operating system asks."""
    dns_seconds: Seconds = 5.0
    """One deadline over all such questions of one look-up that somebody waits for."""

    concurrency: Count | None = None
    """Accounts that one process drains at the same time; ``None``: 20, and 1 on SQLite."""
    max_sessions: Sessions = 1
    """Sessions over which one account may send at the same time, unless it or its mail service says otherwise."""
    stop_seconds: Seconds = 25.0
    """How long a worker that is to end waits for the mails in hand."""
    lease_seconds: Seconds = 90.0
    slice_seconds: Seconds = 20.0
    """How long one drain keeps a lane before it lets others have the worker."""
    batch_size: Count = 100
    """How many due messages a drain reads at once."""
    window: Count = 1
    """Messages whose hand-over may be uncommitted at once; the bound on duplicates of one crash."""
    ambiguity: Literal["retry", "hold"] = RETRY
    """What becomes of a message that may or may not have been accepted: ``retry`` or ``hold``."""
    session_messages: Count = 100
    session_seconds: Seconds = 60.0
    session_idle_seconds: Seconds = 10.0
    """After so long without a command the server is asked whether it is still there."""
    limit_wait_seconds: Wait = 1.0
    """A drain waits this long in place for a free slot of a limit; for more it frees the worker."""
    max_retries: Retries = 7
    """Retries of a message whose account says nothing else."""
    max_age_seconds: Seconds = 4 * 86400.0
    """A message that could not be sent for so long has failed."""
    retry_seconds: Seconds = 300.0
    """The first wait before a retry; doubled each time."""
    retry_cap_seconds: Seconds = 4 * 3600.0
    backoff_seconds: tuple[Seconds, ...] = (60.0, 120.0, 300.0, 600.0, 1800.0)
    """How long an account rests after each failed connection in a row."""
    failover_seconds: Seconds = 300.0
    """How long an account has to be held back before the one that it fails over to sends its mail."""
    login_retry_seconds: Seconds = 60.0
    """When a refused login is tried once more, before the account pauses."""
    use_celery: bool = True
    """Ring Celery's workers, if Celery is installed. ``False``: only ``mailconfig_drain`` sends."""
    listen: bool = True
    """On PostgreSQL, tell workers with the commit that mail is due. ``False`` behind a pooler that cannot deliver it."""
    sweep_seconds: Seconds = 10.0
    ring_seconds: Seconds = 1.0

    sync_concurrency: Count | None = None
    """Mailboxes that one process syncs at the same time, besides the accounts it sends for; ``None``: 10, and 1 on SQLite."""
    sync_active_seconds: Seconds = 300.0
    """How often a mailbox is synced whose owner is there, unless it says otherwise."""
    sync_message_bytes: Octets = 256 * 1024
    """How much of a message that came in is read, and of its text stored."""
    synced_content_days: Days = 30
    """How long the text of a message that came in is kept. ``0``: it is not even read, and only headers are stored."""

    oauth2_authorities: Mapping[str, Authority] = field(default_factory=dict)
    """Where a service signs people in and gives out tokens, by the service's name, if not at its usual place: a national
    cloud, say ``{"microsoft": "https://login.microsoftonline.us"}``."""

    oauth2_redirect_base: Authority | None = None
    """Where browsers reach this site, say ``"https://mail.example.com"``: services send them back there after a sign-in. The
    host of a request is not asked, since anybody may write one. ``None``: nobody can be sent to sign in."""

    public_base_url: Authority | None = None
    """Where the world reaches this site, say ``"https://mail.example.com"``: links in mail, and the addresses at which mail
    services report, begin with it. The host of a request is not asked. ``None``: there are neither."""

    pause_notices: Literal["off", "each", "digest"] = "off"
    """Whether those who may change an account are told by mail that it paused by itself: of ``each`` pause when it begins, or
    in the ``digest`` of a day. See :mod:`mailconfig.delivery.notices`."""

    surfaces: tuple[str, ...] = SURFACES
    """The REST surfaces that are switched on; any other answers 404 wherever it is mounted."""
    api_authentication: tuple[str, ...] = ()
    """Dotted paths of DRF authentication classes for the REST surfaces; empty: the host's own default."""
    require_https: bool = True
    """Whether the tenants' surface refuses plain http, as its clients expect."""

    pii_resolver: str = ""
    """Dotted path of the class that says what PII tokens stand for; see :mod:`mailconfig.resolvers`. Empty: mail with tokens
    is refused."""
    send_api_urls: Mapping[str, Authority] = field(default_factory=dict)
    """Addresses of mail services in place of their own, each up to where its paths begin, by send method: a region that is not
    known here, a proxy, or a fake in tests, say ``{"sendgrid": "http://127.0.0.1:8025/v3/"}``."""

    pii_resolver_url: str = ""
    """Where ``mailconfig.resolvers.http.HttpResolver`` asks."""
    pii_resolver_headers: Mapping[str, str] = field(default_factory=dict)
    """Fields of its requests, such as the one that authorises it."""
    pii_resolver_seconds: Seconds = 5.0
    """How long an answer is waited for, from the look-up of a name to the last byte."""

    inline_bytes: Octets = 256 * 1024
    """Messages up to this size stay in the row; larger ones go to ``storage``."""
    storage: str = "default"
    """Alias in ``STORAGES`` for the bytes of large messages. It must not be served to the public."""
    storage_seconds: Seconds = 20.0
    """How long one answer of the storage is waited for: opening a file, or reading a piece of it."""
    max_message_bytes: Octets = 30 * 1024 * 1024
    """Files of 20 MiB together fit in, as they are when they travel."""
    envelope_domains: tuple[ListedHost, ...] = ()
    """Where a mail may have its bounces sent by ``from_email``, besides the domain of its account."""
    keep_sent_bytes: bool = False
    retention_days: Days = 30
    """Settled messages older than this are purged. ``0`` keeps them for ever."""
    check_retention_days: Days = 30
    webhook_retention_days: Days = 7
    """How long it can be seen what came of each event that a webhook was told."""

    log_addresses: bool = False
    """Whether the log may tell recipients, and the server's words with the addresses in them."""

    test_mails_per_hour: Quota = 10
    checks_per_minute: Quota = 10
    checks_at_once: Quota = 3
    """Checks that somebody waits for, in one process at the same time. ``0``: workers make them all."""
    checks_per_hour_and_tenant: Quota = 60

    def network_policy(self) -> NetworkPolicy:
        """Where connections may go."""
        return NetworkPolicy(
            allowed_networks=tuple(ipaddress.ip_network(text) for text in self.allowed_networks),
            allowed_hosts=frozenset(self.allowed_hosts),
            allowed_ports=None if self.allowed_ports is None else frozenset(self.allowed_ports),
            allow_plain_login=self.allow_plain_login,
            allow_unverified_tls=self.allow_unverified_tls,
            ca_file=self.ca_file,
        )

    def web_policy(self) -> NetworkPolicy:
        """Where requests by HTTP may go that the deployment's own settings and its administrators name."""
        return replace(
            self.network_policy(),
            allowed_ports=None if self.web_ports is None else frozenset(self.web_ports),
            allow_plain_http=self.allow_plain_http,
        )

    def attachment_policy(self) -> NetworkPolicy:
        """Where files may be fetched from: those who name them are no administrators, and see what comes."""
        return replace(
            self.web_policy(),
            allowed_networks=tuple(ipaddress.ip_network(text) for text in self.attachment_networks),
            allowed_hosts=frozenset(),
        )

    def webhook_policy(self) -> NetworkPolicy:
        """Where tenants may have their events told: those who name the URLs are no administrators."""
        return replace(
            self.web_policy(),
            allowed_networks=tuple(ipaddress.ip_network(text) for text in self.webhook_networks),
            allowed_hosts=frozenset(),
        )

    def name_servers(self) -> list[tuple[str, int]]:
        """Address and port of each of ``dns_servers``."""
        return [split_name_server(text) for text in self.dns_servers]

    def smtp_timeouts(self) -> Timeouts:
        """Seconds for each phase of a drain's session."""
        return replace(Timeouts(), **self.timeouts)

    @property
    def ambiguous_after_seconds(self) -> float:
        """From when on a hand-over without outcome is given up: the dot timeout and a minute."""
        return self.smtp_timeouts().dot + min(60.0, self.lease_seconds)


@cache
def get_settings() -> Settings:
    """The settings as they are now.

    Raises:
        ImproperlyConfigured: an unknown key, or a value that cannot be used; all of them are named.
    """
    settings, problems = _read(getattr(django_settings, "MAILCONFIG", {}))
    if problems:
        raise ImproperlyConfigured(" ".join(problems))
    return settings


def setting_problems() -> list[str]:
    """The problems of ``MAILCONFIG``, a sentence or two each; empty where all of it can be used."""
    return _read(getattr(django_settings, "MAILCONFIG", {}))[1]


def _read(given: object) -> tuple[Settings, list[str]]:
    """The settings, with its default for each that cannot be used, and what is wrong."""
    if not isinstance(given, Mapping):
        return Settings(), [f"MAILCONFIG must be a dictionary, not {shown(given)}."]
    kinds, problems = _kinds(), []
    values: dict[str, Any] = {}
    for key, value in given.items():
        if not isinstance(key, str) or key != key.upper() or key.lower() not in kinds:
            problems.append(_unknown(key, [name.upper() for name in kinds]))
            continue
        try:
            values[key.lower()] = to_kind(value, kinds[key.lower()], f"MAILCONFIG[{key!r}]")
        except ValueError as error:
            problems.append(f"{error}.")
    settings = Settings(**values)
    return settings, problems + list(_contradictions(settings))


@cache
def _kinds() -> dict[str, Any]:
    hints = get_type_hints(Settings, include_extras=True)
    return {item.name: hints[item.name] for item in fields(Settings)}


def _unknown(key: object, known: list[str]) -> str:
    name = key.upper() if isinstance(key, str) else ""
    near = [name] if name in known else get_close_matches(name, known, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"MAILCONFIG has the unknown key {shown(key)}.{meant}"


def _contradictions(settings: Settings) -> Iterator[str]:
    """Problems of values each of which could be used alone."""
    phases = [item.name for item in fields(Timeouts) if item.name != "total"]
    for name in settings.timeouts:
        if name == "total":
            yield "MAILCONFIG['TIMEOUTS'] has no 'total': PROBE_SECONDS bounds what somebody waits for."
        elif name not in phases:
            near = get_close_matches(name.lower(), phases, n=1)
            meant = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(phases)}."
            yield f"MAILCONFIG['TIMEOUTS'] has the unknown key {shown(name)}. {meant}"
    if settings.retry_cap_seconds < settings.retry_seconds:
        yield "MAILCONFIG['RETRY_CAP_SECONDS'] must be at least RETRY_SECONDS, the first wait."
    for name, authority in settings.oauth2_authorities.items():
        if name not in OAUTH2_SERVICES:
            known = ", ".join(OAUTH2_SERVICES)
            yield f"MAILCONFIG['OAUTH2_AUTHORITIES'] has the unknown service {shown(name)}. There are {known}."
        elif authority.startswith("http:") and not settings.allow_plain_http:
            yield f"MAILCONFIG['OAUTH2_AUTHORITIES'][{name!r}] begins with http, and ALLOW_PLAIN_HTTP is off."
    yield from _wrong_services(settings)
    if not settings.backoff_seconds:
        yield "MAILCONFIG['BACKOFF_SECONDS'] must name one wait at least."


def _wrong_services(settings: Settings) -> Iterator[str]:
    for name, url in settings.send_api_urls.items():
        if name not in SERVICES_BY_HTTP:
            known = ", ".join(SERVICES_BY_HTTP)
            yield f"MAILCONFIG['SEND_API_URLS'] has the unknown service {shown(name)}. There are {known}."
        elif not url.endswith("/"):
            yield f"MAILCONFIG['SEND_API_URLS'][{name!r}] has to end with a slash."
        elif url.startswith("http:") and not settings.allow_plain_http:
            yield f"MAILCONFIG['SEND_API_URLS'][{name!r}] begins with http, and ALLOW_PLAIN_HTTP is off."


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "MAILCONFIG":
        get_settings.cache_clear()
