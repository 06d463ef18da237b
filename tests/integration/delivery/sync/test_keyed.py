"""Syncing where messages have keys instead of numbers, and a folder was read up to a text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from mailconfig import delivery
from mailconfig.exceptions import SessionLost
from mailconfig.models import Lane, Mailbox, SyncedFolder, SyncedMessage
from mailconfig.transports import registry
from mailconfig.transports.reading import (
    KeyedMessage,
    KeyedSession,
    KeyedState,
    WhichAreStored,
    none_is_stored,
)
from mailconfig.values import ErrorCode, Stage
from tests.servers.imap import FakeIMAP

from .mail import make_synced, put

pytestmark = pytest.mark.django_db(transaction=True)

AT = dt.datetime(2026, 7, 17, 0, 44, 25, tzinfo=dt.UTC)
"""As :func:`.mail.put` has it."""


class Pigeonholes(KeyedSession):
    """A far side that never forgets the order in which its messages came; a position is how many there were."""

    stages = (Stage.RESOLVE,)
    ports = frozenset({1})
    closed = False

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.epoch = "a"
        self.breaks_at: int | None = None
        self.told: list[str] = []

    def open(self, *_: Any) -> Pigeonholes:
        return self

    def check(self, *_: Any, **__: Any) -> None: ...

    def examine(self, folder: str, *, position: str) -> KeyedState:
        goes_on = position.startswith(self.epoch)
        self._at = int(position[1:]) if goes_on else 0
        return KeyedState(exists=len(self.mails), goes_on=goes_on)

    def messages_after(
        self, *, most: int, which_are_stored: WhichAreStored = none_is_stored
    ) -> Iterator[tuple[str, tuple[KeyedMessage, ...]]]:
        while True:
            if self.breaks_at is not None and self._at >= self.breaks_at:
                raise SessionLost("gone", stage=Stage.REQUEST, code=ErrorCode.CONNECT_FAILED)
            told = self.mails[self._at : self._at + 2]
            self.told += [key for key, _ in told]
            self._at += len(told)
            yield (
                f"{self.epoch}{self._at}",
                tuple(
                    KeyedMessage(key=key, size=len(octets), received_at=AT, octets=octets[:most])
                    for key, octets in told
                ),
            )
            if self._at >= len(self.mails):
                return

    def quit(self) -> None: ...

    def close(self) -> None: ...

    def put(self, key: str, *, sender: str = "them@example.net") -> None:
        octets = (
            f"From: {sender}\r\nSubject: {key}\r\nMessage-ID: <{key}@example.net>\r\n\r\nText of {key}\r\n"
        )
        self.mails.append((key, octets.encode()))


@pytest.fixture
def holes(monkeypatch: pytest.MonkeyPatch) -> Pigeonholes:
    holes = Pigeonholes()
    monkeypatch.setitem(registry._reading, "ews", holes)
    return holes


@pytest.fixture
def keyed(holes: Pigeonholes) -> Mailbox:
    return make_synced(1, sync_method="ews")


def sync(mailbox: Mailbox) -> tuple[int, int]:
    report = delivery.sync_account(account_id=mailbox.pk)
    return report.stored, report.moved


def stored() -> list[tuple[int, str]]:
    return list(SyncedMessage.objects.order_by("uid").values_list("uid", "subject"))


def test_only_what_is_new_is_told_and_each_has_its_number_and_text(
    holes: Pigeonholes, keyed: Mailbox
) -> None:
    for key in ("b", "a", "c" * 400):
        holes.put(key)

    assert sync(keyed) == (3, 0)
    holes.put("d")
    holes.told.clear()
    assert sync(keyed) == (1, 0)

    assert holes.told == ["d"]
    assert stored() == [(1, "b"), (2, "a"), (3, "c" * 400), (4, "d")]
    assert SyncedMessage.objects.get(uid=4).content.text == "Text of d\n"
    assert {len(key) for key in SyncedMessage.objects.values_list("key", flat=True)} == {1, 64}
    assert SyncedFolder.objects.get().position == "a4"


def test_what_is_told_again_is_not_stored_again(holes: Pigeonholes, keyed: Mailbox) -> None:
    for key in ("a", "b", "c", "a"):
        holes.put(key)

    assert sync(keyed) == (3, 0)
    SyncedFolder.objects.update(position="a1")
    assert sync(keyed) == (0, 0)


def test_a_position_that_means_nothing_any_more_begins_anew_and_recognises_what_is_stored(
    holes: Pigeonholes, keyed: Mailbox
) -> None:
    for key in ("a", "b", "c"):
        holes.put(key)
    sync(keyed)
    pks = set(SyncedMessage.objects.values_list("pk", flat=True))

    holes.epoch = "z"
    holes.mails = [("other", holes.mails[0][1]), ("b", b"Subject: b\r\n\r\nchanged\r\n"), *holes.mails[2:]]
    holes.put("d")

    assert sync(keyed) == (1, 3)
    assert pks < set(SyncedMessage.objects.values_list("pk", flat=True))
    assert set(SyncedMessage.objects.values_list("key", flat=True)) == {"other", "b", "c", "d"}
    assert SyncedFolder.objects.get().position == "z4"


def test_a_sync_that_broke_goes_on_behind_what_is_stored(holes: Pigeonholes, keyed: Mailbox) -> None:
    for key in "abcdef":
        holes.put(key)
    holes.breaks_at = 4

    assert sync(keyed) == (4, 0)
    holes.breaks_at = None
    Lane.objects.update(wait_until=None, wait_reason="")
    holes.told.clear()
    assert sync(keyed) == (2, 0)
    assert holes.told == ["e", "f"]


def test_exclusions_leave_mail_out_and_nothing_is_kept_where_no_text_is_wanted(
    holes: Pigeonholes, keyed: Mailbox, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SYNCED_CONTENT_DAYS": 0}
    keyed.sync_exclusions = "*@private.example"
    keyed.save()
    holes.put("a", sender="me@private.example")
    holes.put("b")

    assert sync(keyed) == (1, 0)
    assert [hasattr(row, "content") for row in SyncedMessage.objects.all()] == [False]


def test_a_mailbox_that_is_read_in_another_way_and_back_again_keeps_its_mail(
    holes: Pigeonholes, server: FakeIMAP
) -> None:
    mailbox = make_synced(server.port)
    holes.mails = [("k", put(server).data)]

    came_to = [sync(mailbox)]
    for method in ("ews", "imap"):
        mailbox.sync_method = method
        mailbox.save()
        came_to.append(sync(mailbox))

    assert came_to == [(1, 0), (0, 1), (0, 1)]
    assert SyncedMessage.objects.get().key == ""
