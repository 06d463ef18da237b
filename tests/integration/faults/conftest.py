"""What the fault tests share: states as lists, and time-outs that can be waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig.models import Lane, Message
from tests.servers.chaos import ChaosServer

_PHASES = {
    "banner": ["banner"],
    "handshake": ["banner"],
    "data": ["data"],
    "body": ["block", "dot"],
    "dot": ["dot"],
}


def short(verb: str) -> dict[str, float]:
    """Time-outs that make a server that hangs at ``verb`` worth waiting for; the phases before may take their time."""
    return dict.fromkeys(_PHASES.get(verb, ["command"]), 2.0)


@pytest.fixture(params=[True, False], ids=["pipelining", "lockstep"])
def server(request: pytest.FixtureRequest) -> Iterator[ChaosServer]:
    """A server of each kind."""
    with ChaosServer(pipelining=request.param) as server:
        yield server


@pytest.fixture(params=[1, 10], ids=["each", "window10"])
def window(request: pytest.FixtureRequest, settings: Any) -> int:
    """One mail in flight, and ten."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WINDOW": request.param}
    return int(request.param)


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """``configure(AMBIGUITY="hold")``: change single settings."""

    def change(**values: object) -> None:
        settings.MAILCONFIG = {**settings.MAILCONFIG, **values}

    return change


def states() -> list[str]:
    """Of all messages, in their order."""
    return [
        str(message.shown_state) for message in Message.objects.select_related("hand_over").order_by("pk")
    ]


def attempts() -> list[int]:
    """Those that counted, of all messages, in their order."""
    return list(Message.objects.order_by("pk").values_list("attempts", flat=True))


def reasons() -> list[str]:
    """Each message's own reason to wait, in their order."""
    return list(Message.objects.order_by("pk").values_list("wait_reason", flat=True))


def lane() -> Lane:
    """Of the only account, as it is now."""
    return Lane.objects.get()


def rewind() -> None:
    """Let all that waits for a time have waited long enough."""
    past = timezone.now() - timedelta(seconds=1)
    Message.objects.filter(state="queued", not_before__gt=past).update(not_before=past)
    Lane.objects.exclude(wait_until=None).update(wait_until=past)
    Lane.objects.update(due_at=past)
