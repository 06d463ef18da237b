"""The mail servers of an address: by what we know of mail services, else by what its domain publishes.

DNS is asked without DNSSEC, so whoever is on the way may answer. RFC 6186 §6 has a person confirm what such answers lead to, unless
it is the domain's own. Here a server counts as sure if its name is one of ours (a preset, by the address's own domain or by the hosts of
its MX: the worst that a forged answer does is to show the password to a great mail service, over verified TLS), or if it is
the address's domain or lies below it. Any other is shown to the person, who sends the password there or does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.running_checks import leaves_checks_to_workers, running_check
from mailconfig.delivery.web import web_surroundings
from mailconfig.hostnames import check_host
from mailconfig.presets import PRESETS, preset_of_domain, preset_of_mail_host
from mailconfig.transports.discovery import (
    FoundServer,
    FoundServers,
    find_by_autoconfig,
    find_by_services,
)
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import NameServers, Outcome
from mailconfig.values import Security

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

IMAP_TLS_PORT = 993


class FoundBy(StrEnum):
    """Ways in which the mail servers of an address were found."""

    ADDRESS = "address"
    """The domain is a known mail service's."""
    EXCHANGE = "mx"
    """The domain has its mail sent to a known mail service."""
    SERVICE = "srv"
    AUTOCONFIG = "autoconfig"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedAddress:
    """The mail servers of an address."""

    found_by: FoundBy
    sending: FoundServer
    """With the user name that is entered there."""
    reading: FoundServer | None = None
    preset: str = ""
    """The mail service, if it is a known one."""
    is_sure: bool = False
    """Whether a password may go there before anybody has looked at the server's name."""
    refuses_passwords: bool = False


def recognise_address(*, address: str, requested_by: AbstractBaseUser | None) -> RecognisedAddress | None:
    """Find the mail servers of an address. Not to be called inside a transaction: it may ask DNS and a web server.

    Where only workers connect nobody is asked, and mail services are known by their own domains only.

    Returns:
        ``None``: they were not found.

    Raises:
        Throttled: somebody would have to be asked, and others wait for that already.
    """
    domain = domain_of(address)
    if not domain:
        return None
    if preset := preset_of_domain(domain):
        return _of_preset(preset, address, FoundBy.ADDRESS)
    if leaves_checks_to_workers():
        return None
    with running_check(requested_by):
        return _published(address, domain)


def domain_of(address: str) -> str:
    """Return the domain of an address as a host is written; ``""``: it has none that could be asked for."""
    local, _at, domain = address.strip().rpartition("@")
    try:
        return check_host(domain) if local and not domain[-1:].isdecimal() and ":" not in domain else ""
    except ValueError:
        return ""


def _published(address: str, domain: str) -> RecognisedAddress | None:
    settings = get_settings()
    deadline = Deadline(settings.dns_seconds)
    ask = NameServers(settings.name_servers(), deadline=deadline)
    exchanges = ask.exchanges(domain)
    first = min((exchange.preference for exchange in exchanges.records), default=0)
    for exchange in exchanges.records:
        # Others take mail only while the first are away (RFC 5321 §5.1): who runs those does not know the password.
        if exchange.preference == first and (preset := preset_of_mail_host(exchange.host)):
            return _of_preset(preset, address, FoundBy.EXCHANGE)
    if found := find_by_services(domain, ask):
        return _of_servers(found, address, domain, FoundBy.SERVICE)
    if exchanges.outcome in {Outcome.NO_NAME, Outcome.FAILED}:
        return None  # its web server has no name either, or nobody could say which
    surroundings = web_surroundings(within=settings.dns_seconds)
    # At the domain of an address: what is written here is asked for, in whatever letters the address came.
    found = find_by_autoconfig(f"{address.strip().rpartition('@')[0]}@{domain}", surroundings)
    return _of_servers(found, address, domain, FoundBy.AUTOCONFIG) if found else None


def _of_preset(name: str, address: str, found_by: FoundBy) -> RecognisedAddress | None:
    preset = PRESETS[name]
    if not preset.host:
        return None
    username = preset.username or address.strip()
    reading = None
    if preset.imap_host:
        reading = FoundServer(
            host=preset.imap_host, port=IMAP_TLS_PORT, security=Security.TLS, username=username
        )
    return RecognisedAddress(
        found_by=found_by,
        sending=FoundServer(host=preset.host, port=preset.port, security=preset.security, username=username),
        reading=reading,
        preset=name,
        is_sure=True,
        refuses_passwords=preset.refuses_passwords,
    )


def _of_servers(found: FoundServers, address: str, domain: str, found_by: FoundBy) -> RecognisedAddress:
    servers = [server for server in (found.sending, found.reading) if server is not None]
    own = all(server.host == domain or server.host.endswith(f".{domain}") for server in servers)
    return RecognisedAddress(
        found_by=found_by,
        sending=_logged_in(found.sending, address),
        reading=_logged_in(found.reading, address) if found.reading else None,
        is_sure=own,
        refuses_passwords=found.only_oauth2,
    )


def _logged_in(server: FoundServer, address: str) -> FoundServer:
    return FoundServer(
        host=server.host,
        port=server.port,
        security=server.security,
        username=server.username or address.strip(),
    )
