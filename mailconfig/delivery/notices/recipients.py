"""Recipients of notices about an account: those who may change it, by the rules of :mod:`mailconfig.models.access`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.models import PermissionsMixin
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils.translation import get_supported_language_variant

from mailconfig.delivery.queue.routing import addresses_of
from mailconfig.exceptions import InvalidMessage
from mailconfig.models import Account, AccountKind
from mailconfig.models.access import MODEL_NAMES, OWNED
from mailconfig.models.account_queries import knows_inactive_users
from mailconfig.rendering.addressing import parse_address

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

MOST = 10
"""So many members of a tenant are told of an account, those who were added first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRecipient:
    """Person whom a notice goes to.

    Attributes:
        address: an addr-spec.
        language: a language that there are words in.
        opens_pages: whether the account's page in the admin opens for this person.
    """

    address: str
    language: str
    opens_pages: bool


def recipients_for(accounts: Collection[Account]) -> dict[int, list[NoticeRecipient]]:
    """Return who is told of each account, by its key; with a bounded number of queries, however many accounts there are.

    Its owner; if there is none to be told, those members of its active tenant who hold the permission to change accounts of
    its kind; and for an account that belongs to nobody at all the project's ``ADMINS``. Inactive people, and people without an
    address, are told nothing.

    Args:
        accounts: with ``owner`` and ``tenant`` loaded.
    """
    found: dict[int, list[NoticeRecipient]] = {}
    for kind in AccountKind:
        of_kind = [account for account in accounts if account.kind == kind]
        if of_kind:
            found |= _of_kind(kind, of_kind)
    return found


def _of_kind(kind: AccountKind, accounts: Collection[Account]) -> dict[int, list[NoticeRecipient]]:
    holders = Q(pk__in=_holders(f"mailconfig.change_{MODEL_NAMES[kind]}"))
    users: Any = get_user_model()._default_manager
    owners = {account.owner_id for account in accounts} - {None}
    may_change = set(users.filter(holders, pk__in=owners).values_list("pk", flat=True)) if owners else set()
    found: dict[int, list[NoticeRecipient]] = {}
    for account in accounts:
        owner = account.owner
        if owner is not None and (kind in OWNED or owner.pk in may_change):
            found[account.pk] = _people([owner], may_change)
        elif owner is None and account.tenant_id is None:
            found[account.pk] = _administrators()
    left = {account.tenant_id for account in accounts if not found.get(account.pk) and account.tenant_id}
    members = _members(left, holders) if left else {}
    for account in accounts:
        if not found.get(account.pk):
            found[account.pk] = members.get(account.tenant_id or 0, [])
    return found


def _members(tenants: Collection[int], holders: Q) -> dict[int, list[NoticeRecipient]]:
    """Return the first members of each active tenant that are among the holders."""
    users: Any = get_user_model()._default_manager
    place = Window(RowNumber(), partition_by=F("mail_tenants__pk"), order_by=[F("pk")])
    rows = (
        users.filter(holders, mail_tenants__in=tenants, mail_tenants__is_active=True)
        .exclude(**{f"{get_user_model().get_email_field_name()}": ""})
        .annotate(of_tenant=F("mail_tenants__pk"), place=place)
        .filter(place__lte=MOST)
    )
    found: dict[int, list[Any]] = {}
    for user in rows.order_by("pk"):
        found.setdefault(user.of_tenant, []).append(user)
    return {key: _people(users, {user.pk for user in users}) for key, users in found.items()}


def _holders(permission: str) -> Any:
    """Return the keys of the active people whom an authentication backend gives the permission.

    Asked of a backend for all people at once (``with_perm``), as Django's own can say it. A user model without permissions
    gives none to anybody.
    """
    model = get_user_model()
    users: Any = model._default_manager
    if not issubclass(model, PermissionsMixin):
        return users.none().values("pk")
    is_active = True if knows_inactive_users() else None
    found = Q(pk__in=[])
    for backend in get_backends():
        ask = getattr(backend, "with_perm", None)
        if ask is not None:
            found |= Q(pk__in=ask(permission, is_active=is_active).values("pk"))
    return users.filter(found).values("pk")


def _people(users: Iterable[AbstractBaseUser], may_change: Collection[Any]) -> list[NoticeRecipient]:
    found = []
    for user in users:
        address = _address(getattr(user, user.get_email_field_name(), None))
        if address and user.is_active:
            opens = user.pk in may_change and getattr(user, "is_staff", False) is True
            language = _language(getattr(user, "language", None))
            found.append(NoticeRecipient(address=address, language=language, opens_pages=opens))
    return found


def _administrators() -> list[NoticeRecipient]:
    addresses = filter(None, map(_address, addresses_of(settings.ADMINS)))
    language = _language(None)
    return [NoticeRecipient(address=one, language=language, opens_pages=True) for one in addresses][:MOST]


def _address(given: object) -> str:
    """Return the address by which a person is written to; ``""``: it is none."""
    try:
        return parse_address(given, what="recipient").spec if given else ""
    except InvalidMessage:
        return ""


def _language(wanted: object) -> str:
    """Return the language that a person wants, if there are words in it; else the deployment's."""
    try:
        return get_supported_language_variant(wanted if isinstance(wanted, str) else "")
    except LookupError:
        return settings.LANGUAGE_CODE
