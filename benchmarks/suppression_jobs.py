"""Reading the next batch beside a suppression list, in a process of its own."""

from __future__ import annotations

from django.db import connection

from mailconfig.models import Message, MessageKind, Suppression

from .growth_jobs import read_batches

TIMES = 60


def measure(account: int, rounds: int, entries: list[int]) -> dict[str, list[float]]:
    """Time the reading of a batch whose recipients are not listed, in turns.

    Returns:
        Microseconds a mail, in each round: of ``transactional`` mail, for which nothing is looked up, and by the length of
        the list of ordinary mail.
    """
    took: dict[str, list[float]] = {name: [] for name in ["transactional", *map(str, entries)]}
    for _ in range(rounds):
        for name, mine in took.items():
            is_asked = name != "transactional"
            _fill(int(name) if is_asked else entries[-1])
            _mark(MessageKind.ORDINARY if is_asked else MessageKind.TRANSACTIONAL)
            found = read_batches(account, TIMES)
            mine.append(found["ms"] * 1000 / found["mails"])
    _fill(0)
    return took


def _mark(kind: MessageKind) -> None:
    """Let all mail be of a kind, and nothing of earlier ones be in the way."""
    Message.objects.update(kind=kind)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (FULL, ANALYZE) mailconfig_message")


def _fill(entries: int) -> None:
    """List so many addresses of nobody, for accounts without tenant: none of them is sent mail."""
    if Suppression.objects.count() == entries:
        return
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE mailconfig_suppression")
        cursor.execute(
            "INSERT INTO mailconfig_suppression (address, reason)"
            " SELECT md5(number::text) || '@example.org', 'bounce' FROM generate_series(1, %s) AS number",
            [entries],
        )
        cursor.execute("ANALYZE mailconfig_suppression")
