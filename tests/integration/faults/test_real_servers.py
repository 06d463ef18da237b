"""Servers that nobody here wrote: the whole way from the queue to them, and what they refuse."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from mailconfig import delivery
from mailconfig.delivery import probe_account
from mailconfig.models import Account, Body, Message, WaitReason
from mailconfig.values import Secret
from tests.factories import body_of, make_account, make_message
from tests.servers.real import USER, Exim, Haraka, NodemailerServer, Postfix, RealServer

from .conftest import attempts, lane, rewind, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system("node")]

SERVERS = [Postfix, Exim, Haraka, NodemailerServer]


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.__name__)
def started(request: pytest.FixtureRequest) -> Iterator[RealServer]:
    """Each of them; it stays for the tests of this file. One that is missing is skipped, or fails like any program."""
    if not request.param.is_available():
        reason = f"needs {request.param.needs}: `make test-system` installs it"
        if os.environ.get("REQUIRE_SYSTEM"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with request.param() as server:
        yield server


@pytest.fixture
def real(started: RealServer, configure: Callable[..., None]) -> RealServer:
    """The same, trusted, and with a login in the clear allowed."""
    configure(CA_FILE=started.ca_file, ALLOW_PLAIN_LOGIN=True)
    return started


def account_at(server: RealServer, **values: object) -> Account:
    """An account that logs in over STARTTLS, unless it is said otherwise."""
    plain = {"host": "localhost", "security": "starttls", "username": USER}
    return make_account(server.port, **plain | values)


def queue_up(account: Account, count: int, *, to: list[str] | None = None) -> list[str]:
    """So many mails; their Message-IDs in order."""
    ids = []
    for _ in range(count):
        message = make_message(account, to=to)
        body = f"Message-ID: {message.message_id}\r\n".encode() + (body_of(message) or b"")
        Message.objects.filter(pk=message.pk).update(size=len(body))
        Body.objects.filter(message=message).update(octets=body)
        ids.append(message.message_id)
    return ids


def drain_until_quiet(account: Account) -> None:
    """A few drains, with every wait cut short."""
    for _ in range(5):
        rewind()
        delivery.drain_account(account_id=account.pk)


@pytest.mark.parametrize("security", ["none", "starttls"])
def test_twenty_mails_arrive_in_order_and_once(real: RealServer, security: str, window: int) -> None:
    account = account_at(real, security=security)
    ids = queue_up(account, 20)

    drain_until_quiet(account)

    assert states() == ["sent"] * 20
    assert attempts() == [1] * 20
    assert lane().wait_reason == ""
    assert [found for found in real.accepted() if found in ids] == ids


def test_a_probe_passes_and_sends_nothing(real: RealServer) -> None:
    account = account_at(real)
    before = real.accepted()

    check = probe_account(account_id=account.pk, requested_by=None)

    assert check.ok, (check.message, check.server_text)
    assert [stage["outcome"] for stage in check.stages] == ["ok"] * 6
    assert real.accepted() == before


def test_a_wrong_password_is_refused_twice_at_most_and_then_it_is_silent(real: RealServer) -> None:
    account = account_at(real, secret=Secret("not-the-right-one"), authentication="password")
    queue_up(account, 2)

    drain_until_quiet(account)

    assert (states(), attempts()) == (["queued"] * 2, [0] * 2)
    assert lane().wait_reason == WaitReason.PAUSED_LOGIN
    assert "535" in lane().wait_text


def test_a_refused_sender_pauses_the_account_with_the_servers_words(real: RealServer) -> None:
    account = account_at(real, from_email="stranger@example.com")
    ids = queue_up(account, 5)

    drain_until_quiet(account)

    assert lane().wait_reason == WaitReason.PAUSED_SENDER
    assert "not" in lane().wait_text
    refused_at_rcpt = isinstance(real, Postfix)
    assert states() == (["queued"] * 5 if refused_at_rcpt else ["failed"] * 3 + ["queued"] * 2)
    assert not set(ids) & set(real.accepted())
    check = probe_account(account_id=account.pk, requested_by=None)
    assert (check.ok, check.stage, check.guilty_field) == (False, "sender", "from_email")


def test_a_refused_recipient_fails_alone(real: RealServer) -> None:
    account = account_at(real)
    first = queue_up(account, 1)
    (partly,) = queue_up(account, 1, to=["nobody@example.net", "somebody@example.net"])
    queue_up(account, 1, to=["nobody@example.net"])
    last = queue_up(account, 1)

    drain_until_quiet(account)

    assert states() == ["sent", "partial", "failed", "sent"]
    assert lane().wait_reason == ""
    ids = [*first, partly, *last]
    assert [found for found in real.accepted() if found in ids] == ids


def test_mail_without_a_login_is_the_accounts_affair(real: RealServer) -> None:
    if not isinstance(real, (Postfix, Exim)):
        pytest.skip("this server relays for anybody here")
    account = account_at(real, username="", authentication="none", from_email="other@example.org")
    queue_up(account, 4)

    drain_until_quiet(account)

    assert set(states()) == {"queued"}
    assert lane().wait_reason != "" or isinstance(real, Postfix), "Postfix says it for now only"
