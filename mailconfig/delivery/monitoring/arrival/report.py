"""The report on an account's domains: one look at DNS within one deadline, never while a page is only shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.running_checks import leaves_checks_to_workers, running_check
from mailconfig.delivery.monitoring.arrival.known import USUAL, known_sender
from mailconfig.delivery.monitoring.arrival.signed import Dkim, Dmarc, look_at_dkim, look_at_dmarc
from mailconfig.delivery.monitoring.arrival.spf import Spf, look_at_spf
from mailconfig.hostnames import check_host
from mailconfig.models import Account
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import IS_INSTALLED, NameServers

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Findings about an account. Records in it are other people's words.

    Attributes:
        domain: of the From address.
        envelope_domain: of the address that bounces go to, for which SPF counts.
        host: the server that the account hands mail to; ``""``: it has none of its own.
        include: what the service has its customers include in SPF records; ``""``: it is not known here.
        spf, dkim, dmarc: what was found.
    """

    domain: str
    envelope_domain: str
    host: str
    include: str
    spf: Spf
    dkim: Dkim
    dmarc: Dmarc


def may_look_at_arrival() -> bool:
    """Return whether this installation can ask DNS for records: it takes the extra ``mailconfig[dns]``."""
    return IS_INSTALLED


def look_at_arrival(account: Account, *, requested_by: AbstractBaseUser | None) -> Arrival | None:
    """Look up what receivers look up; takes ``DNS_SECONDS`` at most. Not to be called inside a transaction.

    Returns:
        What was found; ``None``: the account has no From address with a domain that can be looked up.

    Raises:
        Throttled: it is one of the checks that people wait for, of which as many as a process makes at once are made already.
    """
    try:
        domain = check_host(account.sender.rpartition("@")[2])
        envelope_domain = check_host(account.reverse_path.rpartition("@")[2])
    except ValueError:
        return None
    if "." not in domain:
        return None
    with nullcontext() if leaves_checks_to_workers() else running_check(requested_by):
        return _looked_up(account, domain, envelope_domain)


def _looked_up(account: Account, domain: str, envelope_domain: str) -> Arrival:
    host = _host_of(account)
    known = known_sender(account, host)
    settings = get_settings()
    ask = NameServers(settings.name_servers(), deadline=Deadline(settings.dns_seconds))
    include = known.include if known else ""
    return Arrival(
        domain=domain,
        envelope_domain=envelope_domain,
        host=host,
        include=include,
        spf=look_at_spf(ask, envelope_domain, include=include, host="" if known else host),
        dmarc=look_at_dmarc(ask, domain, envelope_domain=envelope_domain),
        dkim=look_at_dkim(ask, domain, (*(known.selectors if known else ()), *USUAL)),
    )


def _host_of(account: Account) -> str:
    try:
        return check_host(account.transport_settings().host)
    except (ValidationError, ValueError):
        return ""
