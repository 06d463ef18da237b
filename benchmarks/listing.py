"""Cost of a list of a hundred mailboxes, beside the same rows by a plain serializer of Django REST framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .processes import Place

MAILBOXES = 100
ENVIRONMENT = {"BENCH_APPS": "mailconfig,rest_framework"}
METHODS = (("smtp", "imap"), ("sendgrid", "gmail_api"), ("ews", "ews"), ("sendgrid", "ews"))
"""Of sending and of syncing, as pairs; the first is what mailboxes usually have."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Cost of one list."""

    ours_ms: Sequence[float]
    """Each of the surface's answers."""
    plain_ms: Sequence[float]
    """Each of the plain view's, in turns with ours."""
    statements: Sequence[int]
    """Of a list of ten, and of one of a hundred."""
    decryptions: int


def measure(place: Place, *, rounds: int, sends_by: str, syncs_by: str) -> Listing:
    """List mailboxes of these methods so often, both ways in turns."""
    found = place.run(
        "listing_jobs:measure",
        env=ENVIRONMENT,
        mailboxes=MAILBOXES,
        rounds=rounds,
        methods=(sends_by, syncs_by),
    ).result
    return Listing(found["ours"], found["plain"], found["statements"], found["decryptions"])
