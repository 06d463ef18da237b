"""The most memory a worker has while it sends large attachments."""

from __future__ import annotations

from collections.abc import Sequence

from . import database, servers
from .processes import Outcome, Place
from .subjects import Subject


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
