"""Limits that are set over REST while mail flows: in force before the next hand-over, and as soon as they allow more."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from mailconfig import delivery
from mailconfig.models import Mailbox, Message
from tests.factories import make_message
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.chaos import ChaosServer
from tests.servers.edits import edit_at

from .calls import changed, data_of, made

pytestmark = pytest.mark.django_db(transaction=True)

MAILS = 5
PERIOD = {"sendPeriod": 3600}
OF_A_DAY = ("maxMailingsPerDay", "maxMailingsPerWeek", "maxEmailsPerDay")


def flow(api: APIClient, server: ChaosServer, before: dict[str, Any], edit: dict[str, Any]) -> int:
    """Send five mails, edit the mailbox while the second is on its way, and return how many arrived."""
    plain = {"email": "shop@example.com", "smtpHost": "127.0.0.1", "smtpPort": server.port, "smtpSsl": True}
    key = made(api, **plain, username=LOGIN, password=PASSWORD, **before)["id"]
    mailbox = Mailbox.objects.get()
    for _ in range(MAILS):
        make_message(mailbox)
    edit_at(server, "data", lambda: data_of(changed(api, key, **edit)))
    delivery.drain_account(account_id=mailbox.pk)
    arrived = len(server.messages)
    assert Message.objects.filter(state="sent").count() == arrived
    return arrived


@pytest.mark.parametrize(
    "edit",
    [
        {"sendThreshold": 1, **PERIOD},
        {"sendThreshold": 0, **PERIOD},
        *({name: most} for name in OF_A_DAY for most in (1, 0)),
        {"sendDisabled": True},
    ],
    ids=str,
)
def test_a_lowered_limit_holds_the_next_mail_back(
    api: APIClient, server: ChaosServer, edit: dict[str, Any]
) -> None:
    assert flow(api, server, {}, edit) == 1


@pytest.mark.parametrize("more", [None, 100])
@pytest.mark.parametrize("name", ["sendThreshold", *OF_A_DAY])
def test_a_raised_limit_lets_the_rest_go(
    api: APIClient, server: ChaosServer, name: str, more: int | None
) -> None:
    period = PERIOD if name == "sendThreshold" else {}
    assert flow(api, server, {name: 2, **period}, {name: more}) == MAILS
