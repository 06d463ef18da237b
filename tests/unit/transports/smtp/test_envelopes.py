"""Envelopes as commands."""

import pytest

from mailconfig.exceptions import InvalidMessage
from mailconfig.transports.smtp.capabilities import Capabilities
from mailconfig.transports.smtp.envelopes import commands
from mailconfig.values import Envelope

ALL = Capabilities(size_limit=1000, eight_bit_mime=True)


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com\r\nRCPT TO:<evil@example.com>",
        "a@example.com\n",
        "a@example.com\0",
        "a@example.com> SIZE=1",
        "<a@example.com>",
        "ü@example.com",
        "a@example.com\u2028",
        "\x7f@example.com",
    ],
)
def test_an_address_that_would_leave_its_brackets_is_refused(address: str) -> None:
    with pytest.raises(InvalidMessage):
        commands(Envelope("me@example.com", (address,)), ALL)
    with pytest.raises(InvalidMessage):
        commands(Envelope(address, ("you@example.com",)), ALL)


@pytest.mark.parametrize("recipients", [(), ("",)])
def test_there_has_to_be_a_recipient(recipients: tuple[str, ...]) -> None:
    with pytest.raises(InvalidMessage):
        commands(Envelope("me@example.com", recipients), ALL)


def test_parameters_are_only_given_where_they_were_offered() -> None:
    envelope = Envelope("me@example.com", ("you@example.com",), size=12, eight_bit=True)
    assert commands(envelope, ALL)[0] == b"MAIL FROM:<me@example.com> SIZE=12 BODY=8BITMIME\r\n"
    assert commands(envelope, Capabilities())[0] == b"MAIL FROM:<me@example.com>\r\n"


def test_the_null_sender_is_empty_brackets() -> None:
    assert commands(Envelope("", ("you@example.com",)), ALL)[0] == b"MAIL FROM:<>\r\n"
