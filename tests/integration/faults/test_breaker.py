"""Refused logins, secrets that cannot be read, poisoned rows: each stops what it must and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, Installation, Lane, Message, WaitReason
from mailconfig.signals import account_paused, account_resumed
from mailconfig.values import Secret
from tests.acceptance.kills import FAST
from tests.factories import PASSWORD, make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import drain_worker, until
from tests.servers.faults import Raw, Reply

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def strict() -> Iterator[ChaosServer]:
    """A server that wants a login, knows one way to log in, and refuses all."""
    with ChaosServer(credentials={}, mechanisms=("PLAIN",), auth_in_clear=True) as server:
        yield server


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What listeners of pauses heard."""
    heard: list[str] = []

    def paused(**kwargs: Any) -> None:
        heard.append(str(kwargs["reason"]))

    def resumed(**kwargs: Any) -> None:
        heard.append("resumed")

    account_paused.connect(paused)
    account_resumed.connect(resumed)
    yield heard
    account_paused.disconnect(paused)
    account_resumed.disconnect(resumed)


def drain_again(account: Account) -> None:
    """After all waits are over."""
    rewind()
    delivery.drain_account(account_id=account.pk)


def test_a_login_refused_once_is_forgotten(strict: ChaosServer, told: list[str]) -> None:
    strict.credentials = {"me": PASSWORD}
    strict.on("auth", Reply.of("535 5.7.8 no"), at=1)
    account = make_account(strict.port, username="me")
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert lane().wait_reason == WaitReason.LOGIN_RETRY
    drain_again(account)
    assert (states(), told, lane().wait_reason) == (["sent"], [], "")


def test_a_refused_login_is_told_once_and_ends_with_new_credentials(
    strict: ChaosServer, told: list[str]
) -> None:
    account = make_account(strict.port, username="me")
    make_message(account)
    for _ in range(5):
        drain_again(account)
        delivery.sweep()
    assert len(strict.auth_attempts) == 2
    assert told == ["paused_login"]
    account.refresh_from_db()
    account.secret = Secret("also-not-a-real-password")
    account.save()
    strict.credentials = {"me": "also-not-a-real-password"}
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert len(strict.auth_attempts) == 3


def test_a_login_refused_in_both_ways_is_not_tried_again(strict: ChaosServer, told: list[str]) -> None:
    strict.mechanisms = ("PLAIN", "LOGIN")
    account = make_account(strict.port, username="me")
    make_message(account)
    for _ in range(3):
        drain_again(account)
    assert [mechanism for mechanism, *_ in strict.auth_attempts] == ["PLAIN", "LOGIN"]
    assert (lane().wait_reason, told) == (WaitReason.PAUSED_LOGIN, ["paused_login"])


def test_a_login_refused_in_one_way_goes_the_other(strict: ChaosServer, told: list[str]) -> None:
    strict.credentials, strict.mechanisms = {"me": PASSWORD}, ("PLAIN", "LOGIN")
    strict.on("auth", Reply.of("504 5.5.4 what is PLAIN"), when=lambda line: "PLAIN" in line)
    account = make_account(strict.port, username="me")
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert (states(), lane().wait_reason, told) == (["sent"], "", [])


def test_a_second_pause_is_told_again(strict: ChaosServer, told: list[str]) -> None:
    account = make_account(strict.port, username="me")
    make_message(account)
    for _ in range(2):
        for _ in range(3):
            drain_again(account)
        account.refresh_from_db()
        account.secret = Secret("still-not-the-right-one")
        account.save()
    assert told.count("paused_login") == 2
    assert len(strict.auth_attempts) == 4


def test_a_server_that_offers_no_login_is_not_given_one(told: list[str]) -> None:
    with ChaosServer() as server:
        account = make_account(server.port, username="me")
        make_message(account)
        for _ in range(4):
            drain_again(account)
        assert (states(), attempts()) == (["queued"], [0])
        assert server.messages == []
        assert not [line for _, line in server.commands if line.upper().startswith("AUTH")]
        assert lane().wait_reason in {WaitReason.PAUSED_LOGIN, WaitReason.PAUSED_CONFIG}
        assert len(told) == 1


@pytest.mark.slow
def test_two_workers_try_a_refused_login_twice_and_others_flow(strict: ChaosServer, tmp_path: Path) -> None:
    settings = {**FAST, "LOGIN_RETRY_SECONDS": 0.3}
    with ChaosServer() as open_server:
        refused = make_account(strict.port, username="me")
        others = [make_account(open_server.port) for _ in range(3)]
        for account in (refused, *others):
            for _ in range(20):
                make_message(account)
        with drain_worker(tmp_path, settings) as one, drain_worker(tmp_path, settings) as two:
            paused = Lane.objects.filter(account=refused, wait_reason=WaitReason.PAUSED_LOGIN)
            until(paused.exists, why="the breaker did not open")
            assert open_server.wait_for(lambda: len(open_server.messages) == 60)
            for _ in range(3):
                swept_at = Installation.objects.get().swept_at
                later = Installation.objects.filter(swept_at__gt=swept_at)
                until(later.exists, why="nobody swept")
            assert one.terminate() == two.terminate() == 0
        assert len(strict.auth_attempts) == 2
        assert Message.objects.filter(account=refused, state="queued", attempts=0).count() == 20


def stored_token() -> str:
    """As the database has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM mailconfig_account")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "key", [Fernet.generate_key().decode(), "not a key", ""], ids=["wrong", "bad", "none"]
)
def test_a_wrong_key_sends_nothing_wraps_nothing_and_is_mended_by_the_right_one(
    strict: ChaosServer, settings: Any, told: list[str], key: str
) -> None:
    strict.credentials = {"me": PASSWORD}
    account = make_account(strict.port, username="me")
    make_message(account)
    token, right = stored_token(), settings.FIELD_ENCRYPTION_KEY

    settings.FIELD_ENCRYPTION_KEY = key
    for _ in range(3):
        drain_again(account)
    renamed = Account.objects.get()
    renamed.name = "Renamed meanwhile"
    renamed.save()
    assert strict.sessions == 0
    assert (states(), attempts()) == (["queued"], [0])
    assert stored_token() == token
    assert told in (["secret_unreadable"], ["secret_unreadable", "resumed"])
    drain_again(account)
    assert lane().wait_reason == WaitReason.SECRET_UNREADABLE

    settings.FIELD_ENCRYPTION_KEY = right
    drain_again(account)
    assert (states(), lane().wait_reason) == (["sent"], "")


def poison(account: Account, number: int) -> Message:
    """One of several ways in which a row can be bad."""
    ways: list[dict[str, Any]] = [
        {"body": None},
        {"body": None, "stored_as": "mailconfig/nowhere.eml"},
        {"to": ["no address\r\nRCPT TO:<x@example.net>"]},
        {"to": ["käthe@example.net"]},
        {"envelope_from": "not\r\nan address"},
    ]
    return make_message(account, **ways[number % len(ways)])


def test_one_poisoned_row_in_twenty_fails_alone(server: ChaosServer, window: int) -> None:
    storages["default"].save(
        "mailconfig/another.eml", ContentFile(b"")
    )  # the storage is there, one file is not
    account = make_account(server.port)
    bad, good = [], []
    for number in range(100):
        if number % 20 == 7:
            bad.append(poison(account, number // 20).pk)
        else:
            good.append(make_message(account).pk)
    for _ in range(3):
        Message.objects.filter(state="queued").update(not_before=timezone.now())
        delivery.drain_account(account_id=account.pk)
    by_pk = dict(Message.objects.values_list("pk", "state"))
    assert [by_pk[pk] for pk in good] == ["sent"] * 95
    assert [by_pk[pk] for pk in bad] == ["failed"] * 5
    assert len(server.messages) == 95
    assert lane().wait_reason == ""
    assert not Message.objects.filter(pk__in=bad, error_text="").exists(), "each says why"
    assert not [line for _, line in server.commands if "<x@example.net>" in line]


def test_nonsense_of_a_server_does_not_reach_another_account(server: ChaosServer) -> None:
    server.on("banner", Raw(b"\xff" * 100 + b"\r\n"))
    broken = make_account(server.port)
    make_message(broken)
    with ChaosServer() as sane:
        fine = make_account(sane.port)
        make_message(fine)
        delivery.drain_all(should_stop=lambda: False)
        assert len(sane.messages) == 1
    assert set(Message.objects.values_list("account", "state")) == {(broken.pk, "queued"), (fine.pk, "sent")}
