"""Servers of a project's settings become accounts that send for the project."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.hosts import require_allowed_host
from mailconfig.delivery.accounts.save import save_account
from mailconfig.delivery.imports.mail_settings import DEFAULT, NotMapped, Server, default_from
from mailconfig.exceptions import HostNotAllowed
from mailconfig.models import Account, SMTPProvider
from mailconfig.presets import PRESETS
from mailconfig.values import Authentication

__all__ = ["PlannedAccount", "plan_account", "store_account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAccount:
    """The account of a server."""

    server: Server
    account: Account
    """The one that is there already, or a new one that is not stored yet."""
    is_new: bool
    remarks: tuple[str, ...] = ()
    """What its person has to know, a sentence each."""


def plan_account(server: Server) -> PlannedAccount | NotMapped:
    """Return the account that there is for this server and login, else a new one, or why there cannot be one.

    Who changed the account since it was made finds it unchanged by this.
    """
    there = _find(server)
    if there is not None:
        return PlannedAccount(server=server, account=there, is_new=False, remarks=server.remarks)
    account = _new(server)
    try:
        account.full_clean()
    except ValidationError as error:
        why = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        return NotMapped(what=server.where, why=why)
    remarks = (*server.remarks, *_remarks(account, server))
    return PlannedAccount(server=server, account=account, is_new=True, remarks=remarks)


def store_account(planned: PlannedAccount) -> PlannedAccount:
    """Store it if it is new, and return it as it is stored. Nothing is connected."""
    if planned.is_new:
        save_account(account=planned.account, by=None)
    return planned


def _find(server: Server) -> Account | None:
    rows = Account.objects.kept().filter(
        host__iexact=server.host, port=server.port, username=server.username, owner=None, tenant=None
    )
    return rows.defer("secret").order_by("pk").first()


def _new(server: Server) -> Account:
    from_name, from_email = default_from()
    own = server.username if "@" in server.username else ""
    if server.alias != DEFAULT and own and own.lower() != from_email.lower():
        from_name, from_email = "", own
    return SMTPProvider(
        name=_free_name(server),
        preset=next((name for name, preset in PRESETS.items() if preset.host == server.host.lower()), ""),
        host=server.host,
        port=server.port,
        security=server.security,
        authentication=Authentication.PASSWORD if server.logs_in else Authentication.NONE,
        username=server.username,
        secret=server.password,
        from_email=from_email or own,
        from_name=from_name,
        serves_project=True,
        is_default=server.alias == DEFAULT and not Account.objects.kept().filter(is_default=True).exists(),
    )


def _free_name(server: Server) -> str:
    """The name that code used for it, if no other account has that: a name that two have finds neither."""
    is_taken = Account.objects.kept().filter(name=server.alias).exists()
    return f"{server.alias} ({server.host})" if is_taken else server.alias


def _remarks(account: Account, server: Server) -> list[str]:
    found = []
    if server.alias == DEFAULT and not account.is_default:
        found.append("another account is the default one already, and stays it")
    if not account.named_sender:
        found.append("no from address is known (DEFAULT_FROM_EMAIL is not set): give the account one")
    return [*found, *_unreachable(account)]


def _unreachable(account: Account) -> list[str]:
    """Reasons why this deployment would not connect there; the names of public servers are not looked up."""
    settings = get_settings()
    found = []
    if settings.allowed_ports is not None and account.port not in settings.allowed_ports:
        found.append(f"the port {account.port} is not among ALLOWED_PORTS")
    is_inside = "." not in account.host.rstrip(".") and ":" not in account.host
    try:
        require_allowed_host(host=account.host)
    except HostNotAllowed:
        found.append("connections to this address are not allowed: ALLOWED_NETWORKS has to list it")
    else:
        if is_inside and account.host not in settings.allowed_hosts and not settings.allowed_networks:
            found.append(
                "this is a name within your own network: ALLOWED_HOSTS or ALLOWED_NETWORKS has to list it"
            )
    return found
