"""The transport to one mail service."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from mailconfig.exceptions import LoginRefused
from mailconfig.mail_services import MAIL_SERVICES, MailService, Refusal
from mailconfig.transports.contract import Session, Surroundings
from mailconfig.transports.credentials import refused
from mailconfig.transports.http import HttpAnswer, HttpRequest
from mailconfig.transports.http.adapter import GateAdapter
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer, ConnectionSettings, Stage

from .answers import codes_of, words_of
from .backends import backend_for
from .session import ServiceSession

MOST_BYTES = 1024 * 1024
"""The longest answer that is taken."""
ONLY_SENDS = "401 restricted_api_key"
"""Resend's code for a key that may do nothing but send."""
NOT_ASKED = "not asked: no question is known that every key may ask"
NOT_FOR_THIS_KEY = "not asked: the key may not ask this"
WRONG_KEY = "Check the key: it may have been copied in part, revoked, or be of another service or region."


class ServiceTransport:
    """See :class:`mailconfig.transports.contract.Transport`. The account's host chooses a region at most."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.LOGIN)

    def __init__(self, name: str) -> None:
        """Of a service in :data:`mailconfig.mail_services.MAIL_SERVICES`."""
        self._name = name

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> Session:
        """Connect; in a check, see what the service makes of the key as well.

        Raises:
            UrlNotAllowed: the address of the service is none that the deployment allows.
            LoginRefused: there is no key, or it was refused.
            SecretUnreadable, ConnectionFailed, TLSFailed, SessionLost, ProtocolError: see the contract.
        """
        service = MAIL_SERVICES[self._name]
        url = surroundings.service_urls.get(self._name) or service.url_for(settings.host)
        scrubber = _scrubber(settings, service)
        web = replace(surroundings, policy=surroundings.web_policy or surroundings.policy)
        adapter = GateAdapter(web, most_bytes=MOST_BYTES)
        total = surroundings.timeouts.total
        adapter.deadline = None if total is None else Deadline(total)
        try:
            adapter.connection.open(url, deadline=adapter.deadline)
            if surroundings.on_stage is not None:
                if not url.startswith("https:"):
                    surroundings.on_stage(Stage.TLS, 0.0, "none")
                started = monotonic()
                detail = _see_key(url, settings, service, scrubber, adapter)
                surroundings.on_stage(Stage.LOGIN, monotonic() - started, detail)
            backend = backend_for(self._name, service, url, settings, adapter)
        except BaseException:
            adapter.close()
            raise
        return ServiceSession(
            service,
            url=url,
            backend=backend,
            return_path=_return_path(settings, service),
            adapter=adapter,
            scrubber=scrubber,
            surroundings=surroundings,
        )


def _return_path(settings: ConnectionSettings, service: MailService) -> str:
    """Return the account's own bounce address, if the service is told one; ``""``: it is not.

    Mailgun is told its domain in place of the sending domain, which an account that names one has said already.
    """
    is_said = service.user_option == "sender_domain" and settings.username
    return settings.return_path if service.return_path and not is_said else ""


def _scrubber(settings: ConnectionSettings, service: MailService) -> Scrubber:
    """Return what takes the key out of the service's words, once there is a key that can be shown.

    Raises:
        LoginRefused, SecretUnreadable: there is none; nothing was connected.
    """
    key = settings.secret.reveal() if settings.secret is not None else ""
    if not key:
        raise refused("An API key is needed to send by this service.", field="secret")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise refused("The API key has characters that no key has.", field="secret")
    if service.needs_user and not settings.username:
        raise refused("This service needs the user name as well.", field="username")
    if not settings.username.isascii():
        raise refused("The user name has characters that cannot be sent.", field="username")
    return Scrubber.for_login(settings.username if service.needs_user else "", key)


def _see_key(
    url: str, settings: ConnectionSettings, service: MailService, scrubber: Scrubber, adapter: GateAdapter
) -> str:
    """Ask what a wrong key is not answered, and return what staff may read about it.

    Raises:
        LoginRefused: the service does not know the key.
        SessionLost, ProtocolError: no answer came.
    """
    if not service.asks or settings.secret is None:
        return NOT_ASKED
    name, _, form = service.asks_with.partition(": ")
    headers = ((name, form.format(key=settings.secret.reveal())), ("Accept", "application/json"))
    answer = adapter.connection.send(
        HttpRequest(url=url + service.asks, headers=headers), deadline=adapter.deadline
    )
    words = scrubber.clean(words_of(answer.body))
    codes = codes_of(answer)
    is_wrong = any(service.codes.get(code) is Refusal.KEY for code in codes)
    if is_wrong or (answer.status == 401 and ONLY_SENDS not in codes):
        raise _key_refused(answer, words)
    if 200 <= answer.status < 300:
        return str(answer.status)
    return f"{answer.status}, {NOT_FOR_THIS_KEY}"


def _key_refused(answer: HttpAnswer, words: str) -> LoginRefused:
    return refused(
        "The service refused the API key.",
        field="secret",
        hint=WRONG_KEY,
        reply=Answer(answer.status, words),
    )
