"""pgbouncer (Debian package) before the PostgreSQL server of the tests: it lends connections by transaction."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers import sidecar

PROGRAM = "pgbouncer"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
CONFIGURATION = """
[databases]
{name} = host={host} port={port} dbname={name} user={user}{password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
"""


def start(*, name: str, host: str, port: str, user: str, password: str, size: int) -> sidecar.Sidecar:
    """A pooler with so many connections to one database; its ``url`` names that database behind it."""
    return sidecar.Sidecar(__name__, name, host, port or "5432", user, password, str(size))


def _serve(name: str, host: str, port: str, user: str, password: str, size: str) -> None:
    """Run until the parent has gone, then end the pooler."""
    program = shutil.which(PROGRAM, path=PATH)
    if program is None:
        raise SystemExit("pgbouncer is not here")
    with tempfile.TemporaryDirectory(prefix="mailconfig-pgbouncer-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = probe.getsockname()[1]
        probe.close()
        file = Path(folder) / "pgbouncer.ini"
        secret = f" password='{password}'" if password else ""
        values = {"name": name, "host": host, "port": port, "user": user, "password": secret}
        file.write_text(CONFIGURATION.format(**values, listen=listen, size=size))
        Path(folder).chmod(0o755)
        file.chmod(0o644)
        as_other = ["-u", _user(host)] if os.geteuid() == 0 else []
        server = subprocess.Popen([program, "-q", *as_other, str(file)], stdin=subprocess.DEVNULL)
        try:
            _await_port(listen, server)
            sidecar.announce_and_wait(f"postgresql://{user}:{password}@127.0.0.1:{listen}/{name}")
        finally:
            server.kill()
            server.wait()


def _user(host: str) -> str:
    """Who may reach the server, for it refuses to run as root: the owner of the folder with its socket, or anybody."""
    owner = Path(host).owner() if host.startswith("/") else "root"
    return "nobody" if owner == "root" else owner


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when it listens. Raises SystemExit when it ended or took 20 s."""
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("pgbouncer did not start")


if __name__ == "__main__":
    _serve(*sys.argv[1:])
