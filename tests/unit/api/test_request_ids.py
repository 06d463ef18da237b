"""The id of a request: the client's if it is one, else our own, and in every record of the log."""

from __future__ import annotations

import logging

import pytest
from django.test import RequestFactory

from mailconfig.api.common.request_ids import RequestIdFilter, named
from mailconfig.request_ids import current


def record() -> logging.LogRecord:
    """A record as a host's handler gets it."""
    made = logging.LogRecord("shop", logging.INFO, __file__, 1, "text", (), None)
    assert RequestIdFilter().filter(made)
    return made


@pytest.mark.parametrize("header", ["X-Request-ID", "Request-ID"])
def test_the_clients_id_is_taken(header: str) -> None:
    given = "0af7651916cd43dd-8448/eb211c80319c:~"
    with named(RequestFactory().get("/", headers={header: given})) as request_id:
        assert request_id == current() == given
        assert vars(record())["request_id"] == given
    assert current() == vars(record())["request_id"] == ""


def test_the_usual_name_goes_first() -> None:
    headers = {"Request-ID": "second", "X-Request-ID": "first"}
    with named(RequestFactory().get("/", headers=headers)) as request_id:
        assert request_id == "first"


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a\r\nSet-Cookie: x=1", "a\n", "a\x00", "ä", "\u2028", "a" * 129, "a" * 10_240]
)
def test_what_is_no_id_is_replaced(given: str) -> None:
    with named(RequestFactory().get("/", headers={"X-Request-ID": given})) as first:
        pass
    with named(RequestFactory().get("/", headers={"X-Request-ID": given})) as second:
        pass
    for request_id in (first, second):
        assert len(request_id) == 32
        assert request_id.isalnum()
    assert first != second


def test_the_longest_id_is_taken() -> None:
    with named(RequestFactory().get("/", headers={"X-Request-ID": "a" * 128})) as request_id:
        assert request_id == "a" * 128


def test_an_id_ends_with_its_request_also_when_that_fails() -> None:
    with pytest.raises(OSError, match="broken"), named(RequestFactory().get("/")):
        raise OSError("broken")
    assert current() == ""
