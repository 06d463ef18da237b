"""Reading what servers offer."""

import pytest

from mailconfig.transports.smtp.capabilities import Capabilities, parse_capabilities


def test_capabilities_are_read_without_regard_to_case() -> None:
    lines = [
        b"host",
        b"Pipelining",
        b"SIZE 1000",
        b"8bitmime",
        b"AUTH=plain login",
        b"auth XOAUTH2",
        b"STARTTLS",
    ]
    assert parse_capabilities(lines) == Capabilities(
        pipelining=True,
        size_limit=1000,
        eight_bit_mime=True,
        starttls=True,
        auth=frozenset({"PLAIN", "LOGIN", "XOAUTH2"}),
    )


@pytest.mark.parametrize("line", [b"SIZE", b"SIZE 0", b"SIZE lots", b"SIZE -1"])
def test_a_size_that_says_nothing_is_no_limit(line: bytes) -> None:
    assert parse_capabilities([b"host", line]).size_limit is None


def test_a_login_mechanism_has_a_name_or_is_none() -> None:
    """RFC 4422 §3.1. What else stands there would go into databases and pages."""
    offered = parse_capabilities(
        [b"mail.test", b"AUTH PLAIN A\x00B \x1b[31m X" + b"Y" * 5000 + b" SCRAM-SHA-256"]
    )
    assert offered.auth == {"PLAIN", "SCRAM-SHA-256"}
