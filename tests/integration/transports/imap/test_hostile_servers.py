"""Servers that hang, flood and lie: each is cut off in time, in little memory, and with an error that says so."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mailconfig.exceptions import ConnectionFailed, ProtocolError, SessionLost, TransportError
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.imap import IMAPSession, Limits, UIDSet, open_imap
from mailconfig.values import ErrorCode, NetworkPolicy, Stage, Timeouts
from tests.servers.faults import Action, Close, Endless, Hang, LongLine, Raw, Reset, Slow
from tests.servers.imap import FakeIMAP

from .sessions import SHORT, session_to, settings_for

OPENING = {
    "banner": Stage.BANNER,
    "capability": Stage.BANNER,
    "authenticate": Stage.LOGIN,
    "enable": Stage.LOGIN,
}
EVERY = UIDSet.since(1)
READING: dict[str, Callable[[IMAPSession], Any]] = {
    "list": lambda session: session.folders(),
    "examine": lambda session: session.examine("INBOX"),
    "search": lambda session: session.search(),
    "fetch": lambda session: list(session.heads(UIDSet.of([1, 2]))),
    "noop": lambda session: session.noop(),
}
LITTLE = Limits(
    line=100_000, literal=100_000, answer=1_000_000, responses=5_000, tokens=5_000, answer_tokens=50_000
)
PATIENT = Timeouts()
"""What does not end by a cap would take a minute, and fail the test."""
MIB = 1024 * 1024
IN_TIME = 20.0
"""Ten times what the slowest takes."""

SILENT = [
    pytest.param(Hang(), id="hang"),
    pytest.param(Slow(line="OK " + "x" * 500, seconds=0.05), id="trickle"),
    pytest.param(Raw(b"* OK still here\r\n"), id="no verdict"),
    pytest.param(Raw(b"* 1 FETCH (BODY[HEADER]<0> {10}\r\nabc"), id="half a literal"),
    pytest.param(Raw(b"TAG O"), id="half a line"),
]
BREAKING = [
    pytest.param(Endless(line="* OK and another thing"), id="endless"),
    pytest.param(Endless(line="* 1 FETCH (UID 1 FLAGS (\\Seen))"), id="endless data"),
    pytest.param(Endless(line="* LIST () NIL x"), id="endless list"),
    pytest.param(Endless(line=""), id="endless nothing"),
    pytest.param(LongLine(), id="line without end"),
    pytest.param(Raw(b"* X {4294967295}\r\nabc"), id="huge literal"),
    pytest.param(Raw(b"* X {99999999999999}\r\nTAG MAYBE\r\n"), id="literal beyond numbers"),
    pytest.param(Endless(line="* X {90000}\r\n" + "x" * 90_000), id="endless literals"),
    pytest.param(Raw(b"zzzz OK done\r\n"), id="answer to nothing"),
    pytest.param(Raw(b"* \r\n"), id="empty data"),
    pytest.param(Raw(b"* \xff\xfe \xfd\r\n"), id="no text"),
    pytest.param(Raw(b"\0\0\0\r\n"), id="nul"),
    pytest.param(Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="http"),
    pytest.param(Raw(b"TAG MAYBE later\r\n"), id="no verdict at all"),
    pytest.param(Raw(b"TAG BYE\r\n"), id="tagged goodbye"),
    pytest.param(Raw(b"+ more\r\n" * 5), id="asks for more"),
]
NONSENSE = [
    ("examine", b"* 5 EXISTS\r\n* 1 FETCH " + b"(" * 50_000 + b"\r\nTAG OK x\r\n"),
    ("examine", b"* 5 EXISTS\r\n* VANISHED (EARLIER) " + b"1," * 20_000 + b"x\r\nTAG OK x\r\n"),
    ("examine", b"* 99999999999 EXISTS\r\nTAG OK x\r\n"),
    ("examine", b"* OK [UIDVALIDITY -1] x\r\n* 1 EXISTS\r\nTAG OK x\r\n"),
    ("examine", b"TAG OK x\r\n"),
    ("noop", b"* CAPABILITY" + b" X" * 10_000 + b"\r\nTAG OK x\r\n"),
    ("noop", b"* X " + b"{0}\r\n" * 6_000 + b"\r\nTAG OK x\r\n"),
    ("noop", (b"* X " + b"{0}\r\n" * 4_000 + b"\r\n") * 20 + b"TAG OK x\r\n"),
    ("list", b'* LIST () "/" "' + b"x" * 50_000 + b"\r\nTAG OK x\r\n"),
    ("list", b"* LIST " + b"() " * 20_000 + b"\r\nTAG OK x\r\n"),
    ("search", b"* SEARCH 1 2 x\r\nTAG OK x\r\n"),
    ("search", b"* ESEARCH UID ALL 1:99999999999\r\nTAG OK x\r\n"),
    ("fetch", b"* 1 FETCH (UID " + b"9" * 5000 + b")\r\nTAG OK x\r\n"),
    (
        "fetch",
        b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 1 BODY[HEADER]<0> {70000}\r\n"
        + b"x" * 70_000
        + b")\r\nTAG OK\r\n",
    ),
    ("fetch", b"* 1 FETCH (UID 1 FLAGS (" + b"a " * 40_000 + b"))\r\nTAG OK x\r\n"),
    ("fetch", (b"* 1 FETCH (UID 1 FLAGS (" + b"a " * 4_000 + b"))\r\n") * 20 + b"TAG OK x\r\n"),
]


GREETINGS = ("no verdict", "half a literal", "half a line", "endless", "tagged goodbye")
"""Answers that are a greeting, or may become one or none, where the server speaks first."""


def at_each(verbs: Iterable[str], actions: Sequence[Any]) -> list[Any]:
    """Each of the actions at each of the verbs, where it is what it is called."""
    return [
        pytest.param(verb, *action.values, id=f"{verb}-{action.id}")
        for verb in verbs
        for action in actions
        if verb != "banner" or action.id not in GREETINGS
    ]


@contextmanager
def memory_within(size: int) -> Iterator[None]:
    """Fail if more than this is used beyond what is used already, at any moment. Of the kernel's count, from proc(5)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _peak()
    yield
    assert _peak() - before < size


def _peak() -> int:
    """The most memory in bytes since it was cleared."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", status)[0])


def fails_opening(server: FakeIMAP, policy: NetworkPolicy, timeouts: Timeouts, **more: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        open_imap(settings_for(server.port), Surroundings(policy=policy, timeouts=timeouts, **more))
    return caught.value


def fails_reading(
    verb: str, server: FakeIMAP, policy: NetworkPolicy, timeouts: Timeouts, **more: Any
) -> TransportError:
    with session_to(server.port, policy, timeouts=timeouts, limits=LITTLE, **more) as session:
        if verb != "examine":
            session.examine("INBOX")
        with pytest.raises(TransportError) as caught:
            READING[verb](session)
        assert session.closed
        session.quit()
    return caught.value


@pytest.fixture(autouse=True)
def in_time() -> Any:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < IN_TIME


@pytest.mark.parametrize(("verb", "action"), at_each(OPENING, SILENT))
def test_silence_while_opening_ends_with_the_time_of_the_command(
    verb: str, action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on(verb, action)
    error = fails_opening(server, in_clear, SHORT)

    assert isinstance(error, ConnectionFailed)
    assert (error.stage, error.code, error.temporary) == (OPENING[verb], ErrorCode.TIMEOUT, True)


@pytest.mark.parametrize("action", SILENT)
@pytest.mark.parametrize("verb", READING)
def test_silence_while_reading_ends_with_the_time_of_the_command(
    verb: str, action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on(verb, action)
    timeouts = Timeouts(transaction=1.0, bytes_per_second=10**9)
    error = fails_reading(verb, server, in_clear, timeouts)

    assert isinstance(error, SessionLost)
    assert (error.stage, error.code, error.temporary) == (Stage.FOLDER, ErrorCode.TIMEOUT, True)


@pytest.mark.parametrize(("verb", "action"), at_each(OPENING, BREAKING))
def test_what_is_no_answer_while_opening_breaks_the_protocol(
    verb: str, action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on(verb, action)
    with memory_within(10 * MIB):
        error = fails_opening(server, in_clear, PATIENT)

    assert isinstance(error, ProtocolError), error
    assert (error.stage, error.code) == (OPENING[verb], ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("action", BREAKING)
@pytest.mark.parametrize("verb", READING)
def test_what_is_no_answer_while_reading_breaks_the_protocol(
    verb: str, action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on(verb, action)
    with memory_within(20 * MIB):
        error = fails_reading(verb, server, in_clear, PATIENT)

    assert isinstance(error, ProtocolError), error
    assert (error.stage, error.code) == (Stage.FOLDER, ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize(("verb", "answer"), NONSENSE)
def test_nonsense_breaks_the_protocol(
    verb: str, answer: bytes, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on(verb, Raw(answer))
    error = fails_reading(verb, server, in_clear, PATIENT)

    assert isinstance(error, ProtocolError), error


@pytest.mark.parametrize("action", [Close(), Reset()], ids=["close", "reset"])
@pytest.mark.parametrize("verb", [*OPENING, *READING])
def test_a_connection_that_ends_is_lost(
    verb: str, action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    waiting = threading.Event()  # a reset right after accept would still meet the connect
    server.on(verb, action, when=lambda _: waiting.wait(10))
    more = {"on_wait": waiting.set, "wait_slice": 0.01}
    if verb in OPENING:
        error = fails_opening(server, in_clear, PATIENT, **more)
        assert isinstance(error, ConnectionFailed)
        assert error.stage is OPENING[verb]
    else:
        error = fails_reading(verb, server, in_clear, PATIENT, **more)
        assert isinstance(error, SessionLost)
    assert (error.code, error.temporary) == (ErrorCode.CONNECT_FAILED, True)


@pytest.mark.parametrize("action", [Hang(), Close(), Endless(line="* x"), Raw(b"TAG NO stay\r\n")])
def test_whatever_comes_of_a_goodbye_it_is_one(
    action: Action, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on("logout", action)
    with session_to(server.port, in_clear) as session:
        session.quit()
        assert session.closed


def test_answers_that_come_before_the_question_are_none(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("noop", Raw(b"TAG OK done\r\n0001 OK done\r\nA1 OK [READ-ONLY] done\r\n"), at=1)
    with session_to(server.port, in_clear) as session:
        session.noop()
        with pytest.raises(ProtocolError):
            session.examine("INBOX")


def test_a_set_of_all_uids_costs_nothing(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("search", Raw(b"* ESEARCH UID ALL 1:4294967295\r\nTAG OK x\r\n"))
    with session_to(server.port, in_clear) as session:
        session.examine("INBOX")
        assert session.search().count == 2**32 - 1
        with pytest.raises(ProtocolError):
            list(session.flags(EVERY))


def test_text_that_is_no_utf8_is_text_all_the_same(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("list", Raw(b'* LIST (\\\xff) "/" "\xff\xfe"\r\n* OK \xff\r\nTAG OK \xff\r\n'))
    server.on("examine", Raw(b"* 1 EXISTS\r\nTAG OK \xc3\r\n"))
    with session_to(server.port, in_clear) as session:
        (folder,) = session.folders()
        assert session.examine(folder).exists == 1
    assert folder.name == "\ufffd\ufffd"


@pytest.mark.parametrize("line", [b"* VANISHED (EARLIER) ", b"* ESEARCH UID ALL ", b"* SEARCH "])
def test_uids_apart_from_each_other_have_an_end(
    line: bytes, server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    between = b" " if line == b"* SEARCH " else b","
    answer = (line + between.join(b"%d" % uid for uid in range(1, 280_000, 2)) + b"\r\n") * 30
    verb = "examine" if b"VANISHED" in line else "search"
    server.on(verb, Raw(b"* 1 EXISTS\r\n" + answer + b"TAG OK x\r\n"))
    with (
        session_to(server.port, in_clear, timeouts=PATIENT) as session,
        memory_within(100 * MIB),
        pytest.raises(ProtocolError, match="more messages"),
    ):
        READING[verb](session)
