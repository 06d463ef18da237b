"""A database that is away: 503 in the envelope, and everything works again once it is back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.bearer import client_of
from tests.integration.api.calls import BODY, URL, make_provider, refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def closed_port() -> int:
    """Where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def outage(closed_port: int) -> Iterator[object]:
    """Begins with :func:`next`: new connections of Django's are refused."""
    real = dict(connection.settings_dict)

    def begin() -> Iterator[None]:
        connection.close()
        nowhere = {"NAME": "/nowhere/at/all.sqlite3"}
        if connection.vendor == "postgresql":
            nowhere = {"HOST": "127.0.0.1", "PORT": str(closed_port)}
        connection.settings_dict.update(nowhere)
        yield

    yield begin()
    connection.close()
    connection.settings_dict.clear()
    connection.settings_dict.update(real)


def test_a_database_that_is_away_is_told_in_the_envelope(
    alice: User, outage: Iterator[None], settings: object
) -> None:
    provider = make_provider()
    client = client_of(alice)
    assert client.get(URL).status_code == 200

    next(outage)

    for response in (
        client.get(URL, headers={"Accept-Language": "ja"}),
        client.post(URL, BODY, format="json"),
        client.patch(f"{URL}/{provider.pk}", {"caption": "x"}, format="json"),
        client.delete(f"{URL}/{provider.pk}"),
        client.get(f"{URL}/{provider.pk}/status"),
    ):
        body = refused(response, 503)
        assert response["Retry-After"] == "5"
        assert "nowhere" not in str(body)
        assert "127.0.0.1" not in str(body)
