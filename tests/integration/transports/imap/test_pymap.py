"""A server that nobody here wrote and that needs nothing but pip: ``pymap``. It counts UIDs from 101."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import FolderRefused, LoginRefused
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.imap import Criteria, UIDSet, check_folder, open_imap
from mailconfig.values import ConnectionSettings, NetworkPolicy, Secret, Security, Stage
from tests.servers.pymap import PASSWORD, USER, PymapServer

from .sessions import settings_for

FIRST = 101
MESSAGES = 40
RECEIVED_AT = dt.datetime(2026, 2, 28, 23, 59, 58, tzinfo=dt.UTC)
SECURITIES = pytest.mark.parametrize(
    "security", [Security.NONE, Security.OPPORTUNISTIC, Security.STARTTLS, Security.TLS]
)


def message(number: int) -> bytes:
    """One with bytes that are no UTF-8, and with lines of all sorts."""
    lines = [f"Subject: number {number}", f"Message-ID: <{number}@mail.test>", "", f"Text {number}", ")", ""]
    return "\r\n".join(lines).encode() + b"\xff\xfe * BYE\r\n" * number


@pytest.fixture(scope="module")
def pymap() -> Iterator[PymapServer]:
    with PymapServer() as server:
        for number in range(MESSAGES):
            flags = ["\\Seen"] if number % 2 else []
            server.mailboxes.add(USER, message(number), received_at=RECEIVED_AT, flags=flags)
        server.mailboxes.add_folder(USER, "Entwürfe")
        yield server


@pytest.fixture
def around(pymap: PymapServer, policy: NetworkPolicy) -> Surroundings:
    return Surroundings(policy=replace(policy, ca_file=pymap.ca_file, allow_plain_login=True))


def settings(server: PymapServer, security: Security = Security.NONE, **other: Any) -> ConnectionSettings:
    return settings_for(
        server.port, security=security, **{"username": USER, "secret": Secret(PASSWORD), **other}
    )


@SECURITIES
def test_a_folder_is_checked_stage_by_stage(
    pymap: PymapServer, around: Surroundings, security: Security
) -> None:
    stages: list[Stage] = []
    noting = replace(around, on_stage=lambda stage, *_: stages.append(stage))

    state = check_folder(settings(pymap, security), noting, folder="INBOX")

    secured = [] if security is Security.NONE else [Stage.TLS]
    assert stages == [
        Stage.RESOLVE,
        Stage.CONNECT,
        *secured,
        Stage.BANNER,
        Stage.LOGIN,
        Stage.FOLDER,
    ]
    assert (state.exists, state.uid_next, state.read_only) == (MESSAGES, FIRST + MESSAGES, True)


def test_a_wrong_password_is_refused(pymap: PymapServer, around: Surroundings) -> None:
    with pytest.raises(LoginRefused) as caught:
        open_imap(settings(pymap, secret=Secret("wrong-ü")), around)

    assert (caught.value.stage, caught.value.field, caught.value.temporary) == (Stage.LOGIN, "secret", False)


def test_a_folder_that_is_not_there(pymap: PymapServer, around: Surroundings) -> None:
    with pytest.raises(FolderRefused) as caught:
        check_folder(settings(pymap), around, folder="Outreach")

    assert (caught.value.stage, caught.value.field, caught.value.temporary) == (Stage.FOLDER, "folder", False)


def test_what_is_there_is_found_and_read_as_it_is_and_not_marked(
    pymap: PymapServer, around: Surroundings
) -> None:
    before = pymap.mailboxes.flags(USER)
    session = open_imap(settings(pymap), around)
    session.examine("INBOX")
    found = session.search()
    heads = list(session.heads(found))
    texts = [b"".join(session.read(head.uid, most=head.size)) for head in heads]
    one = session.search(Criteria(header=("Message-ID", "<7@mail.test>")))
    newest = session.search(Criteria(uids=UIDSet.since(FIRST + MESSAGES - 1)))
    beyond = session.search(Criteria(uids=UIDSet.since(FIRST + MESSAGES)))
    parts = [session.part(FIRST, section=section, start=1, size=5) for section in ("", "HEADER", "TEXT")]
    session.noop()
    session.quit()

    assert [head.uid for head in heads] == list(range(FIRST, FIRST + MESSAGES))
    assert texts == [message(number) for number in range(MESSAGES)]
    assert [head.size for head in heads] == [len(text) for text in texts]
    assert {head.received_at for head in heads} == {RECEIVED_AT}
    assert all(
        head.header == text.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        for head, text in zip(heads, texts, strict=True)
    )
    assert [tuple(uids) for uids in (one, newest, beyond)] == [(FIRST + 7,), (FIRST + MESSAGES - 1,), ()]
    assert parts == [b"ubjec", b"ubjec", b"ext 0"]
    assert pymap.mailboxes.flags(USER) == before
    assert sum("\\Recent" in flags for flags in before.values()) == MESSAGES // 2


def test_what_comes_in_meanwhile_is_noticed(around: Surroundings) -> None:
    with PymapServer() as server:
        session = open_imap(settings(server), around)
        assert session.examine("INBOX").exists == 0
        uid = server.mailboxes.add(USER, message(0))
        session.noop()
        exists = session.exists
        found = session.search()
        session.quit()

    assert exists == 1
    assert tuple(found) == (uid,)


def test_folders_are_found_by_their_names(pymap: PymapServer, around: Surroundings) -> None:
    session = open_imap(settings(pymap), around)
    folders = {folder.name for folder in session.folders()}
    state = session.examine("Entwürfe")
    session.quit()

    assert folders == {"INBOX", "Entwürfe"}
    assert state.exists == 0
