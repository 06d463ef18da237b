"""Status responses, and what probably helps."""

from __future__ import annotations

import pytest

from mailconfig.transports.imap import hints
from mailconfig.transports.imap.replies import Reply, parse_status
from mailconfig.transports.imap.wire import BadAnswerError
from mailconfig.transports.scrubber import Scrubber


def reply(text: bytes) -> Reply:
    return parse_status(text, Scrubber())


@pytest.mark.parametrize(
    ("text", "status", "code", "arguments"),
    [
        (b"OK done", "OK", "", b""),
        (b"ok", "OK", "", b""),
        (b"NO [AUTHENTICATIONFAILED] no", "NO", "AUTHENTICATIONFAILED", b""),
        (b"OK [uidvalidity 17] valid", "OK", "UIDVALIDITY", b"17"),
        (b"OK [CAPABILITY IMAP4rev1 AUTH=PLAIN]", "OK", "CAPABILITY", b"IMAP4rev1 AUTH=PLAIN"),
        (b"BAD [", "BAD", "", b""),
        (b"BYE [\xff] \xfe", "BYE", "", b""),
        (b"PREAUTH hello", "PREAUTH", "", b""),
    ],
)
def test_parts(text: bytes, status: str, code: str, arguments: bytes) -> None:
    found = reply(text)

    assert (found.status, found.response_code, found.arguments) == (status, code, arguments)
    assert found.code == 0
    assert found.words.upper().startswith(status)


@pytest.mark.parametrize("text", [b"", b"OKAY", b"MAYBE x", b"[OK]", b"\xff"])
def test_what_is_no_status(text: bytes) -> None:
    with pytest.raises(BadAnswerError):
        reply(text)


def test_secrets_are_taken_out() -> None:
    found = parse_status(b"NO s3cr3t-word is wrong\x1b[1m", Scrubber.for_login("me@mail.test", "s3cr3t-word"))

    assert found.text == "NO *** is wrong[1m"


@pytest.mark.parametrize(
    "text", [b"NO [s3cr3t-word] no", b"NO [X s3cr3t-word] no", b"NO [S3CR3T-WORD", b"NO [X-s3cr3t-word 1]"]
)
def test_secrets_are_taken_out_of_brackets(text: bytes) -> None:
    found = parse_status(text, Scrubber.for_login("me@mail.test", "s3cr3t-word"))

    assert "s3cr3t-word" not in f"{found!r} {found.response_code}".lower()


@pytest.mark.parametrize(
    ("text", "for_now"),
    [
        (b"NO [UNAVAILABLE] x", True),
        (b"NO [OVERQUOTA] Account exceeded bandwidth limits", True),
        (b"NO [ALERT] Too many simultaneous connections. (Failure)", True),
        (b"NO Server temporarily unavailable", True),
        (b"NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", False),
        (b"NO LOGIN failed.", False),
        (b"NO [NONEXISTENT] Unknown mailbox: translator", False),
        (b"BAD try again", False),
    ],
)
def test_whether_it_passes_by_itself(text: bytes, *, for_now: bool) -> None:
    assert reply(text).is_for_now is for_now


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"NO [ALERT] Application-specific password required: https://support.example/1", "app password"),
        (b"NO [ALERT] Your account is not enabled for IMAP use. Please visit ...", "IMAP is switched off"),
        (b"NO [PRIVACYREQUIRED] Plaintext authentication disallowed", "encryption"),
        (b"NO [UNAVAILABLE] later", "too many logins"),
        (b"NO [AUTHENTICATIONFAILED] Authentication failed.", "user name and the password"),
    ],
)
def test_hints_for_a_login(text: bytes, words: str) -> None:
    assert words in hints.for_login(reply(text), with_token=False)


def test_a_token_is_not_called_a_password() -> None:
    assert "token" in hints.for_login(reply(b"NO AUTHENTICATE failed."), with_token=True)
