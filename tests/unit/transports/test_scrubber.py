"""What a server echoes of a login, in however odd a way, is not told on."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest

from mailconfig.transports.scrubber import MASK, MAX_TEXT, Scrubber
from mailconfig.transports.smtp.replies import to_reply

TAB = "not\ta\treal\tpassword"
ZERO = "not-a\u200b-real-\u2060pass\ufeffword"
BLANKS = "not a  real   password"
UMLAUT = "nöt-a-réal-pässword"
PLAIN = "not-a-real-password"
PIPE = "not-a|real|password"
QUOTES = "nota\"real'\\password"


def wrapped(text: str) -> str:
    return "\r\n ".join(text[at : at + 7] for at in range(0, len(text), 7))


@pytest.mark.parametrize("secret", [TAB, ZERO, BLANKS, UMLAUT, PLAIN, PIPE, QUOTES])
@pytest.mark.parametrize(
    "echo",
    [
        lambda secret: secret,
        lambda secret: secret.upper(),
        lambda secret: " ".join(secret.split()),
        lambda secret: "".join(secret.split()),
        lambda secret: "".join(character for character in secret if character.isprintable()),
        "\t".join,
        "\u200b".join,
        lambda secret: secret[:7] + "\r\n" + secret[7:],
        lambda secret: "".join(chr(ord(c) + 0xFEE0) if 0x20 < ord(c) < 0x7F else c for c in secret),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(b"\0me\0" + secret.encode()).decode(),
        lambda secret: base64.b64encode(b"you said " + secret.encode() + b"!").decode(),
        lambda secret: wrapped(base64.b64encode(b"\0me\0" + secret.encode()).decode()),
        urllib.parse.quote,
        urllib.parse.quote_plus,
        json.dumps,
        repr,
        lambda secret: secret.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'"),
        lambda secret: secret.encode().hex(),
    ],
)
def test_no_spelling_of_a_secret_is_left(secret: str, echo: object) -> None:
    assert callable(echo)
    told = echo(secret)
    scrubber = Scrubber.for_login("me", secret)
    for text in (f"you said {told}.", "x" * (MAX_TEXT - 12) + told, told):
        cleaned = scrubber.clean(text)
        assert MASK in cleaned or "…" in cleaned
        assert cleaned.isprintable()
        for piece in (
            "password",
            "pässword",
            "real",
            told[4:12],
            base64.b64encode(secret.encode()).decode()[:8],
        ):
            assert piece.casefold() not in cleaned.casefold().replace("you said", "")


@pytest.mark.parametrize(
    "told",
    [UMLAUT.encode("latin-1"), UMLAUT.encode("utf-16-le"), UMLAUT.encode().decode("latin-1").encode()],
    ids=["Latin-1", "UTF-16", "encoded twice"],
)
def test_letters_that_a_server_garbles_hide_nothing(told: bytes) -> None:
    reply = to_reply(535, [b"you said " + told], Scrubber.for_login("me", UMLAUT))

    assert reply.text.startswith(f"you said {MASK}")
    assert "ssword" not in reply.text


def test_a_secret_over_two_lines_is_found() -> None:
    scrubber = Scrubber.for_login("me", PLAIN)

    assert to_reply(535, [b"5.7.8 not-a-re", b"5.7.8 al-password no"], scrubber).text == f"{MASK} no"
    assert scrubber.clean("not-a-re | al-password") == MASK, "as a greeting is put together"


def test_a_user_name_that_is_no_address_may_be_a_secret() -> None:
    assert (
        Scrubber.for_login("hunter2-typed-here", "x").clean("no user hunter2-typed-here") == f"no user {MASK}"
    )
    assert (
        Scrubber.for_login("me@mail.test", "secret").clean("me@mail.test unknown") == "me@mail.test unknown"
    )
    assert Scrubber.for_login("root", "secret").clean("root may not") == "root may not"


@pytest.mark.parametrize(
    "text",
    ["2.0.0 Ok: queued as 4bXyZ1234567", "451 4.7.1 Try again in 15 minutes", "Ünïcödé “quotes” | bars", ""],
)
def test_other_words_stay_as_they_are(text: str) -> None:
    assert Scrubber.for_login("me@mail.test", "not-a-real-password").clean(text) == text
    assert Scrubber().clean(text) == text


def test_a_secret_of_blanks_hides_no_more_than_itself() -> None:
    assert Scrubber.for_login("me", "     ").clean("a b     c") == f"a b{MASK}c"
