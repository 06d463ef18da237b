"""Reading by Exchange: what is asked, what comes, and what a server may not do to us."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from mailconfig.exceptions import FolderRefused, LoginRefused, ProtocolError, SessionLost, TransportError
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.ews import READING_TRANSPORT
from mailconfig.transports.ews.reading import MOST_STATE, EWSReadingSession
from mailconfig.transports.xml import MOST_UNFINISHED
from mailconfig.values import NetworkPolicy, Stage, Timeouts
from tests.servers.ews import FakeEWS, Fault, Item

from .sessions import settings_to

MOST = 1024 * 1024


def mail(number: int, size: int = 0) -> bytes:
    head = f"From: them@example.net\r\nSubject: Number {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n"
    return head.encode() + (b"0123456789abcde\n" * (size // 16) or b"Hello\r\n")


@pytest.fixture
def session(server: FakeEWS, policy: NetworkPolicy) -> Iterator[EWSReadingSession]:
    with closing(READING_TRANSPORT.open(settings_to(server), Surroundings(policy=policy))) as session:
        yield session


def read(
    session: EWSReadingSession, folder: str = "INBOX", position: str = ""
) -> tuple[bool, str, list[bytes]]:
    """Whether it went on, the position behind all, and what came."""
    state = session.examine(folder, position=position)
    came: list[bytes] = []
    behind = position
    for behind, messages in session.messages_after(most=MOST):  # noqa: B007 - the last one counts
        came += [message.octets for message in messages]
    return state.goes_on, behind, came


def test_what_came_in_since_comes_with_its_octets_and_nothing_is_changed(
    server: FakeEWS, session: EWSReadingSession
) -> None:
    server.page = 2
    put = [server.put(mail(number)) for number in range(5)]
    server.inbox.changes += [("Update", put[0].id), ("ReadFlagChange", put[1].id), ("Delete", "gone=")]

    goes_on, position, came = read(session)
    assert (goes_on, came) == (False, [mail(number) for number in range(5)])
    server.put(mail(9), kind="MeetingRequest")
    assert read(session, position=position)[::2] == (True, [mail(9)])
    assert read(session, position=read(session, position=position)[1]) == (True, read(session)[1], [])

    assert not any(item.is_read for item in server.inbox.items.values())
    assert set(server.requests) == {"GetFolder", "SyncFolderItems", "GetItem"}


def test_a_message_has_its_key_date_and_size(server: FakeEWS, session: EWSReadingSession) -> None:
    item = server.put(mail(1), received="2026-07-17T02:44:25+02:00")
    server.put(mail(2), received="0001-01-01T00:00:00Z")
    session.examine("INBOX", position="")

    ((_, (first, second)),) = session.messages_after(most=MOST)

    assert (first.key, first.size) == (item.id, len(item.data))
    assert (first.received_at, second.received_at) == (
        dt.datetime(2026, 7, 17, 0, 44, 25, tzinfo=dt.UTC),
        None,
    )


def test_of_what_is_large_the_beginning_is_read_and_not_the_rest(
    server: FakeEWS, session: EWSReadingSession
) -> None:
    large = mail(1, 6 * MOST)
    server.put(large)
    server.put(mail(2, MOST - 4096))
    session.examine("INBOX", position="")

    messages = [message for _, batch in session.messages_after(most=MOST) for message in batch]

    assert messages[0].octets == large[:MOST]
    assert messages[0].size > MOST
    assert (messages[1].octets, messages[1].size) == (mail(2, MOST - 4096), len(mail(2, MOST - 4096)))
    assert not session.closed


def test_many_messages_come_in_batches_that_fit_into_memory(
    server: FakeEWS, session: EWSReadingSession
) -> None:
    for number in range(12):
        server.put(mail(number, 700 * 1024))
    session.examine("INBOX", position="")

    batches = list(session.messages_after(most=MOST))

    assert sum(len(messages) for _, messages in batches) == 12
    assert max(sum(len(each.octets) for each in messages) for _, messages in batches) <= 4 * MOST
    assert [position.endswith(" ") for position, _ in batches] == [True] * (len(batches) - 1) + [False]

    position, first = batches[0]
    keys = {message.key for message in first}
    assert session.examine("INBOX", position=position).goes_on
    rest = list(session.messages_after(most=MOST, which_are_stored=keys.intersection))
    assert sum(len(messages) for _, messages in rest) == 12 - len(first)


def test_a_state_that_exchange_does_not_know_begins_anew(server: FakeEWS, session: EWSReadingSession) -> None:
    server.put(mail(1))
    _, position, _ = read(session)

    server.inbox.epoch += 1
    assert read(session, position=position)[::2] == (False, [mail(1)])
    assert read(session, position=f"another-folder {position.partition(' ')[2]}")[0] is False


def test_a_message_that_vanishes_meanwhile_is_left_out(server: FakeEWS, session: EWSReadingSession) -> None:
    first, second = server.put(mail(1)), server.put(mail(2, 2 * MOST))
    server.put(mail(3))
    session.examine("INBOX", position="")
    del server.inbox.items[first.id], server.inbox.items[second.id]

    assert [message.octets for _, batch in session.messages_after(most=MOST) for message in batch] == [
        mail(3)
    ]


@pytest.mark.parametrize("parent", ["inbox", "msgfolderroot"])
def test_a_folder_is_found_by_its_name(server: FakeEWS, session: EWSReadingSession, parent: str) -> None:
    server.make_folder("Outreach", parent=parent)
    server.put(mail(1), folder="Outreach")
    server.put(mail(2))

    assert read(session, "Outreach")[2] == [mail(1)]


def test_a_folder_that_is_not_there_is_refused_with_a_hint(
    server: FakeEWS, policy: NetworkPolicy, session: EWSReadingSession
) -> None:
    with pytest.raises(FolderRefused) as caught:
        READING_TRANSPORT.check(settings_to(server), Surroundings(policy=policy), folder="Outreach")

    assert (caught.value.stage, caught.value.field, caught.value.temporary) == (Stage.FOLDER, "folder", False)
    assert "Make a folder" in caught.value.hint
    with pytest.raises(ValueError, match="name"):
        session.examine("a\r\nb", position="")


@pytest.mark.parametrize("operation", ["SyncFolderItems", "GetItem"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("ErrorServerBusy", back_off=1000), ProtocolError),
        (Fault("ErrorAccessDenied", status=500), LoginRefused),
        (Fault(status=503), ProtocolError),
        (Fault(hangs_up=True), SessionLost),
        (Fault(hangs=True), SessionLost),
        (Fault(body=b"<html>"), ProtocolError),
        (Fault(body=b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>'), ProtocolError),
        (Fault(body=b"x" * 100, headers={"Content-Length": str(10**12)}), ProtocolError),
        (Fault(body=b"<a>" + b"<" + b"b" * MOST_UNFINISHED * 2), ProtocolError),
    ],
    ids=["busy", "denied", "503", "hangs-up", "hangs", "page", "entities", "huge", "unfinished"],
)
def test_a_server_that_misbehaves_ends_the_session_and_is_not_believed(
    server: FakeEWS, policy: NetworkPolicy, operation: str, fault: Fault, error: type[TransportError]
) -> None:
    server.put(mail(1))
    timeouts = replace(Timeouts(), command=0.5 if fault.hangs else 20.0)
    session = READING_TRANSPORT.open(settings_to(server), Surroundings(policy=policy, timeouts=timeouts))
    server.faults[operation] = fault

    with pytest.raises(error) as caught:
        read(session)

    assert caught.value.stage in {Stage.FOLDER, Stage.LOGIN}
    assert not caught.value.ambiguous
    assert session.closed


def changes(state: str, item: Item) -> Fault:
    """An answer that names one message, and says that there is more."""
    return Fault(
        body=(
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><R><ResponseMessages>'
            f'<M ResponseClass="Success"><SyncState>{state}</SyncState>'
            "<IncludesLastItemInRange>false</IncludesLastItemInRange>"
            f'<Changes><Create><Message><ItemId Id="{item.id}"/></Message></Create></Changes></M>'
            "</ResponseMessages></R></s:Body></s:Envelope>"
        ).encode()
    )


def test_a_state_that_nobody_could_store_is_refused(server: FakeEWS, session: EWSReadingSession) -> None:
    server.faults["SyncFolderItems"] = changes("s" * (MOST_STATE + 1), server.put(mail(1)))

    with pytest.raises(ProtocolError):
        read(session)
    assert session.closed


def test_a_server_that_tells_the_same_for_ever_is_left(server: FakeEWS, session: EWSReadingSession) -> None:
    item: Item = server.put(mail(1))
    _, position, _ = read(session)
    state = position.partition(" ")[2]
    server.faults["SyncFolderItems"] = changes(state, item)

    with pytest.raises(ProtocolError):
        read(session, position=position)
