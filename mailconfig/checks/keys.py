"""System checks of ``FIELD_ENCRYPTION_KEY``: is there a key, is it one, and is it a secret?"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured

from mailconfig.secrets.keyring import SETTING, configured_keys, is_blank, why_no_key

MAKE_A_KEY = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
_HINT = f"Make one: {MAKE_A_KEY}"

_KEY_BYTES = 32
_FEWEST_DISTINCT_BYTES = 12  # of 32 random bytes about 30 differ

# Keys that stand in documents: the Fernet specification's, and what people type when they need 32 bytes.
_PUBLISHED = frozenset(
    {
        base64.urlsafe_b64decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="),
        bytes(range(_KEY_BYTES)),
        bytes(range(1, _KEY_BYTES + 1)),
    }
)


@register(Tags.security)
def check_a_key_is_set(**_kwargs: Any) -> list[CheckMessage]:
    """E001: no key at all."""
    if configured_keys():
        return []
    hint = _HINT
    if getattr(settings, SETTING, None) is not None:
        hint = f"Is the environment variable set in this process, if the key comes from one? {_HINT}"
    return [Error(f"{why_no_key()}: no password can be stored or read.", hint=hint, id="mailconfig.E001")]


@register(Tags.security)
def check_keys_are_well_formed(**_kwargs: Any) -> list[CheckMessage]:
    """E002: not a Fernet key, or nothing between two commas."""
    return [
        Error(
            f"Key {position} of {SETTING} is "
            + ("empty." if is_blank(key) else "not 32 bytes in URL-safe base64."),
            hint="Take the surplus comma away." if is_blank(key) else _HINT,
            id="mailconfig.E002",
        )
        for position, key in enumerate(configured_keys(), start=1)
        if _decoded(key) is None
    ]


@register(Tags.security)
def check_keys_are_no_examples(**_kwargs: Any) -> list[CheckMessage]:
    """E003: a key that stands in a document or that anybody would guess. W003: a key that was typed."""
    found: list[CheckMessage] = []
    for position, raw in _decoded_keys():
        if raw in _PUBLISHED or len(set(raw)) < _FEWEST_DISTINCT_BYTES:
            message = f"Key {position} of {SETTING} is an example that everybody knows."
            found.append(Error(message, hint=_replace(position), id="mailconfig.E003"))
        elif all(0x20 <= byte < 0x7F for byte in raw):
            message = f"Key {position} of {SETTING} is text in base64, not 32 random bytes."
            found.append(Warning(message, hint=_replace(position), id="mailconfig.W003"))
    return found


@register(Tags.security)
def check_keys_differ_from_the_secret_key(**_kwargs: Any) -> list[CheckMessage]:
    """E004: a key that is SECRET_KEY, or follows from it without a further secret."""
    derived = {raw for secret in _secret_keys() for raw in _derivations(secret)}
    return [
        Error(
            f"Key {position} of {SETTING} follows from SECRET_KEY: whoever learns one has the other.",
            hint=_replace(position),
            id="mailconfig.E004",
        )
        for position, key in enumerate(configured_keys(), start=1)
        if _as_bytes(key) in derived or _decoded(key) in derived
    ]


@register(Tags.security)
def check_keys_are_listed_once(**_kwargs: Any) -> list[CheckMessage]:
    """W005: the same key twice, which mostly means that a rotation replaced nothing."""
    raws = [raw for _position, raw in _decoded_keys()]
    if len(raws) == len(set(raws)):
        return []
    return [
        Warning(
            f"{SETTING} holds the same key more than once.",
            hint="Remove the repetition; to rotate, put a new key first and run mailconfig_rotate_keys.",
            id="mailconfig.W005",
        )
    ]


def _replace(position: int) -> str:
    return (
        f"{_HINT}; put it first, keep this one behind it, run mailconfig_rotate_keys, then drop this one."
        if position == 1
        else "Run mailconfig_rotate_keys, then drop this key."
    )


def _decoded_keys() -> Iterator[tuple[int, bytes]]:
    for position, key in enumerate(configured_keys(), start=1):
        raw = _decoded(key)
        if raw is not None:
            yield position, raw


def _decoded(key: object) -> bytes | None:
    """The 32 bytes. Stricter than Fernet, which reads two keys joined by a comma as the first one alone."""
    if not isinstance(key, (str, bytes)):
        return None
    text = _as_bytes(key).strip()
    try:
        raw = base64.urlsafe_b64decode(text)
    except binascii.Error:
        return None
    return raw if len(raw) == _KEY_BYTES and base64.urlsafe_b64encode(raw) == text else None


def _as_bytes(key: object) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode("utf-8", "replace")


def _secret_keys() -> Sequence[bytes]:
    try:
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    except ImproperlyConfigured:  # Django's own check says so
        return []
    return [_as_bytes(key) for key in keys]


def _derivations(secret: bytes) -> set[bytes]:
    """Return the keys that recipes on the web make of SECRET_KEY."""
    digests = [hashlib.new(name, secret) for name in ("sha256", "sha3_256", "sha512", "sha384")]
    return {
        secret,
        secret[:_KEY_BYTES],
        secret[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0"),
        secret[:_KEY_BYTES].ljust(_KEY_BYTES, b"0"),
        secret[:_KEY_BYTES].ljust(_KEY_BYTES, b" "),
        secret[-_KEY_BYTES:],
        hashlib.blake2b(secret, digest_size=_KEY_BYTES).digest(),
        hashlib.blake2s(secret).digest(),
        hashlib.md5(secret, usedforsecurity=False).hexdigest().encode(),
        *(digest.digest()[:_KEY_BYTES] for digest in digests),
        *(digest.hexdigest()[:_KEY_BYTES].encode() for digest in digests),
    }
