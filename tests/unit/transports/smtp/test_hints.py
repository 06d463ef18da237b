"""What probably helps."""

from __future__ import annotations

import pytest

from mailconfig.transports.network.hints import for_silence
from mailconfig.transports.smtp import hints
from mailconfig.transports.smtp.opening import Opening
from mailconfig.transports.smtp.replies import Reply
from mailconfig.values import ConnectionSettings, Security


@pytest.mark.parametrize("port", [25, 465, 587, 2465, 2525, 2587, 1025])
@pytest.mark.parametrize("security", list(Security))
def test_silence_hints_at_tls_only_at_its_ports(port: int, security: Security) -> None:
    settings = ConnectionSettings(host="mail.test", port=port, security=security)

    hint = for_silence(settings, Opening.tls_ports)

    assert ("Choose TLS" in hint) is (port in {465, 2465} and security is not Security.TLS)
    assert hint


@pytest.mark.parametrize(
    ("reply", "wants"),
    [
        (Reply(530, "Must issue a STARTTLS command first", "5.7.0"), True),
        (Reply(538, "no"), True),
        (Reply(550, "no", "5.7.11"), True),
        (Reply(554, "TLS is required here"), True),
        (Reply(530, "Authentication required", "5.7.0"), False),
        (Reply(454, "TLS not available", "4.7.0"), False),
        (Reply(554, "ruled out: titles required"), False),
    ],
)
def test_a_server_that_wants_encryption_is_understood(reply: Reply, wants: bool) -> None:
    assert hints.wants_encryption(reply) is wants


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(534, "Application-specific password required", "5.7.9"), "app password"),
        (Reply(535, "Application-specific password required", "5.7.8"), "app password"),
        (Reply(535, "Authentication unsuccessful, SmtpClientAuthentication is disabled", "5.7.139"), "OAuth"),
        (Reply(535, "basic authentication is disabled", "5.7.139"), "OAuth"),
        (Reply(454, "Too many login attempts", "4.7.0"), "too many"),
        (Reply(538, "Encryption required"), "STARTTLS"),
        (Reply(535, "no"), "password"),
    ],
)
def test_a_refused_login_has_a_hint(reply: Reply, words: str) -> None:
    assert words in hints.for_login(reply, with_token=False)


def test_a_sender_that_is_not_owned_has_a_hint() -> None:
    assert "may not send" in hints.for_sender(
        Reply(553, "Sender address rejected: not owned by user", "5.7.1")
    )
    assert hints.for_sender(Reply(451, "later")) == ""
