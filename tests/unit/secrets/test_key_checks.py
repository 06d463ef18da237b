"""The system checks of the keys: what they find, and that they never quote a key."""

import base64
import hashlib
import shlex
import subprocess
import sys
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import CheckMessage, run_checks
from django.core.exceptions import ImproperlyConfigured

from mailconfig.checks.keys import MAKE_A_KEY
from mailconfig.secrets.keyring import KeyRing, configured_keys

from .keys import NEW, OLD, OTHER

# Django 6.1 asks the database whether it knows JSON, even for a check of settings.
pytestmark = pytest.mark.django_db

SECRET_KEY = "not-a-real-secret-key-but-long-enough-to-be-one"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def messages() -> list[CheckMessage]:
    return [
        message
        for message in run_checks()
        if str(message.id).startswith("mailconfig.") and is_of_keys(message)
    ]


def is_of_keys(message: CheckMessage) -> bool:
    return str(message.id)[-4:] in {"E001", "E002", "E003", "W003", "E004", "W005"}


def ids() -> list[str]:
    return sorted(str(message.id).removeprefix("mailconfig.") for message in messages())


@pytest.mark.parametrize(
    "keys",
    [OLD, [OLD], (NEW, OLD), [OLD.encode()], OLD + "\n", pytest.param(Fernet.generate_key(), id="generated")],
)
def test_good_keys_pass(settings: Any, keys: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = keys
    assert ids() == []


@pytest.mark.parametrize("keys", ["", [], (), [""], " ", ["", "\n"], [None], b""], ids=repr)
def test_an_empty_key_is_an_error_that_says_so(settings: Any, keys: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = keys

    (error,) = messages()

    assert error.id == "mailconfig.E001"
    assert "is set and empty" in error.msg
    assert "environment variable" in str(error.hint)
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY is set and empty"):
        KeyRing(configured_keys())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_missing_key_is_an_error_that_says_so(settings: Any, is_there: bool) -> None:
    if is_there:
        settings.FIELD_ENCRYPTION_KEY = None
    else:
        del settings.FIELD_ENCRYPTION_KEY

    (error,) = messages()

    assert error.id == "mailconfig.E001"
    assert "FIELD_ENCRYPTION_KEY is not set" in error.msg
    with pytest.raises(ImproperlyConfigured, match="FIELD_ENCRYPTION_KEY is not set"):
        KeyRing(configured_keys())


@pytest.mark.parametrize("blank", ["", " ", None])
def test_nothing_between_two_commas_is_an_error_that_says_so(settings: Any, blank: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = [NEW, blank, OLD]

    (error,) = messages()

    assert error.id == "mailconfig.E002"
    assert error.msg == "Key 2 of FIELD_ENCRYPTION_KEY is empty."
    with pytest.raises(ImproperlyConfigured, match="key 2 in FIELD_ENCRYPTION_KEY is empty"):
        KeyRing(configured_keys())


@pytest.mark.parametrize(
    "key", ["short", OLD[:-4], f"{OLD},{OTHER}", OLD + "AAAA", "ü" * 44, None, 7, "", b"\xff" * 44]
)
def test_a_malformed_key_is_an_error_that_names_its_place(settings: Any, key: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = [NEW, key]
    assert ids() == ["E002"]
    assert "Key 2" in messages()[0].msg


@pytest.mark.parametrize(
    "raw",
    [
        bytes(32),
        b"\xff" * 32,
        b"0123456789" * 3 + b"01",
        bytes(range(32)),
        base64.urlsafe_b64decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="),
    ],
)
def test_an_example_is_an_error(settings: Any, raw: bytes) -> None:
    settings.FIELD_ENCRYPTION_KEY = [NEW, encoded(raw)]
    assert ids() == ["E003"]


def test_a_typed_text_is_a_warning(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = encoded(b"the quick brown fox jumps over a")
    assert ids() == ["W003"]


@pytest.mark.parametrize(
    "raw",
    [
        SECRET_KEY.encode()[:32],
        SECRET_KEY.encode()[-32:],
        hashlib.sha256(SECRET_KEY.encode()).digest(),
        hashlib.sha512(SECRET_KEY.encode()).digest()[:32],
        hashlib.md5(SECRET_KEY.encode(), usedforsecurity=False).hexdigest().encode(),
        hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:32].encode(),
        hashlib.blake2b(SECRET_KEY.encode(), digest_size=32).digest(),
    ],
)
@pytest.mark.parametrize("fallback", [False, True])
def test_a_key_made_of_secret_key_is_an_error(settings: Any, raw: bytes, fallback: bool) -> None:
    settings.SECRET_KEY = "not-a-real-secret-key-either" if fallback else SECRET_KEY
    settings.SECRET_KEY_FALLBACKS = [SECRET_KEY]
    settings.FIELD_ENCRYPTION_KEY = encoded(raw)
    assert "E004" in ids()


def test_a_key_that_is_secret_key_is_an_error(settings: Any) -> None:
    settings.SECRET_KEY = OTHER
    settings.FIELD_ENCRYPTION_KEY = [NEW, OTHER]
    assert ids() == ["E004"]
    settings.SECRET_KEY = settings.FIELD_ENCRYPTION_KEY = SECRET_KEY
    assert ids() == ["E002", "E004"]


def test_without_a_secret_key_the_other_checks_still_speak(settings: Any) -> None:
    settings.SECRET_KEY = ""
    settings.FIELD_ENCRYPTION_KEY = ""
    assert ids() == ["E001"]


def test_a_key_listed_twice_is_a_warning(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEY = [OLD, NEW, OLD.encode()]
    assert ids() == ["W005"]


def test_no_message_quotes_a_key(settings: Any) -> None:
    settings.SECRET_KEY = OTHER
    keys = ["malformed-key", encoded(bytes(32)), encoded(b"the quick brown fox jumps over a"), OTHER, OTHER]
    settings.FIELD_ENCRYPTION_KEY = keys
    text = " ".join(f"{message}" for message in messages())
    assert {"E002", "E003", "W003", "E004", "W005"} <= set(ids())
    assert not [key for key in keys if key in text]


def test_the_command_in_the_hints_makes_a_good_key(settings: Any) -> None:
    _python, *arguments = shlex.split(MAKE_A_KEY)
    made = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
    settings.FIELD_ENCRYPTION_KEY = made
    assert ids() == []
