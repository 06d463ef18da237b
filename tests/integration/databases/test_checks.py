"""Databases that mailconfig cannot work with are refused in words, before any mail is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Model
from pytest_django import Settings

from mailconfig.checks.database import check_database, check_pool

SETTINGS = """
from tests.settings import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""


class WritesElsewhere:
    """A router that keeps our tables apart."""

    def db_for_write(self, model: type[Model], **hints: object) -> str:
        """Not the default one."""
        return "mail"


def test_this_project_is_fine() -> None:
    assert check_database() == []


def test_tables_apart_from_the_default_database_are_refused(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [WritesElsewhere()]

    (found,) = check_database()

    assert found.id == "mailconfig.E020"
    assert "'mail'" in found.msg


@pytest.mark.parametrize(
    ("pool", "holds"),
    [
        (None, None),
        (False, None),
        (True, 4),
        ({}, None),
        ({"min_size": 8}, 8),
        ({"min_size": 8, "max_size": 18}, 18),
        ({"max_size": 19}, None),
    ],
)
def test_a_pool_that_cannot_hold_a_workers_connections_is_warned_of(
    settings: Settings, pool: object, holds: int | None
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: TEST_DB=postgres")
    settings.MAILCONFIG |= {"CONCURRENCY": 100}
    options = {key: value for key, value in connection.settings_dict["OPTIONS"].items() if key != "pool"}
    connection.settings_dict["OPTIONS"] = options if pool is None else {**options, "pool": pool}
    try:
        found = check_pool()
    finally:
        connection.settings_dict["OPTIONS"] = options
    assert [(one.id, f"holds {holds}," in one.msg) for one in found] == (
        [] if holds is None else [("mailconfig.W022", True)]
    )


@pytest.mark.parametrize(
    ("lines", "number", "words"),
    [
        ('DATABASES["default"]["AUTOCOMMIT"] = False', "E022", "AUTOCOMMIT is off"),
        ('DATABASES["default"]["ENGINE"] = "tests.integration.databases.otherkind"', "E021", "MySQL"),
        ('DATABASES["default"]["ATOMIC_REQUESTS"] = True', "", ""),
    ],
)
def test_a_project_is_told_by_its_first_command(tmp_path: Path, lines: str, number: str, words: str) -> None:
    (tmp_path / "odd_settings.py").write_text(f"{SETTINGS}\n{lines}\n")
    root = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "odd_settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)]),
        "TEST_DB": "sqlite",
    }

    done = subprocess.run(
        [sys.executable, "-m", "django", "check", "--tag", "mailconfig"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode == 0) == (not number), done.stderr
    if number:
        assert f"mailconfig.{number}" in done.stderr
        assert words in done.stderr
