"""Rows for generated requests to name, or all that these are ever told is that nothing is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from schemathesis.core.parameters import ParameterLocation

from mailconfig.delivery import save_webhook
from mailconfig.models import (
    Account,
    AccountKind,
    CheckKind,
    ConnectionCheck,
    MailAlias,
    Mailbox,
    MessageState,
    Suppression,
    Tenant,
    WebhookEndpoint,
)
from tests.factories import make_account, make_mailbox, make_message

KINDS: Mapping[str, AccountKind] = {
    "/api/v2/mail/providers": AccountKind.SMTP_PROVIDER,
    "/api/v2/mail": AccountKind.MAILBOX,
    "/rest": AccountKind.OUTBOUND_EMAIL,
    "": AccountKind.TENANT_CONFIG,
}
"""The kind of account that a path tells of, by how it begins; the longest first."""


def name_rows(case: Any, path: str, *, tenant: Tenant, port: int) -> None:
    """Have each parameter in the path of ``case`` name a row that was just made for it.

    Args:
        case: whose path is as the document wants it.
        path: the document's word for it.
        tenant: to whom the rows belong; it has a mail configuration.
        port: of the mail server of the accounts, on loopback.
    """
    for parameter in case.path_parameters or {}:
        key = case.path_parameters[parameter] = MAKERS[parameter](tenant, port, path)
        data = case.body.get("data") if isinstance(case.body, dict) else None
        # The body of a JSON:API resource repeats whose it is.
        if isinstance(data, dict) and "id" in data and not case.meta.is_negative_at(ParameterLocation.BODY):
            data["id"] = key


def _account(tenant: Tenant, port: int, path: str) -> Account:
    kind = next(kind for beginning, kind in KINDS.items() if path.startswith(beginning))
    if kind == AccountKind.TENANT_CONFIG:
        return Account.objects.get(kind=kind, tenant=tenant)
    if kind == AccountKind.MAILBOX:
        return _mailbox(tenant, port)
    return make_account(port, kind=kind, tenant=tenant)


def _mailbox(tenant: Tenant, port: int) -> Mailbox:
    somebody = User.objects.get(username="superuser")
    return make_mailbox(port, tenant=tenant, owner=somebody, created_by=somebody, updated_by=somebody)


def _check(tenant: Tenant, port: int, path: str) -> str:
    check = ConnectionCheck.objects.create(
        kind=CheckKind.CONNECTION,
        account=_account(tenant, port, path),
        requested_by=User.objects.get(username="superuser"),
        tenant=tenant,
    )
    return str(check.uuid)


def _webhook(tenant: Tenant) -> str:
    WebhookEndpoint.objects.filter(tenant=tenant).delete()  # it may have ten
    endpoint = WebhookEndpoint(tenant=tenant, url="https://hooks.example.com/", kinds=["account.paused"])
    save_webhook(endpoint=endpoint)
    return str(endpoint.uuid)


def _mailing(tenant: Tenant, port: int) -> str:
    mailbox = _mailbox(tenant, port)
    return str(make_message(mailbox, state=MessageState.SENT, settled_at=timezone.now()).pk)


MAKERS: Mapping[str, Callable[[Tenant, int, str], str]] = {
    "alias_id": lambda tenant, port, _path: str(
        MailAlias.objects.create(mailbox=_mailbox(tenant, port), email="alias@example.com").pk
    ),
    "check_id": _check,
    "mailbox_id": lambda tenant, port, _path: str(_mailbox(tenant, port).pk),
    "mailing_id": lambda tenant, port, _path: _mailing(tenant, port),
    "message_id": lambda tenant, port, path: str(make_message(_account(tenant, port, path)).uuid),
    "provider_id": lambda tenant, port, path: str(_account(tenant, port, path).pk),
    "record_id": lambda tenant, port, path: str(_account(tenant, port, path).uuid),
    "suppression_id": lambda tenant, _port, _path: str(
        Suppression.objects.get_or_create(tenant=tenant, address="listed@example.net", reason="bounce")[0].pk
    ),
    "tenant_id": lambda tenant, _port, _path: tenant.slug,
    "webhook_id": lambda tenant, _port, _path: _webhook(tenant),
}
"""What stands in a path for a row that is there, by the parameter's name."""
