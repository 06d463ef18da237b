"""Syncs of a mailbox, each in a process of its own."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from mailconfig import delivery
from mailconfig.delivery.postgres import statements
from mailconfig.models import Account, AccountKind, Lane, Mailbox, Purpose, SyncedContent, SyncedMessage
from mailconfig.values import Secret
from tests.password import PASSWORD
from tests.servers.imap import FakeIMAP


def first(port: int, ca_file: str, username: str, password: str) -> tuple[float, float]:
    """Messages a second that are stored, with their texts, of a folder that was never synced before, and processor seconds of each."""
    with override_settings(MAILCONFIG=_settings(CA_FILE=ca_file)):
        mailbox = _make_mailbox(port, username, password, host="localhost", ssl=True)
        begun, used = time.perf_counter(), time.process_time()
        _sync(mailbox)
        seconds, used = time.perf_counter() - begun, time.process_time() - used
        count = SyncedMessage.objects.filter(mailbox=mailbox).count()
        if SyncedContent.objects.count() != count:
            raise RuntimeError("not every message has its text")
    _forget(mailbox)
    return count / seconds, used / count


def without_news() -> dict[str, int]:
    """Commands and statements of a sync of a folder in which nothing is new."""
    with (
        FakeIMAP(credentials={"me": PASSWORD}) as server,
        override_settings(MAILCONFIG=_settings(ALLOW_PLAIN_LOGIN=True)),
    ):
        server.add_messages(100)
        mailbox = _make_mailbox(server.port, "me", PASSWORD, host="127.0.0.1", ssl=False)
        for _ in range(2):
            _sync(mailbox)
        server.commands.clear()
        with (
            CaptureQueriesContext(connection) as queries,
            mock.patch.object(statements, "run", wraps=statements.run) as at_once,
        ):
            _sync(mailbox)
        # What a server can do it tells by itself, as nearly all do; this one has to be asked.
        commands = [verb for verb in server.verbs() if verb != "CAPABILITY"]
    _forget(mailbox)
    return {"commands": len(commands), "statements": len(queries) + at_once.call_count}


def make_mailboxes(port: int, usernames: list[str], interval: int) -> None:
    """Mailboxes that are synced that often."""
    with override_settings(MAILCONFIG=_settings(ALLOW_PLAIN_LOGIN=True)):
        for username in usernames:
            mailbox = _make_mailbox(port, username, PASSWORD, host="127.0.0.1", ssl=False)
            mailbox.sync_interval = interval
            mailbox.save()


def work(seconds: float) -> None:
    """Run a worker for so long."""
    ends_at = time.monotonic() + seconds
    with override_settings(MAILCONFIG=_settings(ALLOW_PLAIN_LOGIN=True)):
        delivery.run(should_stop=lambda: time.monotonic() >= ends_at)


def forget_all() -> None:
    """Delete what the other jobs made."""
    for mailbox in Mailbox.objects.all():
        _forget(mailbox)


def _settings(**more: object) -> dict[str, Any]:
    from django.conf import settings

    return {**settings.MAILCONFIG, **more}


def _make_mailbox(port: int, username: str, password: str, *, host: str, ssl: bool) -> Mailbox:
    mailbox = Mailbox.objects.create(
        kind=AccountKind.MAILBOX,
        name="Synced",
        from_email="me@example.com",
        username=username,
        sync_method="imap",
        imap_host=host,
        imap_port=port,
        imap_ssl=ssl,
        secret=Secret(password),
    )
    Lane.objects.get_or_create(account=mailbox, purpose=Purpose.SYNC)
    return mailbox


def _sync(mailbox: Mailbox) -> None:
    report = delivery.sync_account(account_id=mailbox.pk)
    while report.is_due:
        report = delivery.sync_account(account_id=mailbox.pk)
    if not report.is_complete:
        raise RuntimeError(f"the sync ended with {report.error_code or 'nothing'}")


def _forget(mailbox: Account) -> None:
    SyncedMessage.objects.filter(mailbox_id=mailbox.pk).delete()
    Account.objects.filter(pk=mailbox.pk).delete()
