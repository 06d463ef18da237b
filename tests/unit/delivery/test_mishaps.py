"""What PostgreSQL says of an error counts, whichever driver brings it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import InternalError, OperationalError

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
    [
        ("55P03", True, False),
        ("57P01", False, True),
        ("25P03", False, True),
        (None, False, True),
        ("40P01", False, False),
    ],
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


@pytest.mark.parametrize("driver", [Psycopg3Error, Psycopg2Error])
@pytest.mark.parametrize(
    ("code", "is_away", "is_connection_lost"),
    [("25P03", True, True), ("25006", True, False), ("25P02", False, False), ("XX000", False, False)],
)
def test_internal_errors_are_told_apart(
    driver: Callable[[str | None], Exception], code: str, is_away: bool, is_connection_lost: bool
) -> None:
    error = InternalError()
    error.__cause__ = driver(code)
    assert mishaps.is_database_away(error) is is_away
    assert mishaps.is_connection_lost(error) is is_connection_lost
