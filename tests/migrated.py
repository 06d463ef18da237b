"""The test database as migrations leave it: made by the first of a run's workers, copied by the others.

Migrations take a second of a processor and more, and each worker has a server or a file of its own.
"""

import fcntl
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests import database_url


def share(folder: Path) -> None:
    """From now on ``create_test_db`` copies what is kept in ``folder``, or makes it and keeps a copy there."""
    creation = connection.creation
    creation.create_test_db = partial(_create, creation, creation.create_test_db, folder)  # type: ignore[method-assign]


def _create(creation: Any, migrate: Callable[..., str], folder: Path, *args: Any, **kwargs: Any) -> str:
    """Do what ``create_test_db`` does, but for serializing, which no test asks for; return the database's name."""
    with _alone(folder):
        kept = folder / f"migrated-{connection.vendor}"
        if not kept.exists():
            made = migrate(*args, **kwargs)
            part = kept.with_suffix(".part")
            _save(part)
            part.rename(kept)
            return made
    creation._create_test_db(verbosity=0, autoclobber=True, keepdb=False)
    connection.close()
    name: str = creation._get_test_db_name()
    settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = name
    _load(kept)
    connection.ensure_connection()
    return name


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other worker is here."""
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _save(path: Path) -> None:
    """Copy the database that is connected into a file."""
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.backup(copy)
    else:
        _run("pg_dump", "--no-owner", f"--file={path}")


def _load(path: Path) -> None:
    """Copy such a file into the database, which is new and not connected."""
    if connection.vendor == "sqlite":
        shutil.copyfile(path, connection.settings_dict["NAME"])
    else:
        _run(
            "psql",
            "--quiet",
            "--no-psqlrc",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            f"--file={path}",
        )


def _run(program: str, *arguments: str) -> None:
    """Run a program that lies beside the server's, on the database. What it selects is of no interest, what goes wrong is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        (folder,) = cursor.fetchone()
    subprocess.run(
        [Path(folder) / program, *arguments, database_url.build(connection.settings_dict)],
        stdout=subprocess.DEVNULL,
        check=True,
    )
