"""Reading by Gmail: by history, from the beginning where that is forgotten, and never more than is wanted."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from mailconfig.exceptions import FolderRefused, LoginRefused, ProtocolError, SessionLost, TransportError
from mailconfig.transports.gmail_api import READING_TRANSPORT
from mailconfig.transports.reading import KeyedMessage, KeyedSession
from mailconfig.values import NetworkPolicy, Stage
from tests.servers.gmail import ALL, DOCUMENTED, NOT_FOUND, READ, SEND, TOKEN, FakeGmail, Fault

from .sessions import settings_of, surroundings_of

MOST = 64 * 1024


@pytest.fixture
def server() -> Iterator[FakeGmail]:
    with FakeGmail(tokens={TOKEN: (READ,)}) as found:
        yield found


def opened(server: FakeGmail, policy: NetworkPolicy, **timeouts: float) -> KeyedSession:
    return READING_TRANSPORT.open(settings_of(), surroundings_of(server, policy, **timeouts))


class Reader:
    """Reads as delivery does: from where it was, each time in a session of its own."""

    def __init__(self, server: FakeGmail, policy: NetworkPolicy) -> None:
        self.server, self.policy = server, policy
        self.position = ""
        self.goes_on = False
        self.exists = 0

    def read(self, folder: str = "INBOX", *, most: int = MOST, batches: int = 10**9) -> list[KeyedMessage]:
        session = opened(self.server, self.policy)
        try:
            state = session.examine(folder, position=self.position)
            self.goes_on, self.exists = state.goes_on, state.exists
            found: list[KeyedMessage] = []
            for number, (position, messages) in enumerate(session.messages_after(most=most), 1):
                found += messages
                self.position = position
                if number >= batches:
                    break
        finally:
            session.quit()
        assert session.closed
        return found


@pytest.fixture
def reader(server: FakeGmail, policy: NetworkPolicy) -> Reader:
    return Reader(server, policy)


def mail(number: int, more: str = "") -> bytes:
    return f"From: them@example.net\r\nSubject: {number}\r\n\r\nText {number}\r\n{more}".encode()


def test_what_came_is_told_once_and_then_only_what_is_new(server: FakeGmail, reader: Reader) -> None:
    keys = [server.put(mail(number)) for number in range(3)]
    server.put(mail(9), "SPAM")

    first = reader.read()
    asked = list(server.asked)
    nothing = reader.read()
    new = server.put(mail(3))
    server.label(server.put(mail(4), "Label_7"), "INBOX")
    second = reader.read()

    assert [message.key for message in first] == keys[::-1]
    assert (first[0].octets, first[0].size) == (mail(2), len(mail(2)))
    assert first[0].received_at == dt.datetime(2026, 7, 17, 0, 44, 25, tzinfo=dt.UTC)
    assert asked == ["getProfile", "labels.get", "messages.list", *["messages.get"] * 3]
    assert nothing == []
    assert [message.octets for message in second] == [mail(3), mail(4)]
    assert (second[0].key, reader.goes_on, reader.exists) == (new, True, 5)
    assert {method.partition(".")[0] for method in server.asked} <= {
        "getProfile",
        "labels",
        "messages",
        "history",
    }
    assert server.sent == []


def test_a_label_of_the_name_is_a_folder(server: FakeGmail, reader: Reader) -> None:
    server.put(mail(1))
    with pytest.raises(FolderRefused) as caught:
        reader.read("Outreach")
    assert (caught.value.field, caught.value.temporary) == ("folder", False)

    server.labels["Label_12"] = "outreach"
    key = server.put(mail(2), "Label_12")
    assert [message.key for message in reader.read("Outreach")] == [key]

    server.label(next(iter(server.messages)), "Label_12")
    assert [message.octets for message in reader.read("Outreach")] == [mail(1)]

    # Another folder begins anew, and so does one that was made again under the same name.
    assert len(reader.read("INBOX")) == 1
    assert not reader.goes_on
    for name in ("", "a\nb", "x" * 300):
        with pytest.raises(ValueError, match="no folder"):
            reader.read(name)


def test_many_messages_come_in_pages_and_it_goes_on_where_it_ended(server: FakeGmail, reader: Reader) -> None:
    server.page = 2
    keys = [server.put(mail(number)) for number in range(5)]

    first = reader.read(batches=1)
    between = server.put(mail(5))
    assert reader.position.endswith(" page-2")
    rest = reader.read()
    assert {message.key for message in [*first, *rest]} >= set(keys[1:])
    assert reader.goes_on
    assert [message.key for message in reader.read()] == [between]

    more = [server.put(mail(number)) for number in range(6, 11)]
    told = [message.key for message in reader.read(batches=1)]
    assert told == more[:2]
    assert [message.key for message in reader.read()] == more[2:]


def test_a_first_reading_that_ends_within_a_page_leaves_nothing_out(
    server: FakeGmail, policy: NetworkPolicy, reader: Reader
) -> None:
    server.page = 60
    keys = {server.put(mail(number)) for number in range(120)}

    found = {message.key for message in reader.read(batches=3)}
    assert len(found) == 110
    with closing(opened(server, policy)) as session:
        assert session.examine("INBOX", position=reader.position).goes_on
        told = session.messages_after(most=MOST, which_are_stored=found.intersection)
        assert {message.key for _, batch in told for message in batch} == keys - found


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_each_position_of_a_first_reading_is_before_what_was_not_told(
    server: FakeGmail, reader: Reader, batches: int
) -> None:
    server.page = 60
    keys = {server.put(mail(number)) for number in range(70)}

    found = reader.read(batches=batches) + reader.read()

    assert {message.key for message in found} == keys
    assert reader.goes_on
    assert reader.read() == []


@pytest.mark.parametrize("lost", ["history", "page", "label", "nonsense"])
def test_what_gmail_has_forgotten_is_told_from_the_beginning(
    server: FakeGmail, reader: Reader, lost: str
) -> None:
    server.page = 2
    keys = [server.put(mail(number)) for number in range(3)]
    if lost == "page":
        reader.read(batches=1)
        reader.position = reader.position.replace("page-2", "another")
    else:
        reader.read()
    if lost == "history":
        server.put(mail(3))
        keys.append(next(reversed(server.messages)))
        server.forgets_before = server.number
    elif lost == "label":
        reader.position = reader.position.replace("INBOX", "Label_7")
    elif lost == "nonsense":
        reader.position = "INBOX twelve"

    found = reader.read()

    assert not reader.goes_on
    assert {message.key for message in found} == set(keys)
    assert reader.read() == []
    assert reader.goes_on


def test_of_a_long_message_only_the_beginning_is_read(server: FakeGmail, reader: Reader) -> None:
    long = mail(1, "x" * (3 * 1024 * 1024))
    server.put(long)
    short = server.put(mail(2, "y" * 100_000))

    found = {message.key: message for message in reader.read(most=MOST)}

    cut = found.pop(short)
    assert (cut.octets, cut.size) == (mail(2, "y" * 100_000)[:MOST], len(mail(2)) + 100_000)
    (message,) = found.values()
    assert (message.octets, message.size) == (long[:MOST], len(long))
    assert server.asked.count("messages.get") == 4


def test_what_was_deleted_meanwhile_is_left_out(server: FakeGmail, reader: Reader) -> None:
    keys = [server.put(mail(number)) for number in range(3)]
    server.faults["messages.get"] = Fault(404, NOT_FOUND.body, left=1)

    assert [message.key for message in reader.read()] == keys[1::-1]


@pytest.mark.parametrize(
    "method", ["getProfile", "labels.get", "messages.list", "messages.get", "history.list"]
)
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("userRateLimitExceeded", SessionLost),
        ("tooMany", SessionLost),
        ("backendError", SessionLost),
        ("authError", LoginRefused),
        ("domainPolicy", LoginRefused),
        ("accessNotConfigured", LoginRefused),
        ("failedPrecondition", LoginRefused),
    ],
)
def test_an_error_while_reading_ends_the_session_and_says_who_has_to_act(
    server: FakeGmail, reader: Reader, method: str, reason: str, kind: type[TransportError]
) -> None:
    server.put(mail(1))
    if method == "history.list":
        reader.read()
        server.faults["messages.list"] = DOCUMENTED[reason]
    server.faults[method] = DOCUMENTED[reason]

    with pytest.raises(kind) as caught:
        reader.read()

    assert not caught.value.ambiguous
    remedy = getattr(caught.value, "remedy", None)
    assert remedy == ("registration" if reason in {"domainPolicy", "accessNotConfigured"} else None)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("messages.list", Fault(200, b'{"messages": {}, "nextPageToken": 7}')),
        ("messages.list", Fault(200, b'{"messages": [{"id": "../x"}, 1, {}], "nextPageToken": "same"}')),
        ("messages.list", Fault(200, b'{"messages": [], "nextPageToken": "a b"}')),
        ("messages.list", Fault(200, b"no JSON")),
        ("history.list", Fault(200, b"{}")),
        ("history.list", Fault(200, b'{"historyId": "x"}')),
        ("history.list", Fault(200, b'{"history": [{"id": {}}], "nextPageToken": "same", "historyId": "9"}')),
        (
            "history.list",
            Fault(200, b'{"history": [{"id": "7"}], "nextPageToken": "same", "historyId": "9"}'),
        ),
        ("labels.get", Fault(200, b"[]")),
        ("labels.get", Fault(200, b'{"messagesTotal": "many"}' + b" " * 3_000_000)),
    ],
)
def test_pages_of_nonsense_end_it(server: FakeGmail, reader: Reader, method: str, fault: Fault) -> None:
    if method == "history.list":
        reader.read()
    server.faults[method] = fault

    with pytest.raises(ProtocolError):
        reader.read()


def test_pages_that_go_round_end_it(
    server: FakeGmail, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.read()
    pages = (
        Fault(200, b'{"history": [], "nextPageToken": "%s", "historyId": "9"}' % token)
        for token in itertools.cycle((b"a", b"b"))
    )
    monkeypatch.setattr(
        server, "faults", SimpleNamespace(get=lambda name: next(pages) if name == "history.list" else None)
    )

    with pytest.raises(ProtocolError):
        reader.read()


def test_messages_of_nonsense_are_told_as_far_as_they_are_understood(
    server: FakeGmail, reader: Reader
) -> None:
    server.put(mail(1))
    server.faults["messages.get"] = Fault(
        200, b'{"raw": "a\\u00e9!", "internalDate": "-", "sizeEstimate": []}'
    )

    (message,) = reader.read()

    assert (message.octets, message.size, message.received_at) == (b"", 0, None)


def test_a_permission_to_send_is_not_enough_to_read(server: FakeGmail, policy: NetworkPolicy) -> None:
    server.tokens = {TOKEN: (SEND,)}

    with pytest.raises(LoginRefused) as caught:
        opened(server, policy)

    assert getattr(caught.value, "remedy", None) == "connect"
    assert (caught.value.field, caught.value.stage) == ("authentication", Stage.LOGIN)


def test_a_server_that_says_nothing_ends_it_in_time(server: FakeGmail, policy: NetworkPolicy) -> None:
    server.tokens = {TOKEN: (ALL,)}
    session = opened(server, policy, command=0.3)
    server.faults["labels.get"] = Fault(hangs=True)

    with pytest.raises(SessionLost):
        session.examine("INBOX", position="")

    assert session.closed
