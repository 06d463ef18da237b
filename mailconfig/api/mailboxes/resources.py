"""Mailboxes and users as resources of JSON:API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.utils.crypto import salted_hmac
from rest_framework.request import Request

from mailconfig.api.common.fields import TimeField
from mailconfig.api.common.locations import url_of
from mailconfig.delivery import event_webhook_url
from mailconfig.models import EventService, Lane, Mailbox, Purpose
from mailconfig.models.mailbox_fallbacks import says, uses_ssl

from .reading import TYPE, USER_TYPE
from .serializers import SEND_METHODS
from .writing import COLUMNS

RELATIONSHIPS: Mapping[str, str] = {
    "user": "owner_id",
    "creator": "created_by_id",
    "updater": "updated_by_id",
}
"""The column behind each."""
LINKED = ("mailAliases", "mailings")
"""Relationships that say no more than where the other side is."""
ALL_RELATIONSHIPS = (*RELATIONSHIPS, *LINKED)
HASH_SALT = "mailconfig.mailboxes.email_hash"
_TIME = TimeField()
_STRAIGHT = {
    attribute: column
    for attribute, column in COLUMNS.items()
    if column not in {"send_method", "host", "port"}
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Parts that a client wants of each resource."""

    fields: frozenset[str] | None = None
    """Attributes and relationships; ``None``: all."""
    others: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """The same of other types, by type."""
    include: tuple[str, ...] | None = None
    """Relationships whose resources are wanted as well; ``None``: nothing was said of them."""
    authorization: bool = False
    """Whether each resource says what the caller may do with it."""

    def wants(self, name: str) -> bool:
        """Return whether an attribute or relationship is wanted."""
        return self.fields is None or name in self.fields

    def of(self, other: str) -> Shape:
        """Return the shape of resources of another type that are answered beside these."""
        return Shape(fields=self.others.get(other))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The mailboxes, by key, which the caller may change or delete."""

    change: Collection[int] = field(default_factory=frozenset)
    delete: Collection[int] = field(default_factory=frozenset)


def email_hash(address: str) -> str | None:
    """Return HMAC-SHA-256, in hex, of an address in small letters, with a key made for this alone; ``None``: no address."""
    return salted_hmac(HASH_SALT, address.lower(), algorithm="sha256").hexdigest() if address else None


def attributes_of(mailbox: Mailbox, *, editable: bool) -> dict[str, Any]:
    """All attributes that are shown."""
    lanes: dict[str, Lane] = {lane.purpose: lane for lane in mailbox.lanes.all()}
    nothing = Lane()
    sending, syncing = lanes.get(Purpose.SEND, nothing), lanes.get(Purpose.SYNC, nothing)
    found = {name: _said(getattr(mailbox, column)) for name, column in _STRAIGHT.items()}
    found |= {
        "authId": None,
        "createdAt": time_of(mailbox.created_at),
        "editable": editable,
        "emailHash": email_hash(mailbox.from_email),
        "providerId": None,
        "providerType": None,
        "sendDisabled": not mailbox.is_enabled,
        "sendErroredAt": time_of(sending.last_error_at),
        "sendMethod": SEND_METHODS.get(mailbox.send_method),  # type: ignore[call-overload]
        "sendSuccessAt": time_of(sending.last_success_at),
        "sendgridWebhookUrl": _webhook_url(mailbox) if editable else None,
        "smtpHost": mailbox.host or None,
        "smtpPort": mailbox.port if mailbox.host or says(mailbox, "port") else None,
        "smtpSsl": uses_ssl(mailbox.security) if mailbox.host or says(mailbox, "security") else None,
        "syncDisabled": not mailbox.is_sync_enabled,
        "syncErroredAt": time_of(syncing.last_error_at),
        "syncFinishedAt": time_of(syncing.finished_at),
        "syncSuccessAt": time_of(syncing.last_success_at),
        "updatedAt": time_of(mailbox.updated_at),
        "userId": mailbox.owner_id if isinstance(mailbox.owner_id, int) else None,
    }
    return dict(sorted(found.items()))


def mailbox_resource(mailbox: Mailbox, request: Request, *, shape: Shape, rights: Rights) -> dict[str, Any]:
    """A mailbox, as far as it is wanted."""
    attributes = attributes_of(mailbox, editable=mailbox.pk in rights.change)
    here = url_of(request, "mailconfig-mailbox", mailbox_id=mailbox.pk)
    resource: dict[str, Any] = {
        "type": TYPE,
        "id": mailbox.pk,
        "attributes": {name: value for name, value in attributes.items() if shape.wants(name)},
        "relationships": {
            name: {"data": linkage(getattr(mailbox, column)), "links": {"related": f"{here}/{name}"}}
            for name, column in RELATIONSHIPS.items()
            if shape.wants(name)
        }
        | {name: {"links": {"related": f"{here}/{name}"}} for name in LINKED if shape.wants(name)},
        "links": {"self": here},
    }
    if shape.authorization:
        resource["meta"] = {
            "canWrite": mailbox.pk in rights.change,
            "canDelete": mailbox.pk in rights.delete,
        }
    return resource


def linkage(key: Any) -> dict[str, Any] | None:
    """A reference to a user; ``None``: there is none."""
    return None if key is None else {"type": USER_TYPE, "id": key}


def included_users(mailboxes: Sequence[Mailbox], shape: Shape) -> list[dict[str, Any]]:
    """The users that are wanted beside the mailboxes, each once."""
    columns = [RELATIONSHIPS[name] for name in shape.include or ()]
    keys = {getattr(mailbox, column) for mailbox in mailboxes for column in columns} - {None}
    found = get_user_model()._default_manager.in_bulk(keys) if keys else {}
    return [user_resource(found[key], shape.of(USER_TYPE)) for key in sorted(found)]


def user_resource(user: Any, shape: Shape) -> dict[str, Any]:
    """A user: no more than a name."""
    return {
        **cast("dict[str, Any]", linkage(user.pk)),
        "attributes": {"name": user.get_username()} if shape.wants("name") else {},
    }


def _webhook_url(mailbox: Mailbox) -> str | None:
    """Where SendGrid reports, for those who may change the mailbox: whoever knows it may report, too."""
    found = (row for row in mailbox.event_webhooks.all() if row.service == EventService.SENDGRID)
    return next(map(event_webhook_url, found), "") or None


def _said(value: Any) -> Any:
    return None if value == "" else value


def time_of(moment: datetime | None) -> str | None:
    """A moment as it is answered."""
    return _TIME.to_representation(moment) if moment else None
