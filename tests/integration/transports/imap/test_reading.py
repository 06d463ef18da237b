"""Reading in folders: what is told, and that nothing changes."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque

import pytest

from mailconfig.exceptions import FolderRefused, ProtocolError, SessionLost
from mailconfig.transports.imap import Criteria, IMAPSession, KnownState, UIDSet
from mailconfig.transports.imap.session import START_BYTES
from mailconfig.values import ErrorCode, NetworkPolicy, Stage, Timeouts
from tests.servers.children import until
from tests.servers.faults import Raw, Reply
from tests.servers.imap import EXTENSIONS, FakeFolder, FakeIMAP

from .sessions import PASSWORD, USER, session_to

READING = {
    "CAPABILITY",
    "AUTHENTICATE",
    "ENABLE",
    "LIST",
    "EXAMINE",
    "UID SEARCH",
    "UID FETCH",
    "NOOP",
    "LOGOUT",
}
PLAIN = ("SASL-IR",)
"""A server without extensions."""
EVERY = UIDSet.since(1)


def opened(session: IMAPSession) -> IMAPSession:
    session.examine("INBOX")
    return session


@pytest.mark.parametrize("capabilities", [PLAIN, EXTENSIONS])
def test_a_mailbox_is_read_and_left_as_it_was(capabilities: tuple[str, ...], in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}, capabilities=capabilities) as server:
        server.add_messages(250)
        with session_to(server.port, in_clear) as session:
            state = session.examine("INBOX")
            found = session.search()
            heads = list(session.heads(found))
            flags = list(session.flags(found))
            whole = [b"".join(session.read(head.uid, most=head.size)) for head in heads[:3]]
            session.noop()
            session.quit()
            assert session.closed
    messages = server.folders[b"INBOX"].messages

    assert (state.exists, found.ranges) == (250, ((1, 250),))
    assert [head.uid for head in heads] == [flag.uid for flag in flags] == list(range(1, 251))
    assert whole == [message.data for message in messages[:3]]
    assert (list(heads[0].flags), list(heads[1].flags)) == (["\\Seen"], [])
    assert heads[0].header == b"Subject: number 1\r\nMessage-ID: <1@mail.test>\r\n\r\n"
    assert (heads[0].size, heads[0].is_whole) == (200, True)
    zone = dt.timezone(dt.timedelta(hours=2))
    assert heads[0].received_at == dt.datetime(2026, 7, 17, 2, 44, 25, tzinfo=zone)
    counts = capabilities != PLAIN
    assert [heads[4].modseq, flags[4].modseq, state.highest_modseq] == (
        [5, 5, 250] if counts else [None, None, 250]
    )
    assert set(server.verbs()) <= READING
    assert not any("BODY[" in command for command in server.commands), "that would mark it as seen"
    assert sum(command.startswith("UID FETCH") for command in server.commands) == 3 + 1 + 3


def test_folders_with_names_in_any_script(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.folders |= {b"Entw&APw-rfe": FakeFolder(), b"&bad": FakeFolder(attributes="\\Noselect \\Sent")}
        with session_to(server.port, in_clear) as session:
            folders = session.folders()
            states = [session.examine(folder) for folder in folders]
            session.examine("Entwürfe")
    assert [folder.name for folder in folders] == ["INBOX", "Entwürfe", "&bad"]
    assert [folder.is_selectable for folder in folders] == [True, True, False]
    assert len(states) == 3
    assert server.commands[-1].startswith('EXAMINE "Entw&APw-rfe"')


def test_agreed_utf8_is_used(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}, capabilities=("ENABLE", "UTF8=ACCEPT")) as server:
        server.folders = {"Entwürfe & mehr".encode(): FakeFolder()}
        with session_to(server.port, in_clear) as session:
            (folder,) = session.folders()
            session.examine(folder)
            session.examine("Entwürfe & mehr")
    assert folder.name == "Entwürfe & mehr"
    assert server.commands[-2:] == ['EXAMINE "Entwürfe & mehr"'] * 2


def test_only_what_changed_is_told_of_a_known_state(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.add_messages(20)
    with session_to(server.port, in_clear) as session:
        assert session.tells_changes
        state = session.examine("INBOX", known=KnownState(uid_validity=4711, highest_modseq=17))
        changed = list(session.flags(EVERY, changed_since=18))
    assert [flags.uid for flags in state.changed or ()] == [18, 19, 20]
    assert list(state.vanished or ()) == [*range(900, 906), 907]
    assert [flags.uid for flags in changed] == [19, 20]
    assert server.verbs().count("UID FETCH") == 1


@pytest.mark.parametrize("told", [b"* OK [NOMODSEQ] none here\r\n", b""])
def test_a_folder_without_mod_sequences_is_read_without_them(
    told: bytes, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.add_messages(3)
    server.on(
        "examine", Raw(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 4711] x\r\n" + told + b"TAG OK done\r\n"), at=2
    )
    server.on("fetch", Reply.of("BAD no mod-sequences here"), when=lambda line: "MODSEQ" in line)
    with session_to(server.port, in_clear) as session:
        opened(session)
        state = session.examine("INBOX", known=KnownState(uid_validity=4711, highest_modseq=1))
        list(session.heads(UIDSet.of([1])))
        list(session.flags(UIDSet.of([1])))
    assert (state.exists, state.highest_modseq, state.changed) == (3, None, None)


def test_a_search_by_range_and_by_nothing(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.add_messages(10)
    with session_to(server.port, in_clear) as session:
        opened(session)
        found = session.search(Criteria(uids=UIDSet.since(8)))
        assert not session.search(Criteria(uids=UIDSet()))
        assert not session.search(Criteria(uids=UIDSet.since(99)))
        assert not list(session.heads(UIDSet.since(99)))
    assert list(found) == [8, 9, 10]
    assert server.verbs().count("UID SEARCH") == 3


def test_a_message_comes_in_pieces(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.add_messages(1, size=600_000)
    (message,) = server.folders[b"INBOX"].messages
    with session_to(server.port, in_clear) as session:
        opened(session)
        pieces = list(session.read(1, most=10**9))
        assert list(session.read(1, most=1000)) == [message.data[:1000]]
        assert session.part(1, section="HEADER", start=9, size=8) == b"number 1"
        assert session.part(1, start=600_000) == b""
        assert session.part(2) is None
        assert list(session.read(2, most=1000)) == []
    assert b"".join(pieces) == message.data
    assert [len(piece) for piece in pieces] == [262144, 262144, 75712]


@pytest.mark.parametrize("piece", [{"section": "X] FLAGS"}, {"start": -1}, {"size": 0}, {"size": 10**9}])
def test_what_is_no_piece_is_not_asked_for(
    piece: dict[str, object], server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    with session_to(server.port, in_clear) as session:
        with pytest.raises(ValueError, match="piece"):
            session.part(1, **piece)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="header"):
            next(session.heads(EVERY, header_bytes=10**9))
        session.noop()


def test_the_count_follows_what_the_server_says_unasked(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.add_messages(5)
    server.on(
        "noop",
        Raw(
            b"* 9 EXISTS\r\n* 2 EXPUNGE\r\n* VANISHED 3:4\r\n* VANISHED (EARLIER) 1:9\r\n* 1 RECENT\r\nTAG OK\r\n"
        ),
    )
    with session_to(server.port, in_clear) as session:
        assert session.exists is None
        opened(session)
        assert session.exists == 5
        session.noop()
        assert session.exists == 6
    assert session.exists is None


def test_a_refusal_leaves_the_session_open(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.add_messages(2)
    server.on("search", Reply.of("NO [LIMIT] not so much"), at=1)
    server.on("examine", Reply.of("NO [NONEXISTENT] what?"), at=1)
    with session_to(server.port, in_clear) as session:
        with pytest.raises(FolderRefused, match="open this folder"):
            session.examine("Elsewhere")
        opened(session)
        with pytest.raises(FolderRefused) as caught:
            session.search()
        assert (caught.value.temporary, caught.value.field) == (True, "")
        assert session.search().count == 2


def test_a_command_that_the_server_does_not_know_ends_it(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("search", Reply.of("BAD what?"))
    with session_to(server.port, in_clear) as session:
        with pytest.raises(ProtocolError) as caught:
            opened(session).search()
        assert session.closed
        with pytest.raises(SessionLost, match="closed"):
            session.noop()
    assert caught.value.reply is not None


def test_a_goodbye_in_the_middle_ends_it(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("fetch", Raw(b"* BYE [UNAVAILABLE] going down\r\nTAG OK bye\r\n"))
    with session_to(server.port, in_clear) as session:
        with pytest.raises(SessionLost) as caught:
            list(opened(session).flags(UIDSet.of([1])))
        assert session.closed
    assert caught.value.reply is not None
    assert "going down" in caught.value.reply.text
    assert caught.value.stage is Stage.FOLDER


def test_a_name_that_no_folder_can_have_is_not_asked_for(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    with session_to(server.port, in_clear) as session:
        for name in ("", 'INBOX"\r\nX DELETE "INBOX'):
            with pytest.raises(ValueError, match="control characters"):
                session.examine(name)
        session.examine("INBOX")
    assert server.verbs().count("EXAMINE") == 1


def test_what_on_wait_raises_passes_through_and_closes(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    lost = threading.Event()

    def on_wait() -> None:
        if lost.is_set():
            raise RuntimeError("the lease is gone")

    slow = Timeouts(command=60, transaction=60)
    server.on("search", Raw(b"* SEARCH"))
    with session_to(server.port, in_clear, timeouts=slow, on_wait=on_wait, wait_slice=0.05) as session:
        opened(session)
        lost.set()
        with pytest.raises(RuntimeError, match="lease"):
            session.search()
        assert session.closed


def test_one_deadline_holds_over_everything(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    with session_to(server.port, in_clear, timeouts=Timeouts(total=1.0)) as session:
        with pytest.raises(SessionLost) as caught:
            deque(iter(session.noop, "never"), maxlen=0)
        assert caught.value.code is ErrorCode.TIMEOUT


@pytest.mark.parametrize("capabilities", [PLAIN, EXTENSIONS])
def test_what_came_after_a_message_is_told_in_batches_that_leave_nothing_out(
    capabilities: tuple[str, ...], in_clear: NetworkPolicy
) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}, capabilities=capabilities) as server:
        server.add_messages(250)
        gone = server.folders[b"INBOX"].messages
        gone[:] = [message for message in gone if message.uid % 100]  # 100 and 200 are no more
        with session_to(server.port, in_clear) as session:
            batches = list(opened(session).heads_after(20, header_bytes=1024))
    assert server.verbs().count("UID SEARCH") == 1

    assert [head.uid for _last, heads in batches for head in heads] == [
        uid for uid in range(21, 251) if uid % 100
    ]
    assert [last for last, _heads in batches] == [121, 222, 250]
    assert all(heads[-1].uid == last for last, heads in batches)


@pytest.mark.parametrize("after", [250, 2**32 - 1])
def test_after_the_last_message_there_is_nothing(after: int, in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(250)
        with session_to(server.port, in_clear) as session:
            assert list(opened(session).heads_after(after)) == []


def test_more_messages_than_there_are_end_the_session(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(3)
        server.on("examine", Raw(b"* 3 EXISTS\r\nTAG OK it does not say what comes next\r\n"))
        server.on("search", Raw(b'* ESEARCH (TAG "TAG") UID ALL 1:4000000000\r\nTAG OK done\r\n'))
        with session_to(server.port, in_clear) as session:
            with pytest.raises(ProtocolError):
                list(opened(session).heads_after(0))
            assert session.closed


def test_texts_come_many_at_once_and_none_is_longer_than_asked_for(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(150, size=300)
        messages = server.folders[b"INBOX"].messages
        with session_to(server.port, in_clear) as session:
            texts = dict(opened(session).texts(dict.fromkeys(range(1, 160), 300), most=250))

    assert texts == {message.uid: message.data[:250] for message in messages}
    assert server.verbs().count("UID FETCH") == 2
    assert not any("\\Seen" in message.flags for message in messages[1::2])


def test_large_texts_are_asked_for_a_few_at_a_time(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(5, size=1_500_000)
        with session_to(server.port, in_clear) as session:
            sizes = dict.fromkeys(range(1, 6), 1_500_000)
            lengths = [len(text) for _uid, text in opened(session).texts(sizes, most=2_000_000)]

    assert lengths == [1_500_000] * 5
    assert server.verbs().count("UID FETCH") == 3


@pytest.mark.parametrize("capabilities", [PLAIN, EXTENSIONS])
def test_whole_messages_come_by_one_command_a_batch_and_the_next_one_is_under_way(
    capabilities: tuple[str, ...], in_clear: NetworkPolicy
) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}, capabilities=capabilities) as server:
        server.add_messages(250)
        messages = server.folders[b"INBOX"].messages
        messages[:] = [message for message in messages if message.uid % 100]
        with session_to(server.port, in_clear) as session:
            reading = opened(session).messages_after(20, most=150)
            last, found = next(reading)
            assert (last, [start.uid for start in found][::98]) == (121, [21, 120])
            until(lambda: server.verbs().count("UID FETCH") == 2)
            session.noop()  # what was asked for meanwhile is not lost
            rest = list(reading)
            assert not session.closed
    assert [last for last, _found in rest] == [222, 250]
    starts = {start.uid: start for _last, found in [(last, found), *rest] for start in found}
    assert {uid: start.octets for uid, start in starts.items()} == {
        message.uid: message.data[:150] for message in messages if message.uid > 20
    }
    assert {start.size for start in starts.values()} == {200}
    assert {start.received_at for start in starts.values()} == {
        dt.datetime(2026, 7, 17, 0, 44, 25, tzinfo=dt.UTC)
    }
    assert server.verbs().count("UID FETCH") == 3
    assert set(server.verbs()) <= READING


def test_long_messages_are_read_on_a_few_at_a_time_and_nothing_of_them_twice(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        sizes = (START_BYTES, 1_500_000, 300, 1_500_000, START_BYTES + 1, 1_500_000, 2_500_000)
        for size in sizes:
            server.add_messages(1, size=size)
        with session_to(server.port, in_clear) as session:
            batches = list(opened(session).messages_after(0, most=2_000_000))
    assert [(last, [start.uid for start in found]) for last, found in batches] == [
        (5, [1, 2, 3, 4, 5]),
        (7, [6, 7]),
    ]
    for _last, found in batches:
        for start in found:
            assert start.octets == server.folders[b"INBOX"].messages[start.uid - 1].data[:2_000_000]
            assert start.size == sizes[start.uid - 1]
    fetches = [command for command in server.commands if command.startswith("UID FETCH")]
    assert len(fetches) == 1 + 2
    assert all(f"BODY.PEEK[]<{START_BYTES}." in command for command in fetches[1:])


@pytest.mark.parametrize("lie", [1, 10**9])
def test_a_size_that_is_a_lie_costs_nothing_of_a_message(lie: int, in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        data = b"x" * (START_BYTES + 5)
        told = b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[]<0> {%d}\r\n" % (lie, START_BYTES)
        rest = b"* 1 FETCH (UID 1 BODY[]<%d> {5}\r\nxxxxx)\r\nTAG OK done\r\n" % START_BYTES
        server.on("fetch", Raw(told + data[:START_BYTES] + b")\r\nTAG OK done\r\n"), at=1)
        server.on("fetch", Raw(rest), at=2)
        server.add_messages(1)
        with session_to(server.port, in_clear) as session:
            ((_last, (start,)),) = opened(session).messages_after(0, most=2 * START_BYTES)
    assert (start.octets, start.size, start.received_at) == (data, lie, None)


def test_who_leaves_while_something_is_under_way_says_goodbye_all_the_same(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(250)
        with session_to(server.port, in_clear) as session:
            next(opened(session).messages_after(0, most=200))
            session.quit()
            assert session.closed
        until(lambda: server.verbs()[-2:] == ["UID FETCH", "LOGOUT"])


@pytest.mark.parametrize(("verb", "capabilities"), [("search", PLAIN), ("fetch", EXTENSIONS)])
def test_what_came_is_told_before_what_the_next_one_met(
    verb: str, capabilities: tuple[str, ...], in_clear: NetworkPolicy
) -> None:
    """Before the next batch can be asked for, a server without ESEARCH is asked once more what there is."""
    with FakeIMAP(credentials={USER: PASSWORD}, capabilities=capabilities) as server:
        server.add_messages(150)
        server.folders[b"INBOX"].messages[-1].uid = 200_000
        server.on(verb, Raw(b"TAG BAD no more\r\n"), at=2)
        with session_to(server.port, in_clear) as session:
            reading = opened(session).messages_after(0, most=200)
            assert len(next(reading)[1]) == 100
            with pytest.raises(ProtocolError):
                deque(reading, maxlen=0)
            assert session.closed


def test_a_text_longer_than_was_asked_for_ends_the_session(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials={USER: PASSWORD}) as server:
        server.add_messages(1)
        server.on("fetch", Raw(b"* 1 FETCH (UID 1 BODY[]<0> {20}\r\n" + b"x" * 20 + b")\r\nTAG OK done\r\n"))
        with session_to(server.port, in_clear) as session:
            with pytest.raises(ProtocolError):
                list(opened(session).texts({1: 10}, most=10))
            assert session.closed
        server.on(
            "fetch",
            Raw(b"* 1 FETCH (UID 1 RFC822.SIZE 9 BODY[]<0> {20}\r\n" + b"x" * 20 + b")\r\nTAG OK\r\n"),
        )
        server._faults.pop(0)
        with session_to(server.port, in_clear) as session:
            with pytest.raises(ProtocolError):
                list(opened(session).messages_after(0, most=10))
            assert session.closed


@pytest.mark.parametrize("bad", [(3,), (1, 5), (1, 2, 3, 4, 5)])
def test_a_message_that_the_server_cannot_read_costs_no_other(
    server: FakeIMAP, in_clear: NetworkPolicy, bad: tuple[int, ...]
) -> None:
    """As Exchange answers: what it can, it tells, and says NO to the whole command."""
    server.add_messages(5)

    def names_a_bad_one(command: str) -> bool:
        return "BODY.PEEK" in command and any(uid in UIDSet.parse(numbers_in(command)) for uid in bad)

    server.on("fetch", Reply.of("NO The requested message could not be converted"), when=names_a_bad_one)
    good = [uid for uid in range(1, 6) if uid not in bad]
    with session_to(server.port, in_clear) as session:
        opened(session)
        assert [head.uid for head in session.heads(UIDSet.since(1))] == good
        assert [uid for uid, _text in session.texts(dict.fromkeys(range(1, 6), 200), most=200)] == good
        assert [(last, len(heads)) for last, heads in session.heads_after(0)] == [(5, len(good))]
        assert [(last, len(found)) for last, found in session.messages_after(0, most=200)] == [(5, len(good))]
        assert not session.closed


@pytest.mark.parametrize("words", ["NO [UNAVAILABLE] away", "NO try again later", "NO [NOPERM] not yours"])
def test_a_folder_that_cannot_be_read_is_told_and_not_asked_for_each_message(
    server: FakeIMAP, in_clear: NetworkPolicy, words: str
) -> None:
    server.add_messages(50)
    server.on("fetch", Reply.of(words))
    with session_to(server.port, in_clear) as session:
        opened(session)
        server.commands.clear()
        with pytest.raises(FolderRefused):
            list(session.heads(UIDSet.since(1)))
        assert server.verbs().count("UID FETCH") <= 2


def numbers_in(command: str) -> bytes:
    """The set of UIDs that a command names."""
    return command.split()[2].encode()
