"""What PostgreSQL says of an error counts, whichever driver brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import OperationalError

from mailconfig.delivery import mishaps


class Psycopg3Error(Exception):
    """As psycopg 3 raises it."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code)
        self.sqlstate = code


class Psycopg2Error(Exception):
    """As psycopg 2 raises it."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code)
        self.pgcode = code


@pytest.mark.parametrize("driver", [Psycopg3Error, Psycopg2Error])
@pytest.mark.parametrize(
    ("code", "is_lock_missing", "is_connection_lost"),
    [("55P03", True, False), ("57P01", False, True), (None, False, True), ("40P01", False, False)],
)
def test_codes_are_read_from_either_psycopg(
    driver: Callable[[str | None], Exception],
    code: str | None,
    is_lock_missing: bool,
    is_connection_lost: bool,
) -> None:
    error = OperationalError()
    error.__cause__ = driver(code)
    assert mishaps.is_lock_missing(error) is is_lock_missing
    assert mishaps.is_connection_lost(error) is is_connection_lost
