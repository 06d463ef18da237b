"""Where bounces go: the account's say, and a mail's own within the domains it may name."""

import email
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import override_settings

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.compose import Rendered, compose

ACCOUNT: dict[str, Any] = {"from_email": "news@example.com", "envelope_from": "bounces@lists.example.com"}
VERP = "b+anna=example.net"


def composed(from_email: str | None, account: dict[str, Any], **headers: str) -> Rendered:
    message = EmailMessage("s", "b", from_email, ["anna@example.net"], headers=headers)
    return compose(message, **account)


@pytest.mark.parametrize(
    ("from_email", "account", "settings", "sender"),
    [
        (f"{VERP}@example.com", ACCOUNT, {}, f"{VERP}@example.com"),
        (f"{VERP}@Lists.Example.com", ACCOUNT, {}, f"{VERP}@lists.example.com"),
        (f"Bounces <{VERP}@example.com>", ACCOUNT, {}, f"{VERP}@example.com"),
        (f"{VERP}@example.com", {"from_email": "news@example.com"}, {}, f"{VERP}@example.com"),
        (f"{VERP}@elsewhere.example", ACCOUNT, {}, "bounces@lists.example.com"),
        (f"{VERP}@sub.example.com", ACCOUNT, {}, "bounces@lists.example.com"),
        (f"{VERP}@sub.example.com", {"from_email": "news@example.com"}, {}, "news@example.com"),
        (f"{VERP}@verp.example", ACCOUNT, {"ENVELOPE_DOMAINS": ["VERP.example"]}, f"{VERP}@verp.example"),
        (f"{VERP}@sub.verp.example", ACCOUNT, {"ENVELOPE_DOMAINS": ["verp.example"]}, "bounces@lists.example.com"),
        (f"{VERP}@anywhere.example", {}, {}, "news@example.com"),
        ("root", ACCOUNT, {}, "bounces@lists.example.com"),
        (None, ACCOUNT, {}, "bounces@lists.example.com"),
        (None, {}, {}, "news@example.com"),
        ("webmaster@localhost", {}, {}, "news@example.com"),
        ("news@example.com", {"from_email": "news@example.com"}, {}, "news@example.com"),
        ("news@example.com", ACCOUNT, {}, "bounces@lists.example.com"),
    ],
)  # fmt: skip
def test_a_from_email_beside_a_from_header(
    from_email: str | None, account: dict[str, str], settings: dict[str, Any], sender: str
) -> None:
    with override_settings(MAILCONFIG=settings):
        rendered = composed(from_email, account, From="News <news@example.com>")
    assert rendered.sender == sender
    assert email.message_from_bytes(rendered.body)["From"] == "News <news@example.com>"


def test_what_django_fills_in_is_nobodys_choice() -> None:
    with override_settings(DEFAULT_FROM_EMAIL="site@example.com"):
        assert composed(None, ACCOUNT, From="news@example.com").sender == "bounces@lists.example.com"


def test_an_envelope_sender_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidMessage):
        composed("b@example.com\r\nRCPT TO:<x@example.org>", ACCOUNT, From="news@example.com")


def test_a_mail_that_renders_itself_has_its_from_email_too() -> None:
    class Own(EmailMessage):
        def message(self, **kwargs: Any) -> Any:
            made = super().message(**kwargs)
            made.replace_header("From", "news@example.com")
            return made

    message = Own("s", "b", f"{VERP}@example.com", ["anna@example.net"])
    assert compose(message, **ACCOUNT).sender == f"{VERP}@example.com"
