"""Processes that renew one permission at once, or die while they do, and a thousand lanes that need a token of one app."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from pytest_django import Settings

from mailconfig.delivery import connect_account, drain_account
from mailconfig.models import (
    Account,
    Lane,
    Message,
    MessageState,
    OAuth2Client,
    OAuth2Token,
    WaitReason,
)
from mailconfig.transports.oauth2 import TokenAnswer
from mailconfig.values import Secret
from tests.factories import account_values, make_message, make_oauth2_client, make_oauth2_grant
from tests.servers.authority import Authority, TokenSMTP
from tests.servers.children import Child, drain_worker, environment, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

USER = "me@contoso.example"
APP_SECRET = "not-a-real-app-secret"
LANES, SENT = 1000, 50
LOGS_IN = """
import sys

import django

django.setup()

from mailconfig.delivery.accounts.opening import open_session
from mailconfig.models import Account

account = Account.objects.get(pk=int(sys.argv[1]))
print("begins")
open_session(account, on_wait=lambda: print("waits")).quit()
"""
"""A program that logs in once, and says so while it waits for somebody else's request."""


@pytest.fixture
def authority() -> Iterator[Authority]:
    """One whose refresh tokens serve once."""
    with Authority(rotates=True) as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture
def smtp(authority: Authority) -> Iterator[TokenSMTP]:
    """A mail server that takes its tokens."""
    with TokenSMTP(authority.accepts, auth_in_clear=True) as server:
        yield server


@pytest.fixture
def deployment(settings: Settings, authority: Authority) -> dict[str, Any]:
    """What processes have to be told, too."""
    found = {
        "ALLOW_PLAIN_HTTP": True,
        "WEB_PORTS": None,
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
    }
    settings.MAILCONFIG = {**settings.MAILCONFIG, **found}
    return found


@pytest.fixture
def app(deployment: dict[str, Any]) -> OAuth2Client:
    """The app that is registered there."""
    return make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1")


@pytest.fixture
def account(smtp: TokenSMTP, app: OAuth2Client, authority: Authority) -> Account:
    """One that somebody connected, and whose access token has ended."""
    values = {"username": USER, "authentication": "oauth2", "secret": None}
    made = Account.objects.create(**account_values(smtp.port, **values))
    make_oauth2_grant(made, client=app, refresh_token=Secret(authority.agree(USER)))
    return Account.objects.get(pk=made.pk)


@pytest.mark.one_database
def test_two_processes_that_renew_one_permission_at_once_make_one_request(
    account: Account, authority: Authority, smtp: TokenSMTP, deployment: dict[str, Any], tmp_path: Path
) -> None:
    program = tmp_path / "logs_in.py"
    program.write_text(LOGS_IN)
    authority.is_open.clear()
    with contextlib.ExitStack() as stack:
        arguments = (str(program), str(account.pk))
        both = [
            stack.enter_context(Child(*arguments, folder=tmp_path, env=environment(deployment)))
            for _ in range(2)
        ]
        until(lambda: authority.requests and any("waits" in child.said() for child in both))
        until(lambda: all("begins" in child.said() for child in both))
        authority.is_open.set()
        assert [child.wait() for child in both] == [0, 0], [child.said() for child in both]
    assert len(authority.forms) == 1
    assert len({token for _way, _user, token in smtp.auth_attempts}) == 1
    assert len(smtp.auth_attempts) == 2
    renew(account, smtp)
    assert len({form["refresh_token"] for form in authority.forms}) == 2, "the one that came is kept"


@pytest.mark.one_database
@pytest.mark.parametrize(("point", "is_lost"), [("before_token", False), ("after_token", True)])
def test_a_process_killed_while_it_renews_a_permission_loses_it_at_most_and_says_so(
    point: str,
    *,
    is_lost: bool,
    account: Account,
    app: OAuth2Client,
    authority: Authority,
    smtp: TokenSMTP,
    deployment: dict[str, Any],
    tmp_path: Path,
) -> None:
    message = make_message(account)
    Lane.objects.update(due_at=Now())
    with drain_worker(tmp_path, deployment, crash_at=f"{point}@1", once=True) as worker:
        assert worker.wait() == -signal.SIGKILL, worker.said()
    assert len(authority.forms) == is_lost, "the service gave another refresh token, which nobody has"

    for _ in range(3):
        renew(account, smtp)

    lane, asked = Lane.objects.get(account=account), len(authority.forms)
    message.refresh_from_db()
    if is_lost:
        assert (lane.wait_reason, lane.wait_until, asked) == (WaitReason.PAUSED_CONSENT, None, 2)
        assert "ended while it renewed the permission" in lane.wait_text
        answer = TokenAnswer(
            access_token=Secret(authority.issue(USER)),
            expires_in=3600,
            refresh_token=Secret(authority.agree(USER)),
        )
        connect_account(account_id=account.pk, client=app, answer=answer, scope="x", by=None)
        drain_account(account_id=account.pk)
        message.refresh_from_db()
    assert message.state == MessageState.SENT
    assert [mail.mail_from for mail in smtp.messages] == [account.from_email]


def renew(account: Account, smtp: TokenSMTP) -> None:
    """As long after, when no lease holds any more and the access token has ended."""
    OAuth2Token.objects.update(expires_at=Now())
    OAuth2Token.objects.exclude(lease_until=None).update(lease_until=Now() - timedelta(seconds=1))
    Lane.objects.exclude(lease_until=None).update(lease_until=Now() - timedelta(seconds=1))
    if not Message.objects.filter(state=MessageState.QUEUED).exists() and not smtp.messages:
        make_message(account)
    drain_account(account_id=account.pk)


@pytest.mark.postgres
def test_a_thousand_lanes_of_one_app_ask_once_and_leave_a_service_alone_that_wants_it(
    app: OAuth2Client, authority: Authority, smtp: TokenSMTP, deployment: dict[str, Any], tmp_path: Path
) -> None:
    values = {"authentication": "oauth2", "secret": None}
    with transaction.atomic():
        for number in range(LANES):
            names = {"username": f"u{number}@contoso.example", "from_email": f"u{number}@contoso.example"}
            account = Account.objects.create(**account_values(smtp.port, **values, **names))
            make_oauth2_grant(account, client=app, grant_type="client_credentials")
            make_message(account)
    Lane.objects.update(due_at=Now())
    authority.says.append((429, {"error": "busy"}, "Retry-After: 900\r\n"))
    authority.is_open.clear()
    waits = Lane.objects.filter(
        wait_reason=WaitReason.TOKEN_AWAY, wait_until__gt=Now() + timedelta(seconds=600)
    )
    settings = {**deployment, "CONCURRENCY": 20, "SLICE_SECONDS": 5.0}

    with contextlib.ExitStack() as stack:
        crew = [stack.enter_context(drain_worker(tmp_path, settings)) for _ in range(2)]
        until(lambda: authority.requests)
        until(lambda: Lane.objects.exclude(lease_token=None).count() >= 40)
        authority.is_open.set()
        until(lambda: waits.count() == LANES, why="not all wait")
        assert (len(authority.forms), smtp.sessions) == (1, 0)

        OAuth2Token.objects.update(retry_at=None)
        again = Lane.objects.filter(pk__in=Lane.objects.order_by("pk").values("pk")[:SENT])
        again.update(wait_reason="", wait_since=None, wait_until=None, due_at=Now())
        sent = Message.objects.filter(state=MessageState.SENT)
        until(lambda: sent.count() == SENT, why="not all is sent")
        assert [worker.terminate() for worker in crew] == [0, 0]
    assert len(authority.forms) == 2
    assert len({token for _way, _user, token in smtp.auth_attempts}) == 1
    assert len(smtp.messages) == SENT
