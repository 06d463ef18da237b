"""Execute wrappers on the connections of all threads, where Django's own is on the caller's alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


def takes_lane(sql: str) -> bool:
    """Return whether a statement takes a lane, in the words of the ORM or in our own."""
    return bool(re.search(r'UPDATE "?mailconfig_lane"?\s+SET "?lease_token"? = %s', sql))


def leaves_lane(sql: str) -> bool:
    """Return whether a statement gives a lane up."""
    return bool(re.search(r'UPDATE "?mailconfig_lane"?\s+SET "?lease_token"? = NULL', sql))


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
