"""Cost of a mail for the database: the log it writes on its way out, and the bytes that it keeps."""

from __future__ import annotations

from dataclasses import dataclass

from . import database, servers
from .processes import Place
from .subjects import EACH, OF_TENANT, WINDOW, Subject


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes a mail."""

    name: str
    queued: float
    """Of the write-ahead log, to queue it."""
    sent: float
    """Of the write-ahead log, to send it."""
    kept: float
    """Of tables and indexes, once it is sent and the tables were vacuumed."""


def measure(place: Place, *, count: int) -> list[Cost]:
    """Queue and send ``count`` mails, each journalled alone and in windows of ten, and once more as a tenant's."""
    with servers.local() as port:
        return [_cost(place, subject, port, count) for subject in (EACH, WINDOW, OF_TENANT)]


def _cost(place: Place, subject: Subject, port: int, count: int) -> Cost:
    database.forget_mail(place.database_url)
    empty, before = database.size(place.database_url), database.log_position(place.database_url)
    subject.fill(place, port=port, one_by_one=count // 5, at_once=count - count // 5)
    queued = database.log_position(place.database_url)
    database.settle_down(place.database_url)
    analysed = database.log_position(place.database_url)
    subject.send(place, port=port, count=count)
    sent = database.log_position(place.database_url)
    database.vacuum(place.database_url)
    kept = database.size(place.database_url) - empty
    return Cost(subject.name, (queued - before) / count, (sent - analysed) / count, kept / count)
