"""The address of Exchange's web service of a mailbox: by what we know of Microsoft 365, else by Autodiscover.

Who may have the password unseen is decided as for mail servers (:mod:`.recognising`): Microsoft 365, and what lies within the address's domain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.utils.translation import gettext

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts import sentences
from mailconfig.delivery.accounts.check_record import begin, finish
from mailconfig.delivery.accounts.check_result import FAILED
from mailconfig.delivery.accounts.recognising import domain_of
from mailconfig.delivery.accounts.running_checks import leaves_checks_to_workers, running_check
from mailconfig.delivery.web import web_surroundings
from mailconfig.models import AccountKind, CheckKind, CheckState, ConnectionCheck, Mailbox
from mailconfig.models.choices import SyncMethod
from mailconfig.presets import PRESETS, preset_of_domain, preset_of_mail_host
from mailconfig.transports.discovery import (
    Autodiscovered,
    Ending,
    Login,
    find_exchange_service,
    is_within,
)
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import NameServers
from mailconfig.values import CheckResult, ErrorCode, Secret, Stage, StageResult

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

MOST_SECONDS = 20.0
"""For all that is asked, of DNS and of web servers."""
_OF_MICROSOFT = ("outlook.com", "office365.com")
"""Domains of the servers that tell of mailboxes of Microsoft 365. A forged answer shows the password to Microsoft at worst."""
_REFUSED = CheckResult(
    ok=False,
    stages=(StageResult(stage=Stage.LOGIN, outcome=FAILED),),
    code=ErrorCode.AUTH_FAILED,
    stage=Stage.LOGIN,
    guilty_field="secret",
    message=sentences.EXCHANGE_LOGIN_REFUSED,
    server_text="401",
)
_OF_THE_PASSWORD = frozenset({Ending.LOGIN_REFUSED, Ending.NEEDS_PASSWORD})
_SENTENCES = {
    Ending.LEADS_AWAY: sentences.EXCHANGE_LEADS_AWAY,
    Ending.LOGIN_REFUSED: sentences.EXCHANGE_LOGIN_REFUSED,
    Ending.NEEDS_PASSWORD: sentences.EXCHANGE_NEEDS_PASSWORD,
    Ending.NO_BASIC: sentences.EXCHANGE_NO_BASIC,
    Ending.ENDLESS: sentences.EXCHANGE_ENDLESS,
    Ending.LATE: sentences.EXCHANGE_LATE,
    Ending.NOTHING: sentences.EXCHANGE_NOT_FOUND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundExchange:
    """Outcome of a search: the service, or why there is none."""

    endpoint: str = ""
    """Address of the web service; a person looks at it first if there is a ``code``."""
    asks_at: str = ""
    """The Autodiscover that would be asked next, with the password, if a person confirms it."""
    code: str = ""
    """Of the sentence to be shown; ``""``: the password may go to the endpoint."""
    sentence: str = ""
    """That sentence, in the reader's language."""
    guilty_field: str = ""
    """Field of the account to be looked at, where it is neither of these addresses."""


def find_exchange(
    *,
    address: str,
    username: str = "",
    password: Secret | None = None,
    confirmed: str = "",
    requested_by: AbstractBaseUser | None,
) -> FoundExchange:
    """Find Exchange's web service. Not to be called inside a transaction: it may ask DNS and web servers.

    Where only workers connect nobody is asked, and Microsoft 365 is known by its own domains only.

    Args:
        address: of the mailbox.
        username: what a server that asks is told; ``""``: the address.
        password: as it was typed; ``None``: no server gets one.
        confirmed: the Autodiscover that a person named or saw: it may have the password.
        requested_by: who waits for it.

    Raises:
        Throttled: others wait for such things already, or this login was refused too often.
    """
    domain = domain_of(address)
    if not domain:
        return _said(sentences.EXCHANGE_NOT_FOUND)
    if endpoint := _endpoint_of(preset_of_domain(domain)):
        return FoundExchange(endpoint=endpoint)
    if leaves_checks_to_workers():
        return _said(sentences.EXCHANGE_NOT_FOUND)
    with running_check(requested_by):
        settings = get_settings()
        deadline = Deadline(MOST_SECONDS)
        ask = NameServers(settings.name_servers(), deadline=deadline.within(settings.dns_seconds))
        for exchange in ask.exchanges(domain).records:
            if endpoint := _endpoint_of(preset_of_mail_host(exchange.host)):
                return FoundExchange(endpoint=endpoint)
        login = None if password is None else Login(username=username or address.strip(), password=password)
        with _counted(domain, login, requested_by) as check:
            found = find_exchange_service(
                f"{address.strip().rpartition('@')[0]}@{domain}",
                web_surroundings(within=MOST_SECONDS),
                ask=NameServers(settings.name_servers(), deadline=deadline),
                deadline=deadline,
                login=login,
                confirmed=confirmed,
            )
            if check is not None and found.ending is Ending.LOGIN_REFUSED:
                finish(check, _REFUSED)
    return _judged(found, domain, confirmed)


@contextmanager
def _counted(
    domain: str, login: Login | None, requested_by: AbstractBaseUser | None
) -> Iterator[ConnectionCheck | None]:
    """Count a search with a password as a check that logs in at the address's domain; only one that was refused leaves a row.

    Which server asks for it, nobody knows before; that of the domain counts refused logins, and locks, all the same.

    Raises:
        Throttled: this login was refused too often, or this person makes too many checks.
    """
    if login is None:
        yield None
        return
    asked = Mailbox(
        kind=AccountKind.MAILBOX,
        sync_method=SyncMethod.EWS,
        ews_endpoint=f"https://{domain}/",
        login_name=login.username,
    )
    check = begin(kind=CheckKind.SYNC, account=asked, requested_by=requested_by, stored=False)
    try:
        yield check
    finally:
        ConnectionCheck.objects.filter(pk=check.pk, state=CheckState.RUNNING).delete()


def _judged(found: Autodiscovered, domain: str, confirmed: str) -> FoundExchange:
    host = urlsplit(found.url).hostname or ""
    is_of_microsoft = any(is_within(host, name) for name in _OF_MICROSOFT)
    if found.ending in {Ending.FOUND, Ending.LEADS_AWAY} and is_of_microsoft:
        return FoundExchange(endpoint=PRESETS["exchange_online"].ews_endpoint)
    if found.ending is Ending.LEADS_AWAY:
        return _said(sentences.EXCHANGE_LEADS_AWAY, host=host, asks_at=found.url)
    if found.ending is not Ending.FOUND:
        guilty_field = "secret" if found.ending in _OF_THE_PASSWORD else ""
        return _said(_SENTENCES[found.ending], guilty_field=guilty_field)
    if is_within(host, domain) or host == urlsplit(confirmed).hostname:
        return FoundExchange(endpoint=found.url)
    return _said(sentences.EXCHANGE_ELSEWHERE, host=host, endpoint=found.url)


def _said(code: str, *, host: str = "", **where: str) -> FoundExchange:
    words = gettext(sentences.TEXTS[code])
    return FoundExchange(code=code, sentence=words % {"host": host} if host else words, **where)


def _endpoint_of(preset: str) -> str:
    return PRESETS[preset].ews_endpoint if preset else ""
