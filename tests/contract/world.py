"""What a test of a surface starts from: two tenants, people, a row of each, and a way to call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse

from mailconfig.models import Account, AccountKind, Activity, CheckKind, ConnectionCheck, Tenant
from mailconfig.values import Secret
from tests.bearer import client_of
from tests.canary import CANARY, LOGIN
from tests.contract.people import make_people
from tests.contract.surface import Call, Surface
from tests.factories import account_values, make_account, make_mailbox, make_tenant

UNKNOWN_UUID = "6d8b1b0c-5d4f-4a86-9d58-000000000000"
OWNED = {AccountKind.OUTBOUND_EMAIL, AccountKind.MAILBOX}


@dataclass(slots=True)
class World:
    """Everything that is there."""

    surface: Surface
    port: int
    """Of the mail server that the rows name; it takes :data:`tests.canary.CANARY`."""
    tenant: Tenant = field(init=False)
    other_tenant: Tenant = field(init=False)
    people: Mapping[str, User | None] = field(init=False)
    row: Account = field(init=False)
    foreign: Account = field(init=False)
    """Of the outsider and their tenant."""
    check: ConnectionCheck = field(init=False)
    """Of the row, asked for by the keeper."""
    foreign_check: ConnectionCheck = field(init=False)

    def __post_init__(self) -> None:
        self.tenant, self.other_tenant = make_tenant(slug="acme"), make_tenant(slug="globex")
        self.people = make_people(self.tenant, self.other_tenant)
        self.row = self.make_row(self.tenant, "owner")
        self.foreign = self.make_row(self.other_tenant, "outsider")
        self.check = self.make_check(self.row, "keeper")
        self.foreign_check = self.make_check(self.foreign, "superuser")
        if self.surface.prepare is not None:
            self.surface.prepare(self)

    def make_row(self, tenant: Tenant | None, owner: str, **values: Any) -> Account:
        """An account of the surface's kind for the server, with the canary as its password."""
        kind = self.surface.kind
        plain = {
            "kind": kind,
            "tenant": tenant,
            "owner": self.people[owner] if kind in OWNED else None,
            "from_name": "Office",
            "security": "starttls",
            "username": LOGIN,
            "secret": Secret(CANARY),
        }
        make = make_mailbox if kind == AccountKind.MAILBOX else make_account
        return make(**account_values(self.port, **plain | values))

    def make_check(self, account: Account, by: str) -> ConnectionCheck:
        """One that waits."""
        return ConnectionCheck.objects.create(
            kind=CheckKind.CONNECTION, account=account, requested_by=self.people[by], tenant=account.tenant
        )

    def places(self, row: Account | None = None, **others: str) -> dict[str, str]:
        """The parameters of routes: those of ``row``."""
        row = row or self.row
        check = self.foreign_check if row == self.foreign else self.check
        tenant = row.tenant.slug if row.tenant else ""
        found = {"check_id": str(check.uuid), "tenant_id": tenant, "tenant": tenant}
        if self.surface.row_parameter:
            found[self.surface.row_parameter] = self.surface.key(row)
        return found | self.surface.places_below(row) | others

    def unknown_places(self) -> dict[str, str]:
        """Of what is not there."""
        found = {"check_id": UNKNOWN_UUID, "tenant_id": "nobody", "tenant": "nobody"}
        if self.surface.row_parameter:
            found[self.surface.row_parameter] = self.surface.unknown
        return found | dict.fromkeys(self.surface.places_below(self.row), self.surface.unknown)

    def send(self, call: Call, by: str = "keeper", **how: Any) -> HttpResponse:
        """See :func:`send`."""
        return send(self, call, self.people[by], **how)

    def valid(self, **values: Any) -> dict[str, Any]:
        """The body that creates a row whose connection works."""
        surface = self.surface
        return {**surface.template, **surface.server(self.port), surface.secret: CANARY, **values}

    def body_of(self, call: Call) -> Any:
        """What a call sends if nothing else is said; ``{port}`` in it stands for the server's."""
        if call.whole:
            return self.valid(**(call.body or {}))
        if call.body is None:
            return None
        return {name: str(self.port) if value == "{port}" else value for name, value in call.body.items()}


def send(
    world: World,
    call: Call,
    user: User | None,
    *,
    body: Any = None,
    raw: bytes | None = None,
    content_type: str = "application/json",
    places: Mapping[str, str] | None = None,
    path: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Make a call. ``body`` is sent as JSON, else ``raw`` as it is, else what the call sends."""
    surface = world.surface
    places = places if places is not None else world.places()
    headers = {
        name: surface.named(text) if name == "accept" else text for name, text in (headers or {}).items()
    }
    client = client_of(None if "authorization" in headers else user)
    if raw is None:
        value = world.body_of(call) if body is None else body
        raw = b"" if value is None else as_json(surface.document(call, value, places))
    response: HttpResponse = client.generic(
        call.method,
        call.path(places) if path is None else path,
        raw,  # type: ignore[arg-type]  # as it is
        content_type=surface.named(content_type) if raw or call.method in {"POST", "PUT", "PATCH"} else "",
        secure=surface.secure,
        headers={**surface.headers_at(places), **headers},
    )
    return response


def value_of(response: HttpResponse) -> Any:
    """Of a body that is JSON."""
    return json.loads(response.content)


def as_json(value: Any) -> bytes:
    """As a client writes it; what JSON cannot say in UTF-8 is escaped."""
    return json.dumps(value).encode()


def digest() -> str:
    """Of all rows of this package, but for that somebody was there."""
    hashed = hashlib.sha256()
    with connection.cursor() as cursor:
        for model in apps.get_app_config("mailconfig").get_models():
            if model._meta.proxy or model is Activity:
                continue
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}" ORDER BY 1')  # noqa: S608 - our own tables
            hashed.update(repr(cursor.fetchall()).encode())
    return hashed.hexdigest()


@contextmanager
def undone() -> Iterator[None]:
    """What happens within is taken back, so that many cases share one world."""
    savepoint = connection.savepoint() or ""
    try:
        yield
    finally:
        connection.savepoint_rollback(savepoint)
