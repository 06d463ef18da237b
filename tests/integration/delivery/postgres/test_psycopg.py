"""Internals of psycopg that statements whose answers are fetched later rest on: they are held by version and by deed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from packaging.requirements import Requirement
from psycopg import generators
from psycopg.pq import ExecStatus

from mailconfig.delivery.postgres.under_way import UnderWay

PYPROJECT = Path(__file__).resolve().parents[4] / "pyproject.toml"


def requirement() -> Requirement:
    """Return what the extra ``postgres`` asks of psycopg."""
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (found,) = (one for one in map(Requirement, extras["postgres"]) if one.name == "psycopg")
    return found


def test_psycopg_is_bound_to_the_versions_that_were_looked_at() -> None:
    wanted = requirement().specifier

    assert {one.operator for one in wanted} == {">=", "<"}
    assert version("psycopg") in wanted
    assert "4.0" not in wanted


def test_a_connection_has_one_wait_which_is_its_class_s_own() -> None:
    assert callable(psycopg.Connection.wait)
    assert "__slots__" not in vars(psycopg.Connection), "an instance can have a method of its own"
    assert callable(generators.execute)
    assert callable(generators.fetch_many)
    assert ExecStatus.PIPELINE_SYNC


def _in_transaction(raw: Any) -> None:
    with raw.transaction():
        raw.execute("SELECT 1")


def _in_pipeline(raw: Any) -> None:
    with raw.pipeline():
        raw.execute("SELECT 1")


USES: dict[str, Callable[[Any], object]] = {
    "execute": lambda raw: raw.execute("SELECT 1"),
    "cursor": lambda raw: raw.cursor().execute("SELECT 1"),
    "executemany": lambda raw: raw.cursor().executemany("SELECT %s", [(1,), (2,)]),
    "commit": lambda raw: (raw.execute("SELECT 1"), raw.commit()),
    "rollback": lambda raw: (raw.execute("SELECT 1"), raw.rollback()),
    "transaction": _in_transaction,
    "pipeline": _in_pipeline,
}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("use", USES)
def test_whatever_uses_the_connection_first_fetches_the_answer_under_way(use: str) -> None:
    connection.ensure_connection()
    raw = connection.connection
    raw.execute("PREPARE later AS SELECT 41 + $1::int")
    under_way = UnderWay(connection, [("later", [1])])

    USES[use](raw)

    assert "wait" not in vars(raw), "the class's own is back"
    assert under_way.rows(0) == [(42,)]
    assert raw.execute("SELECT 7").fetchall() == [(7,)]
    raw.execute("DEALLOCATE later")
