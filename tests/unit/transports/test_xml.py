"""XML of servers: what is taken, and how much of what never ends."""

from __future__ import annotations

import pytest

from mailconfig.transports.xml import MOST_UNFINISHED, BadXML, Reading, read_xml

PIECE = 4096


@pytest.mark.parametrize(
    "begin",
    [b"<a><!-- ", b'<a><b c="', b"<a><b ", b"<a></b"],
    ids=["comment", "attribute", "tag", "end-tag"],
)
def test_what_has_no_end_is_not_read_again_and_again(begin: bytes) -> None:
    reading = Reading(cut="MimeContent", most=10**6)
    reading.feed(begin)

    for _ in range(MOST_UNFINISHED // PIECE):
        reading.feed(b"x" * PIECE)

    with pytest.raises(BadXML):
        reading.feed(b"x" * PIECE)


def test_a_long_text_is_read_to_its_end() -> None:
    reading = Reading()
    reading.feed(b"<a><MimeContent>")
    for _ in range(4 * MOST_UNFINISHED // PIECE):
        reading.feed(b"x" * PIECE)
    reading.feed(b"</MimeContent></a>")

    assert len(reading.close().text_of("MimeContent")) == 4 * MOST_UNFINISHED


@pytest.mark.parametrize("encoding", ["no-such", "hex", "utf-7", "undefined"])
def test_an_encoding_that_is_not_read_here_is_no_fault_of_ours(encoding: str) -> None:
    with pytest.raises(BadXML):
        read_xml(f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode())
