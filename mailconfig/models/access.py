"""Access to accounts and all that belongs to them: one rule, for every surface.

Permissions say what somebody may do with rows of a kind; :class:`Reach` says with which rows. Both have to allow it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.apps import apps
from django.db.models import Model, Q

from .choices import AccountKind
from .tenant import Tenant

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from .account import Account

    Person = AbstractBaseUser | AnonymousUser

Action = Literal["view", "add", "change", "delete"]

MODEL_NAMES = {
    AccountKind.OUTBOUND_EMAIL: "outboundemail",
    AccountKind.SMTP_PROVIDER: "smtpprovider",
    AccountKind.TENANT_CONFIG: "tenantmailconfig",
    AccountKind.MAILBOX: "mailbox",
}
OWNED = frozenset({AccountKind.OUTBOUND_EMAIL, AccountKind.MAILBOX})
NOBODY = Q(pk__in=[])
SEE_ALL = "see_all_tenants"
_REACH = "_mailconfig_reach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Rows that somebody may have to do with, whatever the permissions are.

    A superuser, and who holds ``see_all_tenants``: all. Others: what belongs to the active tenants that they are members of,
    what they own themselves, and, only if they belong to no tenant at all, what belongs to no tenant.
    """

    is_all: bool = False
    user_id: Any = None
    """``None``: of nobody, who reaches nothing."""
    tenants: tuple[int, ...] = ()
    """Active ones that the person belongs to."""
    without_tenant: bool = False
    """Whether what belongs to no tenant is within reach: for those who belong to none, be it an active one or not."""

    def rows(self, *, tenant: str = "tenant", owner: str = "", is_private: bool = False) -> Q:
        """Return the condition for rows that name a tenant.

        Args:
            tenant: the way from a row to its tenant.
            owner: the way to its owner; ``""``: it has none.
            is_private: of what belongs to no tenant, what belongs to another person is out of reach as well.
        """
        if self.is_all:
            return Q()
        if self.user_id is None:
            return NOBODY
        # Keys, not a query within the query: the database then knows how much each tenant has.
        found = Q(**{f"{tenant}__in": self.tenants})
        if owner:
            found |= Q(**{owner: self.user_id})
        if self.without_tenant:
            nobodys = {f"{owner}__isnull": True} if owner and is_private else {}
            found |= Q(**{f"{tenant}__isnull": True, **nobodys})
        return found

    def of_accounts(self, account: str, *, is_private: bool = False) -> Q:
        """Return the condition for rows of accounts within reach.

        Args:
            account: the way from a row to its account.
            is_private: see :meth:`rows`.
        """
        if self.is_all:
            return Q()
        accounts = apps.get_model("mailconfig", "Account")._base_manager
        within = accounts.filter(self.rows(owner="owner", is_private=is_private))
        # As a set of keys, so that the rows are found by their index on the account.
        return Q(**{f"{account}__in": within.values("pk")})


def reach_of(user: Person) -> Reach:
    """Return what ``user`` may have to do with; asked once for each object that stands for a user, as permissions are."""
    known: Reach | None = getattr(user, _REACH, None)
    if known is None:
        known = _find_reach(user)
        setattr(user, _REACH, known)
    return known


def _find_reach(user: Person) -> Reach:
    if user.pk is None or not user.is_active:
        return Reach()
    if getattr(user, "is_superuser", False) or holds(user, SEE_ALL):
        return Reach(is_all=True, user_id=user.pk)
    mine = list(Tenant.objects.filter(members=user.pk).order_by("pk").values_list("pk", "is_active"))
    active = tuple(pk for pk, is_active in mine if is_active)
    return Reach(user_id=user.pk, tenants=active, without_tenant=not mine)


def _of_check(reach: Reach) -> Q:
    """Checks of unsaved values have no account: they are of a tenant, or of whoever asked."""
    if reach.is_all:
        return Q()
    unsaved = Q(account=None) & reach.rows(owner="requested_by")
    return reach.of_accounts("account") | unsaved


def _of_change(reach: Reach) -> Q:
    """Changes outlive their account: then they are of the tenant that it had."""
    if reach.is_all:
        return Q()
    gone = Q(account=None) & reach.rows()
    return reach.of_accounts("account") | gone


def _of_deployment(reach: Reach) -> Q:
    """Rows that belong to no tenant, since they serve all of them."""
    return Q() if reach.is_all or reach.without_tenant else NOBODY


_RULES: dict[str, Callable[[Reach], Q]] = {
    **dict.fromkeys(("account", *MODEL_NAMES.values()), lambda reach: reach.rows(owner="owner")),
    **dict.fromkeys(
        ("attempt", "eventwebhook", "hourfigures", "lane", "message"),
        lambda reach: reach.of_accounts("account"),
    ),
    **dict.fromkeys(
        ("bounce", "mailing", "messageevent", "recipient"),
        lambda reach: reach.of_accounts("message__account"),
    ),
    **dict.fromkeys(("oauth2client", "suppression", "webhookendpoint"), lambda reach: reach.rows()),
    "accountchange": _of_change,
    "connectioncheck": _of_check,
    # What came in is somebody's letters, so that of another person is within nobody's reach without a tenant.
    "syncedmessage": lambda reach: reach.of_accounts("mailbox", is_private=True),
    "tenant": lambda reach: reach.rows(tenant="pk"),
    "worker": _of_deployment,
}
"""Conditions for the rows of each model, by its name: how a row leads to whom it belongs to."""


def has_rule(model: type[Model]) -> bool:
    """Return whether it is known how rows of this model lead to whom they belong to."""
    return model._meta.app_label == "mailconfig" and model._meta.model_name in _RULES


def within_reach(model: type[Model], user: Person) -> Q:
    """Return the condition for the rows of ``model`` that ``user`` may have to do with: of lists, filters, choices, counts.

    Raises:
        LookupError: it is not known how rows of this model lead to whom they belong to.
    """
    if not has_rule(model):
        msg = f"mailconfig.models.access says nothing of {model._meta.label}"
        raise LookupError(msg)
    return _RULES[model._meta.model_name or ""](reach_of(user))


def has_permission(user: Person, kind: AccountKind, action: Action) -> bool:
    """Return whether ``user`` has the model permission of that kind."""
    return holds(user, f"{action}_{MODEL_NAMES[kind]}")


def holds(user: Person, codename: str) -> bool:
    """Return whether ``user`` has a permission of this app. A host's user model need not know permissions: nobody has any."""
    ask = getattr(user, "has_perm", None)
    return ask is not None and bool(ask(f"mailconfig.{codename}"))


def may_set_secret(user: Person, account: Account) -> bool:
    """Return whether ``user``, who may change a stored account, may also enter its password, key or login: one's own, or by permission."""
    is_own = account.owner_id is not None and account.owner_id == user.pk
    return is_own or holds(user, "set_secret")


def allowed(user: Person, action: Action) -> Q:
    """Return the accounts that ``user`` may view, change or delete over an API, whose callers know of no permission but these.

    A superuser: all. Outbound e-mails and mailboxes: one's own, and with the model permission those of one's
    tenants. SMTP providers: with the model permission. Tenant configurations: with the model permission those of
    one's tenants.
    """
    if user.pk is None or not user.is_active:
        return NOBODY
    if getattr(user, "is_superuser", False):
        return Q()
    in_tenant = Q(tenant__in=Tenant.objects.for_principal(user))
    rule = Q(owner=user.pk, kind__in=OWNED)
    for kind in AccountKind:
        if has_permission(user, kind, action):
            mine = Q(kind=kind)
            rule |= mine if kind == AccountKind.SMTP_PROVIDER else mine & in_tenant
    return rule
