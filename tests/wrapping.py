"""Execute wrappers on the connections of all threads, where Django's own is on the caller's alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

_TOKEN = r'UPDATE "?mailconfig_lane"?\s+SET "?lease_token"?'
_UNTIL = '"?lease_until"?'
"""Set to a time that is computed where a lane is taken, to nothing where it is left: a value, to Django 6.1."""


def takes_lane(sql: str) -> bool:
    """Return whether a statement takes a lane, in the words of the ORM or in our own."""
    return bool(re.search(rf"{_TOKEN} = %s(?:::uuid)?, {_UNTIL} = (?!%s,|NULL,)", sql))


def leaves_lane(sql: str) -> bool:
    """Return whether a statement gives a lane up."""
    return bool(re.search(rf"{_TOKEN} = (?:NULL|%s), {_UNTIL} = (?:NULL|%s),", sql))


def names_row(params: Any, pk: int) -> bool:
    """Return whether a statement is given this key. To Python ``True`` is ``1``, which is the first row's."""
    return any(param == pk and not isinstance(param, bool) for param in params or ())


@contextmanager
def on_every_connection(wrapper: Callable[..., Any]) -> Iterator[None]:
    """Wrap what this thread executes, and what each connection executes that is opened meanwhile."""

    def install(*, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
        if wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    connection_created.connect(install)
    try:
        with connection.execute_wrapper(wrapper):
            yield
    finally:
        connection_created.disconnect(install)
