"""Access tables: a line a call, a column an actor, the status in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.urls import URLPattern, URLResolver

from tests.contract.people import ACTORS
from tests.contract.surface import Surface

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def rows_of(table: str) -> Iterator[tuple[str, str, Mapping[str, int]]]:
    """Method, route, and status by actor. The first line names the actors."""
    head, *lines = [line.split() for line in table.strip().splitlines()]
    assert set(head) == set(ACTORS), f"a table names every actor: {sorted(set(ACTORS) ^ set(head))}"
    for method, route, *cells in lines:
        assert len(cells) == len(head), f"a status for each actor: {method} {route}"
        yield method, route, dict(zip(head, map(int, cells), strict=True))


def expected_of(surface: Surface) -> dict[tuple[str, str], Mapping[str, int]]:
    """By method and route."""
    return {(method, route): statuses for method, route, statuses in rows_of(surface.access)}


def routes_of(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route and what answers there."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes_of(pattern.url_patterns, route)
        else:
            yield route, pattern


def methods_at(pattern: URLPattern) -> set[str]:
    """What a view answers, HEAD and OPTIONS apart."""
    view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
    if view is None:
        return set(METHODS)
    return {method for method in METHODS if hasattr(view, method.lower())}
