"""Constraints that the database itself holds on accounts, whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from mailconfig.values import MOST_SESSIONS, Authentication, Security

from .choices import AccountKind, Scope

if TYPE_CHECKING:
    from .account import Account

ACCOUNT_CONSTRAINTS: list[models.BaseConstraint] = [
    models.CheckConstraint(name="mailconfig_account_kind_known", condition=Q(kind__in=AccountKind.values)),
    models.CheckConstraint(name="mailconfig_account_security_known", condition=Q(security__in=Security)),
    models.CheckConstraint(
        name="mailconfig_account_authentication_known", condition=Q(authentication__in=Authentication)
    ),
    models.CheckConstraint(name="mailconfig_account_port_valid", condition=Q(port__gte=1, port__lte=65535)),
    models.CheckConstraint(
        name="mailconfig_account_limit_has_period",
        # A comparison with NULL is no violation, so it is ruled out by name.
        condition=Q(limit_count=None) | Q(limit_period__isnull=False, limit_period__gte=1),
    ),
    models.CheckConstraint(
        name="mailconfig_account_sessions_valid",
        condition=Q(max_sessions=None) | Q(max_sessions__gte=1, max_sessions__lte=MOST_SESSIONS),
    ),
    models.CheckConstraint(
        name="mailconfig_account_deleted_has_no_secret",
        condition=Q(deleted_at=None) | Q(secret=None),
    ),
    models.CheckConstraint(
        name="mailconfig_account_scope_of_kind",
        condition=Q(scope=Scope.USER) | Q(kind=AccountKind.OUTBOUND_EMAIL),
    ),
    models.UniqueConstraint(
        name="mailconfig_one_system_account",
        fields=["scope"],
        condition=Q(scope=Scope.SYSTEM, deleted_at=None),
        violation_error_code="one_system_account",
        violation_error_message=_("There is a system account already: change that one."),
    ),
    models.UniqueConstraint(
        name="mailconfig_one_override_per_owner",
        fields=["owner"],
        condition=Q(scope=Scope.SYSTEM_OVERRIDE, deleted_at=None),
        violation_error_code="one_override_per_owner",
        violation_error_message=_("This owner has own credentials for the system account already."),
    ),
    models.UniqueConstraint(
        name="mailconfig_one_config_per_tenant",
        fields=["tenant"],
        condition=Q(kind=AccountKind.TENANT_CONFIG, deleted_at=None),
        violation_error_code="one_config_per_tenant",
        violation_error_message=_("This tenant has a mail configuration already: change that one."),
    ),
    models.UniqueConstraint(
        name="mailconfig_one_default_account",
        fields=["is_default"],
        condition=Q(is_default=True, deleted_at=None),
        violation_error_code="one_default_account",
        violation_error_message=_("Another account is the default already: take it from that one first."),
    ),
    models.CheckConstraint(
        name="mailconfig_tenant_config_has_tenant",
        condition=~Q(kind=AccountKind.TENANT_CONFIG) | Q(tenant__isnull=False) | Q(deleted_at__isnull=False),
    ),
]

CONSTRAINT_FIELDS = {
    "one_config_per_tenant": "tenant",
    "one_default_account": "is_default",
    "one_system_account": "scope",
    "one_override_per_owner": "scope",
}
"""At which field people read that one of them is broken, by the code of the error."""


def constraints_among_rows(account: Account) -> list[models.BaseConstraint]:
    """Return the constraints for which other rows may be in the way of this one: those whose condition it meets.

    All others speak of the row alone, and :func:`mailconfig.models.account_rules.broken_rules` says the same of it
    without asking the database.
    """
    return [
        constraint
        for constraint in ACCOUNT_CONSTRAINTS
        if isinstance(constraint, models.UniqueConstraint) and _meets(account, constraint.condition)
    ]


def _meets(account: Account, condition: Q | None) -> bool:
    """Return whether the row meets a condition that compares columns with values."""
    wanted: list[Any] = list(condition.children) if condition is not None else []
    return all(getattr(account, name) == value for name, value in wanted)
