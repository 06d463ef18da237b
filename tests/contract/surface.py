"""What the suite knows of a surface: its calls, its fields, its envelope. A value, no code of the surface's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mailconfig.models import AccountKind

Body = dict[str, Any]
JSON = "application/json"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Call:
    """A method at a route, as ``resolver_match.route`` writes it."""

    method: str
    route: str
    body: Body | None = field(default=None, compare=False)
    """What is sent if a test has nothing else in mind."""
    whole: bool = field(default=False, compare=False)
    """Whether the body is that of a row whose connection works, changed by ``body``."""

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    def path(self, places: Mapping[str, str]) -> str:
        """Where it is.

        Args:
            places: the parameters of routes by name.
        """
        return "/" + _PARAMETER.sub(lambda found: places[found[1]], self.route)

    @property
    def parameters(self) -> list[str]:
        """The names of the route's parameters."""
        return _PARAMETER.findall(self.route)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One surface. What is ``None`` it does not have."""

    name: str
    """As in ``MAILCONFIG["SURFACES"]``."""
    label: str = ""
    """If it has two entrances: of this one."""
    kind: AccountKind
    create: Call
    update: Call
    check: Call
    """Connects with what is stored; its failure is 4xx."""
    read: Call | None = None
    listing: Call | None = None
    delete: Call | None = None
    further: tuple[Call, ...] = ()
    """The rest of its calls, so that every one has a body where one is needed."""

    row_parameter: str = ""
    """What its routes call a row; empty: the tenant's name stands for the row."""
    key: Callable[[Any], str] = lambda row: str(row.pk)
    """What stands in the path for a row."""
    places_below: Callable[[Any], dict[str, str]] = lambda _row: {}
    """The further parameters of routes, for what belongs to a row."""
    shares_rows: bool = False
    """Whether rows belong to nobody: the permission alone decides."""
    unknown: str = "999999999"
    """What looks like a key and is none."""
    media_type: str = JSON
    """Of what it takes and answers."""
    longest_body: int = 2**20
    """Octets that it reads."""
    document: Callable[[Call, Any, Mapping[str, str]], Any] = lambda _call, body, _places: body
    """What is sent for the fields of a body, to a call at these places."""
    refuses_unknown: bool = False
    """Whether names that nobody knows are refused; else they are ignored."""
    host: str = "testserver"
    """The Host header; ``{tenant}`` is the slug."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further header fields of every call, likewise."""
    stores: bool = True
    """Whether what ``update`` takes is stored; else it is tried out and forgotten."""
    secure: bool = False

    prepare: Callable[[Any], None] | None = None
    """What else its world has."""
    is_asynchronous: bool = True
    """Whether ``check`` may be handed to a worker."""

    template: Body
    """Body of a row that is right but for its connection."""
    secret: str
    """The name of the password."""
    server: Callable[[int], Body]
    """The connection fields for a STARTTLS server on that port of 127.0.0.1 with a login."""
    moves: Mapping[str, tuple[Any, ...]]
    """Further values of each field that is part of the destination. ``{port}`` stands for the new server's port."""
    rename: Body
    """A change that concerns no connection."""
    fields: Mapping[str, tuple[tuple[object, ...], ...]]
    """By the name on the wire the tables of the corpus that it must refuse."""
    further_fields: Mapping[Call, Mapping[str, tuple[tuple[object, ...], ...]]] = field(default_factory=dict)
    """The same of calls that take another body."""
    required: tuple[str, ...]
    """What creating needs."""
    bad_queries: tuple[str, ...] = ()
    """Query strings that the list must refuse."""

    problem: Callable[[int, Any], set[str] | None]
    """Asserts that a body is this surface's envelope of an error; the fields it names, ``None``: it names none."""
    statuses: Mapping[int, int] = field(default_factory=dict)
    """Where this surface answers otherwise than the others: 400 by 422, say."""
    access: str
    """See :mod:`tests.contract.access`."""
    queries: str
    """See :mod:`tests.contract.test_queries`."""

    def __str__(self) -> str:
        return self.label or self.name

    def named(self, text: str) -> str:
        """A header field's text that speaks of JSON, as it speaks of what this surface takes, and the other way round."""
        if JSON in text:
            return text.replace(JSON, self.media_type)
        return text.replace(self.media_type, JSON) if text else text

    def headers_at(self, places: Mapping[str, str]) -> dict[str, str]:
        """The header fields of every call to these places, Host among them."""
        found = {"host": self.host, **self.headers}
        return {name: text.format(**places) for name, text in found.items()}

    @property
    def names_tenant(self) -> bool:
        """Whether every call says in its header which tenant it is about."""
        return any("{tenant}" in text for text in (self.host, *self.headers.values()))

    def status(self, status: int) -> int:
        """How this surface says what others say by ``status``."""
        return self.statuses.get(status, status)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All of them."""
        some = (self.create, self.update, self.check, self.read, self.listing, self.delete)
        return tuple(dict.fromkeys([*(call for call in some if call is not None), *self.further]))
