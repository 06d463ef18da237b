"""A stream over a socket: what an error on the way shows of what was to be sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import TracebackType

import pytest

from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.stream import Stream

SECRET = b"s3cr3t-word"


class LeaseLostError(Exception):
    """What on_wait raises."""


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


def shown(traceback: TracebackType | None) -> str:
    """What an error reporter shows of the frames of our code."""
    found = []
    while traceback is not None:
        if "mailconfig" in traceback.tb_frame.f_code.co_filename:
            found.append(repr(traceback.tb_frame.f_locals))
        traceback = traceback.tb_next
    assert found
    return " ".join(found)


@pytest.mark.parametrize("waits", [0, 1, 2], ids=["at once", "in the first piece", "in the next piece"])
def test_what_on_wait_raises_does_not_show_what_was_to_be_sent(
    waits: int, sockets: tuple[socket.socket, socket.socket]
) -> None:
    mine, _theirs = sockets
    left = waits

    def on_wait() -> None:
        nonlocal left
        if not left:
            raise LeaseLostError
        left -= 1

    stream = Stream(mine, deadline=Deadline(), on_wait=on_wait, wait_slice=0.01)
    stream._next_wait = 0.0
    with pytest.raises(LeaseLostError) as caught:
        stream.send(SECRET * 1_000_000, 10)

    assert SECRET.decode() not in shown(caught.tb)
    assert caught.value.__context__ is None
