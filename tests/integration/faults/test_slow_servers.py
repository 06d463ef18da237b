"""Servers that take their time: with a reply, with the body, or for ever."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection
from django.db.models.functions import Now

from mailconfig import delivery
from mailconfig.models import Lane
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Slow

from .conftest import attempts, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "setting", ["SESSION_IDLE_SECONDS", "SESSION_SECONDS"], ids=["idle by then", "worn by then"]
)
def test_a_slow_reply_to_the_dot_is_no_idle_session(
    server: ChaosServer, window: int, configure: Callable[..., None], setting: str
) -> None:
    configure(**{setting: 0.3})
    for at in (1, 3):
        server.on("dot", Slow("250 2.0.0 taken at last", seconds=0.03), at=at, accept=True)
    account = make_account(server.port)
    for _ in range(4):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts()) == (["sent"] * 4, [1] * 4)
    assert len(server.messages) == 4


def test_the_lease_is_renewed_while_a_body_is_written_steadily(configure: Callable[..., None]) -> None:
    configure(LEASE_SECONDS=3.0)
    with ChaosServer(small_buffers=True, size=None) as server:
        server.bytes_per_second = 1_200_000
        account = make_account(server.port)
        message = make_message(account, body=b"Subject: x\r\n\r\n" + (b"x" * 62 + b"\r\n") * 16 * 8192)
        drain = Thread(target=drain_here, args=(account.pk,))
        drain.start()
        assert server.wait_for(lambda: "DATA" in server.verbs())
        while drain.is_alive():
            assert not Lane.objects.filter(lease_until__lt=Now()).exists(), (
                "another worker could take the lane"
            )
            drain.join(0.1)
        assert message.attempt_set.count() == 1
        assert states() == ["sent"]
        assert len(server.messages) == 1


def drain_here(account_id: int) -> None:
    """A drain in a thread of its own."""
    try:
        delivery.drain_account(account_id=account_id)
    finally:
        connection.close()
