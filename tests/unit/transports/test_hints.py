"""What probably helps."""

from __future__ import annotations

import pytest

from mailconfig.transports import hints
from mailconfig.values import Reply, Security, SMTPSettings


@pytest.mark.parametrize("port", [25, 465, 587, 2465, 2525, 2587, 1025])
@pytest.mark.parametrize("security", list(Security))
def test_silence_hints_at_tls_only_at_its_ports(port: int, security: Security) -> None:
    hint = hints.for_silence(SMTPSettings(host="mail.test", port=port, security=security))

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
