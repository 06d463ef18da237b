"""Messages as they go over the wire."""

import itertools
import smtplib

from hypothesis import given, settings
from hypothesis import strategies as st

from mailconfig.transports.smtp.body import BLOCK, blocks

_WIRE_PIECES = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\r", b"\n", b"a", b"text", b"\xff"]),
    max_size=30,
)


def _wire(chunks: list[bytes]) -> bytes:
    return b"".join(block for block, _ in blocks(chunks))


def _receive(wire: bytes) -> tuple[bytes, bytes]:
    """What a server makes of it (RFC 5321 §4.5.2): the message, and what comes after the dot."""
    message = b""
    while True:
        line, wire = wire[: wire.index(b"\r\n") + 2], wire[wire.index(b"\r\n") + 2 :]
        if line == b".\r\n":
            return message, wire
        message += line.removeprefix(b".")


@st.composite
def _chunked(draw: st.DrawFn) -> list[bytes]:
    message = b"".join(draw(_WIRE_PIECES))
    cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=8)))
    bounds = [0, *cuts, len(message)]
    return [message[start:end] for start, end in itertools.pairwise(bounds)]


@given(_chunked())
@settings(max_examples=300, deadline=None)
def test_a_message_arrives_whole_however_it_is_cut(chunks: list[bytes]) -> None:
    expected = smtplib._fix_eols(b"".join(chunks).decode("latin-1")).encode("latin-1")  # type: ignore[attr-defined]
    received, rest = _receive(_wire(chunks))
    assert rest == b""
    assert received == (expected if expected.endswith(b"\r\n") or not expected else expected + b"\r\n")


@given(_chunked(), st.integers(-3, 3), st.sampled_from([b"a", b".\r\n", b"\r\n."]))
@settings(max_examples=60, deadline=None)
def test_the_seam_between_two_blocks_loses_and_adds_nothing(
    chunks: list[bytes], shift: int, filler: bytes
) -> None:
    padding = (filler * BLOCK)[: BLOCK + shift]
    whole = padding + b"".join(chunks)
    assert _wire([padding, *chunks]) == _wire([whole])
    received, rest = _receive(_wire([padding, *chunks]))
    assert rest == b""
    expected = smtplib._fix_eols(whole.decode("latin-1")).encode("latin-1")  # type: ignore[attr-defined]
    assert received == expected + (b"" if expected.endswith(b"\r\n") else b"\r\n")


def test_a_small_message_is_one_block_and_that_is_the_last() -> None:
    assert list(blocks([b"Subject: x\r\n", b"\r\n", b".hidden"])) == [
        (b"Subject: x\r\n\r\n..hidden\r\n.\r\n", True)
    ]


def test_a_large_message_comes_in_blocks_whatever_its_pieces_are() -> None:
    for size in (1000, 65536, 1_000_000):
        found = list(blocks([b"x" * size] * (2_000_000 // size)))
        assert max(len(block) for block, _ in found) <= 2 * BLOCK + 10
        assert [is_last for _, is_last in found] == [False] * (len(found) - 1) + [True]


def test_a_bare_line_feed_before_a_dot_cannot_end_the_message() -> None:
    assert _wire([b"a\n.\nMAIL FROM:<evil@example.com>\r\n"]) == (
        b"a\r\n..\r\nMAIL FROM:<evil@example.com>\r\n.\r\n"
    )
