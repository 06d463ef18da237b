"""The choice of an account: for a mail that names none, among those that may have it.

Anybody may keep an account that says it is somebody's address; only its own server vouched for that. So the project's
own mail is for accounts that an administrator marked, and a tenant's mail for that tenant's accounts.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextvars import ContextVar, Token
from functools import reduce, wraps
from operator import or_
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Case, Exists, OuterRef, Q, When

from mailconfig.exceptions import NoAccount
from mailconfig.models import Account, AccountKind, MailAlias, Tenant
from mailconfig.models.account_queries import AccountQuerySet
from mailconfig.models.small_letters import SmallLetters
from mailconfig.rendering.compose import from_address

__all__ = [
    "TenantReference",
    "account_for",
    "account_named",
    "addresses_of",
    "choose_accounts",
    "find_project_account",
    "routed",
    "sending_for",
]

TenantReference = Tenant | int | str
"""A tenant, its primary key or its short name."""

F = TypeVar("F", bound=Callable[..., Any])

LOOKED_UP_AT_ONCE = 100
"""Addresses that one query asks for: databases bound the length of a statement."""

_tenant: ContextVar[TenantReference | None] = ContextVar("mailconfig_tenant", default=None)


def sending_for(tenant: TenantReference | None) -> SendingFor:
    """Within this block, mail that names no account is sent by an account of this tenant, or not at all.

    Holds for this thread or async task, and what it awaits. Blocks may be nested; ``None`` is the project itself.
    What ``mail_admins`` and Django's error reports send within the block stays the project's own. As a decorator it is a block
    around each call of a function, also of an async one.

    Raises:
        TypeError, ValueError: this is no stored tenant, nor a key or short name of one.
    """
    return SendingFor(None if tenant is None else checked_tenant(tenant))


class SendingFor:
    """The block of :func:`sending_for`; each is entered once."""

    def __init__(self, tenant: TenantReference | None) -> None:
        """Keep the tenant, which was checked, until the block is entered."""
        self._tenant = tenant
        self._before: Token[TenantReference | None] | None = None

    def __enter__(self) -> None:
        """Send for the tenant from now on."""
        if self._before is not None:
            msg = "this block was entered already: call sending_for again"
            raise RuntimeError(msg)
        self._before = _tenant.set(self._tenant)

    def __exit__(self, *_: object) -> None:
        """Send for whom was sent for before."""
        if self._before is not None:
            _tenant.reset(self._before)

    def __call__(self, function: F) -> F:
        """Return the function with a block around each call, until what it awaits is done.

        Raises:
            TypeError: it yields, and between its values the block would be its caller's.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            msg = "a function that yields cannot be decorated with sending_for: open the block within it"
            raise TypeError(msg)
        called: Any = function

        @wraps(called)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with SendingFor(self._tenant):
                return await called(*args, **kwargs)

        @wraps(called)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with SendingFor(self._tenant):
                return called(*args, **kwargs)

        return cast("F", awaited if inspect.iscoroutinefunction(function) else plain)


def checked_tenant(tenant: TenantReference) -> TenantReference:
    """The reference, if it can name a tenant.

    Raises:
        TypeError, ValueError: it cannot. Taken for nothing it would mean the project, or rows without a tenant.
    """
    if isinstance(tenant, Tenant):
        if tenant.pk is None:
            msg = "the tenant is not stored"
            raise ValueError(msg)
    elif isinstance(tenant, bool) or not isinstance(tenant, (int, str)):
        msg = f"a tenant is named by its row, its key or its short name, not by {type(tenant).__name__}"
        raise TypeError(msg)
    return tenant


def account_for(message: EmailMessage) -> Account:
    """The account that sends ``message``, which names none.

    Raises:
        NoAccount: nobody does.
    """
    (pair,) = routed([message])
    return pair[1]


def routed(
    messages: Iterable[EmailMessage], *, tenant: TenantReference | None = None
) -> Iterator[tuple[EmailMessage, Account]]:
    """Each mail with the account that sends it: by its From address, then by an alias that may send, then by the domain, then the default one.

    Args:
        messages: of a sequence the accounts are asked for at once; of a generator one mail is held at a time.
        tenant: whose accounts are asked; else that of :func:`sending_for` when this is called, else those marked for the
            project.

    Raises:
        NoAccount: nobody sends one of them, as it comes.
    """
    ambient = _tenant.get() if tenant is None else None
    return _routed(messages, ambient if tenant is None else tenant, is_ambient=ambient is not None)


def _routed(
    messages: Iterable[EmailMessage], tenant: TenantReference | None, *, is_ambient: bool
) -> Iterator[tuple[EmailMessage, Account]]:
    chosen, project = Routes(tenant), Routes(None)
    if isinstance(messages, Sequence):
        chosen.look_up({from_address(message).lower() for message in messages})
    for message in messages:
        routes = project if is_ambient and _is_for_operators(message) else chosen
        yield message, routes.account_of(from_address(message))


def choose_accounts(
    messages: Iterable[EmailMessage],
    *,
    account: str | uuid.UUID | int | None = None,
    tenant: TenantReference | None = None,
) -> Iterator[tuple[EmailMessage, Account]]:
    """Pair each mail with the account that sends it.

    Args:
        messages: as for :func:`routed`.
        account: the one that sends them all, by UUID, key or name; else each mail's From address chooses.
        tenant: whose accounts are asked.

    Raises:
        NoAccount: there is no such account; or nobody sends one of them, as it comes.
    """
    if account is None:
        return routed(messages, tenant=tenant)
    named = account_named(account, tenant=tenant)
    return ((message, named) for message in messages)


def find_project_account(*, from_email: str) -> tuple[str, Account | None]:
    """Find who sends the project's own mail with this From address.

    Returns:
        The address as accounts are found by it, ``""`` if there is none, and the account; ``None``: nobody does.
    """
    address = from_address(EmailMessage(from_email=from_email))
    return address, Routes(None).find(address)


def account_named(wanted: str | uuid.UUID | int, *, tenant: TenantReference | None = None) -> Account:
    """The account that an option names by UUID, key or name.

    A UUID or key means that account, whosever it is. A name means one of those that could be chosen without it: anybody
    may call an account as another is called.

    Args:
        tenant: the account has to be this tenant's, however it is named.

    Raises:
        NoAccount: there is none, or more than one of that name.
    """
    names_row, condition = _naming(wanted)
    whose = _tenant.get() if tenant is None else tenant
    is_free = tenant is None and names_row
    rows = Account.objects.kept() if is_free else _in_question(whose)
    found = list(rows.filter(condition).defer("secret")[:2])
    if len(found) == 1:
        return found[0]
    among = "" if is_free else f" among those that send for {_said(whose)}"
    msg = f"there {'are several accounts' if found else 'is no account'} named {str(wanted)!r}{among}"
    raise NoAccount(msg)


class Routes:
    """Finds the accounts for From addresses, each asked for once.

    Args:
        tenant: whose accounts are asked; ``None``: those marked for the project.
    """

    def __init__(self, tenant: TenantReference | None) -> None:
        self._tenant = tenant
        self._found: dict[str, Account | None] = {}

    def account_of(self, sender: str) -> Account:
        """The account for this From address; ``""``: the mail names none.

        Raises:
            NoAccount: there is none.
        """
        account = self.find(sender)
        if account is None:
            raise NoAccount(self._why_nobody(sender))
        return account

    def find(self, sender: str) -> Account | None:
        """The account for this From address; ``None``: nobody sends for it."""
        key = sender.lower()
        if key not in self._found:
            self.look_up({key})
        return self._found[key]

    def look_up(self, senders: Iterable[str]) -> None:
        """Ask for the accounts of these addresses, in lower case, in as few queries as can be."""
        wanted = sorted(set(senders) - self._found.keys())
        for start in range(0, len(wanted), LOOKED_UP_AT_ONCE):
            self._ask(wanted[start : start + LOOKED_UP_AT_ONCE])

    def _ask(self, senders: list[str]) -> None:
        domains = {_domain(sender) for sender in senders} - {""}
        suits = [Q(address__in=senders), *(Q(address__endswith=f"@{domain}") for domain in domains)]
        condition = reduce(or_, suits, self._is_last_resort() | Q(has_alias=True))
        login = When(from_email="", then=SmallLetters("username"))
        aliases = MailAlias.objects.alias(address=SmallLetters("email")).filter(
            can_send=True, address__in=senders
        )
        rows = _in_question(self._tenant).annotate(
            address=Case(login, default=SmallLetters("from_email")),
            has_alias=Exists(aliases.filter(mailbox_id=OuterRef("pk"))),
        )
        accounts = sorted(rows.filter(condition).defer("secret"), key=self._rank)
        # Only where there are some: most have none, and one query does.
        named = [account.pk for account in accounts if account.has_alias]  # type: ignore[attr-defined]  # annotated
        pairs = aliases.filter(mailbox_id__in=named).values_list("mailbox_id", "email") if named else ()
        addresses = {(mailbox_id, email.lower()) for mailbox_id, email in pairs}
        for sender in senders:
            self._found[sender] = self._best(accounts, addresses, sender)

    def _is_last_resort(self) -> Q:
        return Q(is_default=True) if self._tenant is None else Q(kind=AccountKind.TENANT_CONFIG)

    def _is_default(self, account: Account) -> bool:
        return account.is_default if self._tenant is None else account.kind == AccountKind.TENANT_CONFIG

    def _rank(self, account: Account) -> tuple[bool, bool, bool, int]:
        """Order of those that suit: an enabled one, the default one, one without a tenant, the oldest one."""
        return (
            not account.is_enabled,
            not self._is_default(account),
            account.tenant_id is not None,
            account.pk,
        )

    def _best(
        self, accounts: Sequence[Account], aliases: Collection[tuple[int, str]], sender: str
    ) -> Account | None:
        domain = _domain(sender)
        tests = (
            lambda account: account.named_sender.lower() == sender,
            lambda account: (account.pk, sender) in aliases,
            lambda account: bool(domain) and _domain(account.named_sender) == domain,
            self._is_default,
        )
        for suits in tests:
            found = next((account for account in accounts if suits(account)), None)
            if found is not None:
                return found
        return None

    def _why_nobody(self, sender: str) -> str:
        what = f"mail from {sender}" if sender else "mail that names no From address"
        cure = "mark one with 'sends for the project', or make one the default account, in the admin"
        if self._tenant is not None:
            cure = "it has to be active and needs a mail configuration"
        return f"no account sends {what} for {_said(self._tenant)}: {cure}"


def _said(tenant: TenantReference | None) -> str:
    """For whom mail is sent, in words."""
    if tenant is None:
        return "the project"
    return f"the tenant {tenant.slug if isinstance(tenant, Tenant) else tenant}"


def _in_question(tenant: TenantReference | None) -> AccountQuerySet:
    """The accounts that may be chosen for a mail that names none."""
    if tenant is None:
        return Account.objects.for_project()
    if isinstance(tenant, str):
        return Account.objects.for_tenant(Q(tenant__slug=tenant))
    return Account.objects.for_tenant(Q(tenant=tenant))


def _naming(wanted: str | uuid.UUID | int) -> tuple[bool, Q]:
    """Return whether this can mean one row only, and which rows it means."""
    if isinstance(wanted, int):
        return True, Q(pk=wanted)
    try:
        return True, Q(uuid=uuid.UUID(str(wanted)))
    except ValueError:
        return False, Q(name=wanted)


def _domain(address: str) -> str:
    """The domain that accounts may be found by, in lower case; ``""``: there is none, or it is any machine's."""
    domain = address.rpartition("@")[2].lower() if "@" in address else ""
    return domain if "." in domain else ""


def _is_for_operators(message: EmailMessage) -> bool:
    """Return whether this is what ``mail_admins`` and ``mail_managers`` make: it may hold a traceback of the project."""
    people = {*addresses_of(settings.ADMINS), *addresses_of(settings.MANAGERS)}
    if message.from_email != settings.SERVER_EMAIL or not people:
        return False
    return all(recipient in people for recipient in message.recipients())


def addresses_of(entries: Iterable[str | tuple[str, str]]) -> Iterator[str]:
    """Yield the addresses of ``ADMINS``, which are pairs with names before Django 6."""
    for entry in entries:
        yield entry if isinstance(entry, str) else entry[1]
