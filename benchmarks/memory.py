"""The most memory a worker has while it sends large attachments."""

from __future__ import annotations

from collections.abc import Sequence

from . import database, servers
from .processes import Outcome, Place
from .subjects import EACH, Subject


def measure(place: Place, subjects: Sequence[Subject], *, count: int) -> dict[str, Outcome]:
    """Let each subject send ``count`` mails with 5 MB attached; by the subject's name."""
    outcomes = {}
    with servers.local() as port:
        for subject in subjects:
            database.forget_mail(place.database_url)
            place.run(f"{subject.jobs}:fill_attachments", env=subject.environment, port=port, count=count)
            outcomes[subject.name] = subject.send(place, port=port, count=count)
    database.forget_mail(place.database_url)
    return outcomes


def in_lanes(place: Place, *, lanes: int, count: int) -> Outcome:
    """Let one worker send ``count`` mails with 5 MB attached, which are due at once in so many accounts."""
    database.forget_mail(place.database_url)
    with servers.local() as port:
        place.run(
            "mailconfig_jobs:fill_attachments",
            env=EACH.environment,
            port=port,
            count=count,
            accounts=lanes,
        )
        environment = EACH.environment | {"BENCH_CONCURRENCY": str(lanes)}
        outcome = place.run("mailconfig_jobs:drain", env=environment, count=count)
    database.forget_mail(place.database_url)
    return outcome
