"""The mail settings of a project as Django reads them: ``EMAIL_*``, or ``MAILERS`` from Django 6.1 on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any

from django.conf import settings

from mailconfig.values import Secret, Security

__all__ = ["DEFAULT", "MailSettings", "NotMapped", "Server", "default_from", "read_mail_settings"]

DEFAULT = "default"
OURS = "mailconfig.backend.EmailBackend"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
SENDS_NOTHING = {
    "django.core.mail.backends.console.EmailBackend": "it prints mail and sends none",
    "django.core.mail.backends.filebased.EmailBackend": "it writes mail into files (EMAIL_FILE_PATH) and sends none",
    "django.core.mail.backends.locmem.EmailBackend": "it keeps mail in memory, for tests, and sends none",
    "django.core.mail.backends.dummy.EmailBackend": "it throws mail away",
}
WRAPPERS = {
    "post_office.EmailBackend": "post_office",
    "post_office.backends.EmailBackend": "post_office",
    "mailer.backend.DbBackend": "mailer",
    "djcelery_email.backends.CeleryEmailBackend": "djcelery_email",
}
"""Backends that put mail into a queue, and the app that sends it later by another backend."""
SERVICES = {
    "amazon_ses": "email-smtp.<region>.amazonaws.com with SMTP credentials of SES",
    "brevo": "smtp-relay.brevo.com with an SMTP key",
    "mailersend": "smtp.mailersend.net with an SMTP user of the domain",
    "mailgun": "smtp.mailgun.org with an SMTP user of the domain",
    "mailjet": "in-v3.mailjet.com with API key and secret key",
    "mandrill": "smtp.mandrillapp.com with an API key as the password",
    "postmark": "smtp.postmarkapp.com with the server token as user name and password",
    "resend": "smtp.resend.com with the user name resend and an API key as the password",
    "sendgrid": "smtp.sendgrid.net with the user name apikey and an API key as the password",
    "sparkpost": "smtp.sparkpostmail.com with the user name SMTP_Injection and an API key as the password",
}
"""Where services that anymail calls by their API take mail by SMTP, and how one logs in there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that the settings name, with a login if both halves of one are there, as Django's backend has it."""

    alias: str
    """The name in ``MAILERS``; ``default`` for ``EMAIL_*``."""
    where: str
    """What names it, in words."""
    host: str
    port: int
    security: Security
    username: str
    password: Secret | None
    remarks: tuple[str, ...] = ()
    """What these settings say besides, which an account does not hold."""

    @property
    def logs_in(self) -> bool:
        """Return whether Django would log in there."""
        return bool(self.username) and self.password is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMapped:
    """Something in the settings that becomes no account, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Servers that the settings name, and what they name besides."""

    servers: tuple[Server, ...]
    """Each once, the default one first."""
    by_mailer: Mapping[str, Server] = field(default_factory=dict)
    """By the name in ``MAILERS``, or by the dotted path of the backend."""
    not_mapped: tuple[NotMapped, ...] = ()


def read_mail_settings() -> MailSettings:
    """Read the settings of this project. Nothing is connected."""
    mailers = getattr(settings, "MAILERS", None)
    with warnings.catch_warnings(action="ignore"):  # Django 6.1 warns of whoever reads EMAIL_*
        if isinstance(mailers, Mapping) and mailers:
            return _of_mailers(mailers)
        return _of_email_settings()


def default_from() -> tuple[str, str]:
    """Name and address of ``DEFAULT_FROM_EMAIL``; empty where it is Django's own default."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return ("", "") if address == "webmaster@localhost" else (name, address)


def _of_mailers(mailers: Mapping[Any, Any]) -> MailSettings:
    found: dict[str, Server] = {}
    left: list[NotMapped] = []
    for alias in sorted(map(str, mailers), key=lambda alias: (alias != DEFAULT, alias)):
        mailer = mailers[alias] if isinstance(mailers.get(alias), Mapping) else {}
        backend, options = str(mailer.get("BACKEND", SMTP)), mailer.get("OPTIONS") or {}
        what = f"MAILERS[{alias!r}]"
        if backend == SMTP and options.get("host"):
            found[alias] = _server(alias, what, options)
        elif backend == SMTP:
            left.append(NotMapped(what=what, why="its OPTIONS name no host"))
        elif why := _why_no_server(backend):
            left.append(NotMapped(what=what, why=why))
    return MailSettings(servers=tuple(found.values()), by_mailer=found, not_mapped=tuple(left))


def _of_email_settings() -> MailSettings:
    backends = list(_backends_in_use())
    left = [NotMapped(what=what, why=why) for what, backend in backends if (why := _why_no_server(backend))]
    if not any(backend in {SMTP, OURS} for _what, backend in backends):
        if _is_set("EMAIL_HOST"):
            why = "no backend of these settings uses it: read the settings of the deployment that sends"
            left.append(NotMapped(what="EMAIL_HOST", why=why))
        return MailSettings(servers=(), not_mapped=tuple(left))
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_USE_TLS", "EMAIL_USE_SSL")
    if not any(map(_is_set, names)):
        if any(backend == SMTP for _what, backend in backends):
            why = "it is not set; if this machine's own server at localhost is meant, set it"
            left.append(NotMapped(what="EMAIL_HOST", why=why))
        return MailSettings(servers=(), not_mapped=tuple(left))
    options = {name: getattr(settings, setting, None) for name, setting in _SETTINGS.items()}
    server = _server(DEFAULT, "EMAIL_HOST", options)
    return MailSettings(servers=(server,), by_mailer={SMTP: server, OURS: server}, not_mapped=tuple(left))


_SETTINGS = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
}
"""By the option of ``MAILERS`` that means the same."""


def _is_set(name: str) -> bool:
    return bool(settings.is_overridden(name))  # type: ignore[misc]


def _backends_in_use() -> Iterator[tuple[str, str]]:
    """Each setting that names the backend by which mail leaves, and the dotted path there."""
    backend = str(getattr(settings, "EMAIL_BACKEND", SMTP))
    wrapper = WRAPPERS.get(backend)
    if wrapper is None:
        yield "EMAIL_BACKEND", backend
    post_office: Any = getattr(settings, "POST_OFFICE", None) or {}
    behind = dict(post_office.get("BACKENDS") or {})
    if "EMAIL_BACKEND" in post_office:
        behind.setdefault(DEFAULT, post_office["EMAIL_BACKEND"])
    if wrapper == "post_office":
        behind.setdefault(DEFAULT, SMTP)
    for alias, path in behind.items():
        yield f"POST_OFFICE['BACKENDS'][{alias!r}]", str(path)
    others = {"mailer": "MAILER_EMAIL_BACKEND", "djcelery_email": "CELERY_EMAIL_BACKEND"}
    for app, name in others.items():
        if wrapper == app or _is_named(name):
            yield name, str(getattr(settings, name, SMTP))


def _is_named(name: str) -> bool:
    return isinstance(getattr(settings, name, None), str)


def _why_no_server(backend: str) -> str:
    """The reason why a backend becomes no account; ``""``: it is Django's for SMTP, ours, or one that only queues."""
    if backend in {SMTP, OURS} or backend in WRAPPERS:
        return ""
    if backend in SENDS_NOTHING:
        return SENDS_NOTHING[backend]
    if backend.startswith("anymail."):
        service = backend.split(".")[2] if backend.count(".") >= 2 else ""
        by_smtp = SERVICES.get(service, "the server that the service names for SMTP")
        return f"anymail calls the API of its service, and accounts send by SMTP: make one for {by_smtp}"
    return f"nothing is known of {backend}"


def _server(alias: str, where: str, options: Mapping[str, Any]) -> Server:
    """The server of these options, which are named as in ``MAILERS``."""
    remarks = []
    by_tls, by_ssl = bool(options.get("use_tls")), bool(options.get("use_ssl"))
    security = Security.TLS if by_ssl else Security.STARTTLS if by_tls else Security.NONE
    username, password = str(options.get("username") or ""), str(options.get("password") or "")
    if bool(username) != bool(password):
        remarks.append("only one of user name and password is set, so nothing logs in there, as with Django")
    if by_tls and by_ssl:
        remarks.append("TLS and STARTTLS are both wanted, which Django refuses: TLS from the start is taken")
    if username and password and security == Security.NONE:
        remarks.append(
            "it logs in without encryption, which ALLOW_PLAIN_LOGIN has to allow; better choose TLS or STARTTLS"
        )
    if options.get("ssl_certfile") or options.get("ssl_keyfile"):
        remarks.append(
            "a client certificate (EMAIL_SSL_CERTFILE) is not used here: the server may refuse the account"
        )
    if options.get("timeout"):
        remarks.append(
            "EMAIL_TIMEOUT is no part of an account: the deployment's TIMEOUTS say how long a server is waited for"
        )
    if unknown := sorted(set(map(str, options)) - set(_SETTINGS)):
        remarks.append(f"options that nothing is known of: {', '.join(unknown)}")
    return Server(
        alias=alias,
        where=where,
        host=str(options.get("host") or "localhost"),
        port=int(options.get("port") or (_default_port(security) if where != "EMAIL_HOST" else 25)),
        security=security,
        username=username if username and password else "",
        password=Secret(password) if username and password else None,
        remarks=tuple(remarks),
    )


def _default_port(security: Security) -> int:
    """The port that a mailer without one uses."""
    return {Security.TLS: 465, Security.STARTTLS: 587}.get(security, 25)
