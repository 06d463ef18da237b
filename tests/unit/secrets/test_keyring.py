"""The key ring: what it opens, for whom, and what it says otherwise."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mailconfig.exceptions import DestinationChanged, SecretUnreadable
from mailconfig.secrets import keyring

from .frames import variables_of
from .keys import NEW, OLD, OTHER, PASSWORD

encodable = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(text=encodable, binding=encodable)
def test_what_was_sealed_opens_for_its_destination(text: str, binding: str) -> None:
    ring = keyring.KeyRing([OLD])
    assert ring.open(ring.seal(text, binding=binding), binding=binding) == text


@given(text=encodable, binding=encodable, other=encodable)
def test_it_opens_for_no_other_destination(text: str, binding: str, other: str) -> None:
    ring = keyring.KeyRing([OLD])
    token = ring.seal(text, binding=binding)
    if other != binding:
        with pytest.raises(DestinationChanged):
            ring.open(token, binding=other)


def test_the_same_secret_never_gives_the_same_token() -> None:
    assert keyring.seal(PASSWORD, binding="a") != keyring.seal(PASSWORD, binding="a")


def test_a_text_that_looks_like_a_payload_is_only_a_text() -> None:
    ring = keyring.KeyRing([OLD])
    payload = Fernet(OLD).decrypt(ring.seal(PASSWORD, binding="evil").encode()).decode()
    token = ring.seal(payload, binding="good")
    assert ring.open(token, binding="good") == payload
    with pytest.raises(DestinationChanged):
        ring.open(token, binding="evil")


def test_a_plain_token_of_the_package_is_unreadable_and_not_taken_for_another_destination() -> None:
    ring = keyring.KeyRing([OLD])
    token = Fernet(OLD).encrypt(PASSWORD.encode()).decode()
    with pytest.raises(SecretUnreadable) as caught:
        ring.open(token, binding="a")
    assert not isinstance(caught.value, DestinationChanged)
    assert not ring.is_current(token)
    with pytest.raises(SecretUnreadable):
        ring.reseal(token)


def test_tokens_are_those_of_the_package() -> None:
    token = keyring.KeyRing([NEW, OLD]).seal(PASSWORD, binding="a")
    assert MultiFernet([Fernet(NEW)]).decrypt(token.encode()).endswith(PASSWORD.encode())


@pytest.mark.parametrize("token", ["", "plain", "gAAAA", "gÄÄÄ", "\ud800", PASSWORD * 20])
def test_what_is_no_token_is_unreadable(token: str) -> None:
    ring = keyring.KeyRing([OLD])
    with pytest.raises(SecretUnreadable):
        ring.open(token, binding="a")
    with pytest.raises(SecretUnreadable):
        ring.reseal(token)
    assert not ring.is_current(token)


def test_a_token_with_one_character_changed_is_unreadable() -> None:
    ring = keyring.KeyRing([OLD])
    token = ring.seal(PASSWORD, binding="a")
    middle = len(token) // 2
    damaged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    with pytest.raises(SecretUnreadable):
        ring.open(damaged, binding="a")


def test_every_key_opens_and_the_first_seals() -> None:
    token = keyring.KeyRing([OLD]).seal(PASSWORD, binding="a")
    both = keyring.KeyRing([NEW, OLD])
    assert both.open(token, binding="a") == PASSWORD
    assert not both.is_current(token)
    resealed = both.reseal(token)
    assert both.is_current(resealed)
    assert keyring.KeyRing([NEW]).open(resealed, binding="a") == PASSWORD
    with pytest.raises(DestinationChanged):
        both.open(resealed, binding="b")


def test_a_changed_setting_counts_at_once(settings: object) -> None:
    settings.FIELD_ENCRYPTION_KEY = OLD  # type: ignore[attr-defined]
    token = keyring.seal(PASSWORD, binding="a")
    settings.FIELD_ENCRYPTION_KEY = NEW  # type: ignore[attr-defined]
    with pytest.raises(SecretUnreadable):
        keyring.open(token, binding="a")
    settings.FIELD_ENCRYPTION_KEY = (OTHER, OLD)  # type: ignore[attr-defined]
    assert keyring.open(token, binding="a") == PASSWORD


@pytest.mark.parametrize("keys", [None, "", [], "too-short", [OLD, "ü"], [OLD, None], 7])
def test_without_good_keys_nothing_opens_and_nothing_is_sealed(settings: object, keys: object) -> None:
    token = keyring.KeyRing([OLD]).seal(PASSWORD, binding="a")
    settings.FIELD_ENCRYPTION_KEY = keys  # type: ignore[attr-defined]
    with pytest.raises(SecretUnreadable):
        keyring.open(token, binding="a")
    with pytest.raises(SecretUnreadable):
        keyring.reseal(token)
    with pytest.raises(ImproperlyConfigured):
        keyring.seal(PASSWORD, binding="a")


def test_a_malformed_key_is_not_quoted() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        keyring.KeyRing([OLD, "not-a-real-key"])
    assert "key 2" in str(caught.value)
    assert "not-a-real-key" not in "".join(traceback.format_exception(caught.value)).replace(
        'KeyRing([OLD, "not-a-real-key"])', ""
    )


def test_text_that_cannot_be_encoded_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="cannot be encoded") as caught:
        keyring.seal(PASSWORD + "\ud800", binding="a")
    error: BaseException | None = caught.value
    while error is not None:
        assert not isinstance(error, UnicodeEncodeError)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("keys", ["None", "''", "'malformed'"])
def test_the_app_loads_without_a_key_and_the_checks_speak(keys: str) -> None:
    program = (
        "import django; from django.conf import settings; from tests import settings as s;"
        "settings.configure(**{n: getattr(s, n) for n in dir(s) if n.isupper() and n != 'FIELD_ENCRYPTION_KEY'},"
        f" FIELD_ENCRYPTION_KEY={keys}); django.setup();"
        "from django.core.management import call_command; call_command('check')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert "SystemCheckError" in done.stderr
    assert "mailconfig.E00" in done.stderr
    assert done.returncode != 0


def test_no_frame_of_an_error_holds_the_text() -> None:
    """Error reporters show the variables of every frame."""
    ring = keyring.KeyRing([OLD])
    token = ring.seal(PASSWORD, binding="a")
    foreign = Fernet(OLD).encrypt(PASSWORD.encode()).decode()
    failing: list[Callable[[], str]] = [
        lambda: ring.open(token, binding="b"),
        lambda: ring.open(foreign, binding="a"),
        lambda: ring.reseal(foreign),
        lambda: keyring.seal(PASSWORD + "\ud800", binding="a"),
        lambda: ring.seal(PASSWORD, binding="\ud800"),
    ]
    for fail in failing:
        with pytest.raises((SecretUnreadable, ValueError)) as caught:
            fail()
        assert PASSWORD not in variables_of(caught.value)


def test_a_missing_key_leaves_the_text_in_no_frame(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEY = "malformed"
    with pytest.raises(ImproperlyConfigured) as caught:
        keyring.seal(PASSWORD, binding="a")
    assert PASSWORD not in variables_of(caught.value)
