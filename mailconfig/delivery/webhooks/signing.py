"""Signatures of what is sent, as the Standard Webhooks specification has them (version 1: HMAC with SHA-256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from mailconfig.values import Secret

PREFIX = "whsec_"
KEY_BYTES = 32
"""Of 24 to 64 that the specification allows."""


def new_secret() -> Secret:
    """Return a fresh secret as people and libraries take it: the prefix and the key in base64."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())


def signed_headers(
    *, event_id: str, at: datetime, body: bytes, keys: Sequence[Secret]
) -> tuple[tuple[str, str], ...]:
    """Return the three fields that prove where the body comes from, and when it was sent.

    Args:
        event_id: the same each time that the event is sent.
        at: now.
        body: as it is sent, octet by octet.
        keys: whose signatures stand beside each other; receivers take the body if one of them fits.

    Raises:
        SecretUnreadable: a key cannot be opened.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(hmac.digest(_octets(key), signed, hashlib.sha256)).decode() for key in keys
    ]
    return (
        ("webhook-id", event_id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
    )


def _octets(key: Secret) -> bytes:
    return base64.b64decode(key.reveal().removeprefix(PREFIX))
