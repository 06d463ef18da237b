"""Query strings: numbers, flags, orders, pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from mailconfig.api.common import queries


def request(query: str) -> Request:
    """A GET with this query string."""
    return Request(APIRequestFactory().get("/things", QUERY_STRING=query))


def offsets(query: str, *, limit: int, offset: int, total: int) -> dict[str, int]:
    """Where each link leads."""
    text = queries.links(request(query), limit=limit, offset=offset, total=total)
    found = re.findall(r'<http://testserver/things\?([^>]*)>; rel="(\w+)"', text)
    assert len(found) == text.count("rel=")
    places = {}
    for parameters, relation in found:
        numbers = dict(part.split("=") for part in parameters.split("&"))
        assert numbers["limit"] == str(limit)
        places[relation] = int(numbers.get("offset", 0))
    return places


@pytest.mark.parametrize(
    ("offset", "total", "expected"),
    [
        (0, 25, {"first": 0, "next": 10, "last": 20}),
        (10, 25, {"first": 0, "prev": 0, "next": 20, "last": 20}),
        (20, 25, {"first": 0, "prev": 10, "last": 20}),
        (5, 25, {"first": 0, "prev": 0, "next": 15, "last": 20}),
        (0, 20, {"first": 0, "next": 10, "last": 10}),
        (999_999_999, 25, {"first": 0, "prev": 20, "last": 20}),
        (10, 0, {"first": 0, "prev": 0, "last": 0}),
    ],
)
def test_links_lead_to_pages_that_are_there(offset: int, total: int, expected: dict[str, int]) -> None:
    assert offsets(f"offset={offset}", limit=10, offset=offset, total=total) == expected


def test_one_page_needs_no_links() -> None:
    assert queries.links(request(""), limit=10, offset=0, total=10) == ""


def test_links_keep_the_filters_and_cannot_be_broken_out_of() -> None:
    text = queries.links(request('caption=a"b>c,<d>&sort=-id'), limit=10, offset=0, total=11)

    assert text.count("caption=a%22b%3Ec%2C%3Cd%3E") == 3
    assert text.count("sort=-id") == 3
    assert len(re.findall(r'<[^<>"]+>; rel="\w+"', text)) == 3


@pytest.mark.parametrize(
    "query", ["x=1", "a=1&a=2", "a=%00", "a=1&A=1", "a[]=1", "=1", "%00=1", "limit=1&format=api"]
)
def test_what_is_not_known_or_not_plain_is_refused(query: str) -> None:
    with pytest.raises(ValidationError):
        queries.read(request(query), known={"a", "limit"})


def test_bytes_that_are_no_text_are_replaced_and_harm_nobody() -> None:
    assert queries.read(request("a=%ff%fe"), known={"a"}) == {"a": "\ufffd\ufffd"}


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", " 1", "1 ", "1.0", "1e2", "abc", "１", "1_0", "9" * 31, "0", "101"]
)
def test_a_number_is_plain_digits_between_its_bounds(text: str) -> None:
    with pytest.raises(ValidationError):
        queries.number({"limit": text}, "limit", default=20, least=1, most=100)


def test_a_number_that_is_not_given_is_the_default() -> None:
    assert queries.number({}, "limit", default=20, least=1, most=100) == 20
    assert queries.number({"limit": "100"}, "limit", default=20, least=1, most=100) == 100


SORTABLE = {"id": "pk", "caption": "name"}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", ["pk"]),
        (",", ["pk"]),
        ("caption", ["name", "pk"]),
        ("-caption,id", ["-name", "pk"]),
        ("caption,-caption", ["name", "pk"]),
        (",".join(["caption"] * 5000), ["name", "pk"]),
    ],
)
def test_an_order_is_by_each_column_once_and_the_key_at_last(text: str, columns: list[str]) -> None:
    assert queries.ordering({"sort": text}, SORTABLE) == columns


@pytest.mark.parametrize(
    "text", ["password", "--caption", "name", "caption ", "CAPTION", "?", "pk", "secret"]
)
def test_an_unknown_order_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        queries.ordering({"sort": text}, SORTABLE)


def test_a_flag_is_one_of_its_words() -> None:
    words: Any = {"true": True, "0": False}
    assert queries.flag({"f": "true"}, "f", words) is True
    assert queries.flag({"f": "0"}, "f", words) is False
    for text in ("", "TRUE", "yes", "1.0"):
        with pytest.raises(ValidationError):
            queries.flag({"f": text}, "f", words)
