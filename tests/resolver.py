"""A deployment's resolver of tokens, which a test fills, breaks and slows down."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db import connection

PATH = "tests.resolver.Resolver"


class Resolver:
    """Knows what :attr:`known` says, by tenant and token."""

    known: ClassVar[dict[Any, Any]] = {}
    errors: ClassVar[list[Any]] = []
    """What the next calls raise, one after the other."""
    away: ClassVar[BaseException | None] = None
    """What all calls raise, unless it is ``None``."""
    calls: ClassVar[list[Any]] = []
    """What was asked for, in its order."""
    in_transaction: ClassVar[list[Any]] = []
    gates: ClassVar[dict[Any, threading.Event]] = {}
    """By tenant: a call waits until it is set."""

    @classmethod
    def mend(cls) -> None:
        """Know nothing, and work."""
        for gate in cls.gates.values():
            gate.set()
        for listed in (cls.errors, cls.calls, cls.in_transaction):
            listed.clear()
        for named in (cls.known, cls.gates):
            named.clear()
        cls.away = None

    def resolve(self, *, tenant: str, tokens: Sequence[str], seconds: float) -> Mapping[str, str]:
        """See :class:`mailconfig.resolvers.TokenResolver`."""
        cls = type(self)
        cls.calls.append(tuple(tokens))
        cls.in_transaction.append(connection.in_atomic_block)
        if tenant in cls.gates:
            cls.gates[tenant].wait(20)
        if cls.away is not None:
            raise cls.away
        if cls.errors:
            raise cls.errors.pop(0)
        return {token: cls.known[tenant, token] for token in tokens if (tenant, token) in cls.known}
