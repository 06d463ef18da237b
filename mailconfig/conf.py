"""The deployment's settings: the ``MAILCONFIG`` dictionary of Django's settings, typed and with its defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from .values import NetworkPolicy, Timeouts

RETRY = "retry"
HOLD = "hold"
SURFACES = ("outbound_email", "providers", "tenant_config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting; the upper-case name is the key in ``MAILCONFIG``."""

    installation_id: str = ""
    """Names this deployment. Once stored, a database found under another id sends nothing. Empty: unguarded."""
    redirect_all_to: str = ""
    """If set, every mail goes to this one address instead of its recipients."""
    outbox: bool = False
    """For the tests of a host project: nothing is connected, drained mail lands in ``mailconfig.testing.outbox``."""

    allowed_networks: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    allowed_ports: tuple[int, ...] | None = (25, 465, 587, 2465, 2525, 2587)
    allow_plain_login: bool = False
    ca_file: str | None = None
    ehlo_name: str = ""
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Overrides of :class:`mailconfig.values.Timeouts` by name, in seconds."""
    probe_seconds: float = 10.0
    """One deadline over everything in a check made while somebody waits."""

    lease_seconds: float = 90.0
    slice_seconds: float = 20.0
    """How long one drain keeps a lane before it lets others have the worker."""
    batch_size: int = 100
    """How many due messages a drain reads at once."""
    window: int = 1
    """Messages whose hand-over may be uncommitted at once; the bound on duplicates of one crash."""
    ambiguity: str = RETRY
    """What becomes of a message that may or may not have been accepted: ``retry`` or ``hold``."""
    session_messages: int = 100
    session_seconds: float = 60.0
    limit_wait_seconds: float = 1.0
    """A drain waits this long in place for a free slot of a limit; for more it frees the worker."""
    max_retries: int = 7
    """Retries of a message whose account says nothing else."""
    max_age_seconds: float = 4 * 86400.0
    """A message that could not be sent for so long has failed."""
    retry_seconds: float = 300.0
    """The first wait before a retry; doubled each time."""
    retry_cap_seconds: float = 4 * 3600.0
    backoff_seconds: tuple[float, ...] = (60.0, 120.0, 300.0, 600.0, 1800.0)
    """How long an account rests after each failed connection in a row."""
    login_retry_seconds: float = 60.0
    """When a refused login is tried once more, before the account pauses."""
    use_celery: bool = True
    """Ring Celery's workers, if Celery is installed. ``False``: only ``mailconfig_drain`` sends."""
    sweep_seconds: float = 10.0
    ring_seconds: float = 1.0

    surfaces: tuple[str, ...] = SURFACES
    """The REST surfaces that are switched on; any other answers 404 wherever it is mounted."""
    api_authentication: tuple[str, ...] = ()
    """Dotted paths of DRF authentication classes for the REST surfaces; empty: the host's own default."""
    require_https: bool = True
    """Whether the tenants' surface refuses plain http, as its clients expect."""

    inline_bytes: int = 256 * 1024
    """Messages up to this size stay in the row; larger ones go to ``storage``."""
    storage: str = "default"
    """Alias in ``STORAGES`` for the bytes of large messages. It must not be served to the public."""
    max_message_bytes: int = 25 * 1024 * 1024
    keep_sent_bytes: bool = False
    retention_days: int = 30
    """Settled messages older than this are purged. ``0`` keeps them for ever."""
    check_retention_days: int = 30

    test_mails_per_hour: int = 10
    checks_per_minute: int = 10
    checks_at_once: int = 3
    """Checks that somebody waits for, in one process at the same time. ``0``: workers make them all."""
    checks_per_hour_and_tenant: int = 60

    def network_policy(self) -> NetworkPolicy:
        """Where connections may go."""
        return NetworkPolicy(
            allowed_networks=tuple(ipaddress.ip_network(text) for text in self.allowed_networks),
            allowed_hosts=frozenset(name.lower() for name in self.allowed_hosts),
            allowed_ports=None if self.allowed_ports is None else frozenset(self.allowed_ports),
            allow_plain_login=self.allow_plain_login,
            ca_file=self.ca_file,
        )

    def smtp_timeouts(self) -> Timeouts:
        """Seconds for each phase of a drain's session."""
        return replace(Timeouts(), **self.timeouts)

    @property
    def ambiguous_after_seconds(self) -> float:
        """From when on a hand-over without outcome is given up: the dot timeout and a minute."""
        return self.smtp_timeouts().dot + min(60.0, self.lease_seconds)


_SEVERAL = frozenset(item.name for item in fields(Settings) if isinstance(item.default, tuple))


@cache
def get_settings() -> Settings:
    """The settings as they are now.

    Raises:
        ImproperlyConfigured: an unknown key, or a value that cannot be used.
    """
    given: dict[str, Any] = getattr(django_settings, "MAILCONFIG", {})
    known = {item.name for item in fields(Settings)}
    unknown = sorted(key for key in given if key != key.upper() or key.lower() not in known)
    if unknown:
        msg = f"MAILCONFIG has unknown keys: {', '.join(unknown)}"
        raise ImproperlyConfigured(msg)
    texts = [key for key, value in given.items() if isinstance(value, str) and key.lower() in _SEVERAL]
    if texts:
        msg = f"MAILCONFIG[{texts[0]!r}] is a list, not a text"
        raise ImproperlyConfigured(msg)
    values: dict[str, Any] = {
        key.lower(): tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    try:
        settings = Settings(**values)
        settings.network_policy()
        settings.smtp_timeouts()
    except (TypeError, ValueError) as error:
        msg = f"MAILCONFIG cannot be used: {error}"
        raise ImproperlyConfigured(msg) from error
    if settings.ambiguity not in {RETRY, HOLD}:
        msg = f"MAILCONFIG['AMBIGUITY'] is {RETRY!r} or {HOLD!r}, not {settings.ambiguity!r}"
        raise ImproperlyConfigured(msg)
    if "total" in settings.timeouts:
        msg = "MAILCONFIG['TIMEOUTS'] has no 'total': PROBE_SECONDS bounds what somebody waits for"
        raise ImproperlyConfigured(msg)
    if settings.window < 1:
        msg = "MAILCONFIG['WINDOW'] is at least 1"
        raise ImproperlyConfigured(msg)
    return settings


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting == "MAILCONFIG":
        get_settings.cache_clear()
