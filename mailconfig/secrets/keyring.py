"""The key ring: seals a secret for one destination and opens it for no other.

Tokens are those of django-encrypted-model-fields (a ``MultiFernet`` over ``FIELD_ENCRYPTION_KEY``: the first
key seals, all of them open). What is ours is the payload inside: a marker, a digest of the destination, the
text. All of it is authenticated, so that neither ``queryset.update(host=…)`` nor SQL by hand can point a
stored secret at another server: the destination no longer fits the digest and the secret does not open.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from mailconfig.exceptions import DestinationChanged, SecretUnreadable

SETTING = "FIELD_ENCRYPTION_KEY"

_MARKER = b"mailconfig:1:"
_DIGEST_BYTES = 16
_HEADER_LENGTH = len(_MARKER) + _DIGEST_BYTES * 4 // 3 + 1 + len(b":")


class KeyRing:
    """The keys of one deployment, in their order.

    Raises:
        ImproperlyConfigured: there is no key, or one is not 32 bytes in URL-safe base64.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        if not keys:
            raise ImproperlyConfigured(why_no_key())
        fernets = [_fernet(key, position) for position, key in enumerate(keys, start=1)]
        self._first = fernets[0]
        self._all = MultiFernet(fernets)

    def seal(self, text: str, *, binding: str) -> str:
        """The token that holds `text` for the destination `binding`; another one at each call.

        Raises:
            ValueError: `text` or `binding` is not encodable (lone surrogates).
        """
        try:
            return self._first.encrypt(_header(binding) + _encoded(text)).decode("ascii")
        finally:
            del text  # should it fail: error reporters show the variables of every frame

    def open(self, token: str, *, binding: str) -> str:
        """The text in `token`.

        Raises:
            DestinationChanged: it was sealed for another destination.
            SecretUnreadable: no key opens it, it is damaged, or it is not one of ours.
        """
        payload = self._payload(token)
        if payload[:_HEADER_LENGTH] == _header(binding):
            return payload[_HEADER_LENGTH:].decode("utf-8")
        del payload  # error reporters show the variables of every frame
        msg = "the secret was entered for another server or login; enter it again"
        raise DestinationChanged(msg)

    def reseal(self, token: str) -> str:
        """`token` under the first key, bound to the same destination as before.

        Raises:
            SecretUnreadable: no key opens it, or it is not one of ours.
        """
        self._payload(token)
        return self._all.rotate(token.encode()).decode("ascii")

    def is_current(self, token: str) -> bool:
        """Return whether `token` is one of ours under the first key."""
        try:
            return self._first.decrypt(token.encode()).startswith(_MARKER)
        except (InvalidToken, UnicodeEncodeError):
            return False

    def _payload(self, token: str) -> bytes:
        try:
            payload = self._all.decrypt(token.encode())
        except (InvalidToken, UnicodeEncodeError):
            raise SecretUnreadable(_NO_KEY_FITS) from None
        if payload.startswith(_MARKER):
            return payload
        del payload  # it may be somebody's secret all the same
        raise SecretUnreadable(_NOT_OURS)


_NO_KEY_FITS = f"no key in {SETTING} opens the stored token"
_NOT_OURS = "the stored token holds no secret of mailconfig's; enter it again"


def configured_keys() -> list[str | bytes]:
    """The keys as the settings have them, unchecked; empty where there are none.

    A list of nothing but blanks is what is left of an environment variable that is not set, split at its commas.
    """
    keys = getattr(settings, SETTING, None)
    if not keys:
        return []
    listed = list(keys) if isinstance(keys, (list, tuple)) else [keys]
    return listed if any(not is_blank(key) for key in listed) else []


def is_blank(key: object) -> bool:
    """Return whether there is nothing where a key belongs."""
    return key is None or (isinstance(key, (str, bytes)) and not key.strip())


def why_no_key() -> str:
    """The reason why :func:`configured_keys` is empty, as a sentence without its full stop."""
    if getattr(settings, SETTING, None) is None:
        return f"{SETTING} is not set"
    return f"{SETTING} is set and empty"


def seal(text: str, *, binding: str) -> str:
    """:meth:`KeyRing.seal` with the deployment's keys.

    Raises:
        ImproperlyConfigured: the keys are missing or malformed.
    """
    try:
        return _current_ring().seal(text, binding=binding)
    finally:
        del text  # see KeyRing.seal


def open(token: str, *, binding: str) -> str:  # noqa: A001 - the counterpart of seal
    """:meth:`KeyRing.open` with the deployment's keys; missing or malformed keys open nothing."""
    return _reading_ring().open(token, binding=binding)


def reseal(token: str) -> str:
    """:meth:`KeyRing.reseal` with the deployment's keys; missing or malformed keys open nothing."""
    return _reading_ring().reseal(token)


def is_current(token: str) -> bool:
    """:meth:`KeyRing.is_current` with the deployment's keys.

    Raises:
        ImproperlyConfigured: the keys are missing or malformed.
    """
    return _current_ring().is_current(token)


@functools.cache
def _current_ring() -> KeyRing:
    # Built at first use and not at import, so that the app loads without a key and the system check can speak.
    return KeyRing(configured_keys())


def _reading_ring() -> KeyRing:
    try:
        return _current_ring()
    except ImproperlyConfigured as error:
        raise SecretUnreadable(str(error)) from error


def _forget_keys(*, setting: str, **_kwargs: object) -> None:
    if setting == SETTING:
        _current_ring.cache_clear()


setting_changed.connect(_forget_keys, dispatch_uid="mailconfig.secrets.keyring")


def _fernet(key: str | bytes, position: int) -> Fernet:
    if is_blank(key):
        msg = f"key {position} in {SETTING} is empty"
        raise ImproperlyConfigured(msg)
    try:
        return Fernet(key)
    except (ValueError, TypeError, AttributeError):
        # The cause is dropped: its traceback could show the key.
        msg = f"key {position} in {SETTING} is not 32 bytes in URL-safe base64"
    raise ImproperlyConfigured(msg)


def _header(binding: str) -> bytes:
    digest = hashlib.sha256(_encoded(binding)).digest()[:_DIGEST_BYTES]
    return _MARKER + base64.urlsafe_b64encode(digest).rstrip(b"=") + b":"


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        pass  # raised anew below: a UnicodeEncodeError carries the whole text
    del text
    msg = "the text holds characters that cannot be encoded"
    raise ValueError(msg)
