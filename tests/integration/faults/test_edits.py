"""People edit an account while it drains: effective before the next dot, and no secret goes to another server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, HandOver, Message, WaitReason
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_account, make_message, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.edits import edit_at
from tests.servers.faults import Reply

from .conftest import attempts, lane, states

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "not-a-real-password-either"


def change(**values: object) -> Callable[[], None]:
    """As a form does it."""

    def save() -> None:
        account = Account.objects.get()
        for name, value in values.items():
            setattr(account, name, value)
        account.save()

    return save


def drain(server: ChaosServer, count: int, **values: object) -> Account:
    """So many messages, one drain."""
    account = make_account(server.port, **values)
    for _ in range(count):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    return account


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"is_enabled": False}, WaitReason.DISABLED),
        ({"limit_count": 1, "limit_period": 3600}, WaitReason.LIMIT),
        ({"limit_per_day": 0}, WaitReason.LIMIT),
    ],
    ids=["disabled", "lowered", "zero"],
)
@pytest.mark.parametrize("verb", ["mail", "data"])
def test_what_stops_mail_is_effective_before_the_next_dot(
    server: ChaosServer, edit: dict[str, object], reason: WaitReason, verb: str
) -> None:
    edit_at(server, verb, change(**edit))
    drain(server, 5)
    assert states() == ["sent"] + ["queued"] * 4
    assert len(server.messages) == 1
    assert lane().wait_reason == reason
    assert set(Message.objects.filter(state="queued").values_list("attempts", flat=True)) == {0}


def test_what_stops_mail_stops_what_is_journaled_already(
    server: ChaosServer, configure: Callable[..., None]
) -> None:
    """At a server that takes its time: at a fast one they are gone within a tenth of a second."""
    configure(WINDOW=10)
    server.latency = 0.15
    edit_at(server, "mail", change(is_enabled=False))
    drain(server, 25)
    assert len(server.messages) == 1
    assert states() == ["sent"] + ["queued"] * 24
    assert set(attempts()) == {0, 1}
    assert lane().wait_reason == WaitReason.DISABLED


@pytest.mark.parametrize("in_and_out", [None, 1000], ids=["unlimited", "limited"])
@pytest.mark.parametrize("is_moved", [True, False], ids=["moved", "deleted"])
def test_a_system_server_that_goes_is_left_before_the_next_dot(
    server: ChaosServer, window: int, is_moved: bool, in_and_out: int | None
) -> None:
    system = make_account(server.port, scope="system", from_email="system@example.com")

    def edit() -> None:
        account = Account.objects.get(pk=system.pk)
        if is_moved:
            account.port = 1
        else:
            account.deleted_at = timezone.now()
        account.save()

    edit_at(server, "mail", edit)
    server.credentials, server.auth_in_clear = {"me": PASSWORD}, True
    account = make_account(
        server.port,
        scope="system-override",
        host="",
        username="me",
        security="none",
        owner=make_user(),
        limit_in_out_per_day=in_and_out,
    )
    for _ in range(5):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] + ["queued"] * 4
    assert len(server.messages) == 1
    assert account.lane.wait_reason == (
        WaitReason.SECRET_UNREADABLE if is_moved else WaitReason.PAUSED_CONFIG
    )


@pytest.mark.parametrize("size", [1, 2, 10])
def test_never_more_than_a_window_is_journaled_and_without_an_outcome(
    server: ChaosServer, configure: Callable[..., None], size: int
) -> None:
    configure(WINDOW=size)
    in_doubt: list[int] = []

    def count(line: str) -> bool:
        in_doubt.append(HandOver.objects.count())
        connection.close()  # of the server's thread
        return False

    for verb in ("mail", "data", "dot"):
        server.on(verb, Reply.of("250 never said"), when=count)
    drain(server, 3 * size + 2)
    assert states() == ["sent"] * (3 * size + 2)
    assert max(in_doubt) == size


@pytest.mark.parametrize("edit", [{"limit_count": None}, {"limit_count": 100}], ids=["null", "raised"])
def test_a_raised_limit_is_effective_at_once(
    server: ChaosServer, window: int, edit: dict[str, object]
) -> None:
    edit_at(server, "mail", change(**edit))
    drain(server, 5, limit_count=2, limit_period=3600)
    assert states() == ["sent"] * 5
    assert lane().wait_reason == ""


@pytest.mark.parametrize("verb", ["mail", "data", "dot"])
def test_a_new_password_opens_a_new_session(window: int, verb: str) -> None:
    with ChaosServer(credentials={"me": PASSWORD}, auth_in_clear=True) as server:

        def edit() -> None:
            server.credentials = {"me": NEW}
            change(secret=Secret(NEW))()

        edit_at(server, verb, edit)
        drain(server, 15, username="me")
        assert states() == ["sent"] * 15
        assert [password for _, _, password in server.auth_attempts] == [PASSWORD, NEW]
        assert lane().wait_reason == ""


@pytest.mark.parametrize("verb", ["mail", "data", "dot"])
def test_no_old_secret_reaches_a_new_server(window: int, verb: str) -> None:
    with (
        ChaosServer(credentials={"me": PASSWORD}, auth_in_clear=True) as old,
        ChaosServer(credentials={"me": NEW}, auth_in_clear=True) as new,
    ):
        edit_at(old, verb, change(port=new.port, secret=Secret(NEW)))
        drain(old, 15, username="me")
        assert states() == ["sent"] * 15
        assert [password for _, _, password in old.auth_attempts] == [PASSWORD]
        assert [password for _, _, password in new.auth_attempts] == [NEW]
        assert len(old.messages) <= max(window, 2)
        assert len(old.messages) + len(new.messages) == 15


def test_a_server_changed_behind_our_back_gets_no_secret(window: int) -> None:
    with (
        ChaosServer(credentials={"me": PASSWORD}, auth_in_clear=True) as old,
        ChaosServer(credentials={"me": PASSWORD}, auth_in_clear=True) as new,
    ):
        account = make_account(old.port, username="me")
        message = make_message(account)
        Account.objects.filter(pk=account.pk).update(port=new.port)
        delivery.drain_account(account_id=account.pk)
        assert (old.sessions, new.sessions) == (0, 0)
        assert states() == ["queued"]
        assert lane().wait_reason == WaitReason.SECRET_UNREADABLE
        assert message.attempt_set.count() == 0
