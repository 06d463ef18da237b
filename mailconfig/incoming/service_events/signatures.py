"""Signatures of reports: made over the very octets that came in, and none of them for ever."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailconfig.exceptions import EventsRefused
from mailconfig.values import EventsFault

SIGNED_SECONDS: Final = 600.0
"""For which a signature counts, and by which the service's clock may be ahead."""
MAILGUN_SECONDS: Final = 12 * 3600.0
"""The same for Mailgun, which goes on for eight hours to report what was not taken, and does not say that it signs anew."""
SENDGRID_SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
SENDGRID_TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
_SECONDS = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES: Final = 10


def check_sendgrid(public_key: str, *, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Check SendGrid's ECDSA signature over timestamp and body (P-256, SHA-256, DER in base64).

    Args:
        public_key: SubjectPublicKeyInfo in base64.
        headers: of the request.
        body: as it was received.
        now: seconds since 1970.

    Raises:
        EventsRefused: there is none, it is another key's or of other octets, or it is old.
    """
    signature, timestamp = headers.get(SENDGRID_SIGNATURE, ""), headers.get(SENDGRID_TIMESTAMP, "")
    if not signature or not timestamp:
        raise EventsRefused(EventsFault.UNSIGNED)
    key = load_der_public_key(base64.b64decode(public_key))
    if not isinstance(key, EllipticCurvePublicKey):
        raise EventsRefused(EventsFault.BAD_SIGNATURE)
    try:
        made = base64.b64decode(signature, validate=True)
        key.verify(made, timestamp.encode("latin-1", "replace") + body, ECDSA(hashes.SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        raise EventsRefused(EventsFault.BAD_SIGNATURE) from None
    _require_fresh(timestamp, now)


def check_mailgun(secret: str, *, value: Any, now: float) -> None:
    """Check Mailgun's HMAC-SHA-256 over timestamp and token, which stand in the body. It says nothing of the rest of it.

    Args:
        secret: the HTTP webhook signing key.
        value: of the body.
        now: seconds since 1970.

    Raises:
        EventsRefused: there is none, it is another key's, or it is old.
    """
    block = value.get("signature") if isinstance(value, dict) else None
    said = (
        [block.get(name) for name in ("timestamp", "token", "signature")] if isinstance(block, dict) else []
    )
    if not said or not all(isinstance(each, str) and each.isascii() for each in said):
        raise EventsRefused(EventsFault.UNSIGNED)
    timestamp, token, signature = map(str, said)
    expected = hmac.new(secret.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise EventsRefused(EventsFault.BAD_SIGNATURE)
    _require_fresh(timestamp, now, MAILGUN_SECONDS)


def check_resend(secret: str, *, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Check Resend's signature, that of Svix: HMAC-SHA-256 over id, timestamp and body with a dot between them.

    Args:
        secret: ``whsec_`` and the key in base64.
        headers: of the request.
        body: as it was received.
        now: seconds since 1970.

    Raises:
        EventsRefused: there is none, it is another key's or of other octets, or it is old.
    """
    names = ("svix-id", "svix-timestamp", "svix-signature")
    message, timestamp, signatures = (headers.get(name, "") for name in names)
    if not message or not timestamp or not signatures:
        raise EventsRefused(EventsFault.UNSIGNED)
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise EventsRefused(EventsFault.KEY_UNREADABLE) from None
    signed = f"{message}.{timestamp}.".encode("latin-1", "replace") + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    made = [
        each.removeprefix("v1,").encode()
        for each in signatures.split()[:_MOST_SIGNATURES]
        if each[:3] == "v1,"
    ]
    # All are compared: how long it takes tells nothing.
    if not sum(hmac.compare_digest(expected, each) for each in made):
        raise EventsRefused(EventsFault.BAD_SIGNATURE)
    _require_fresh(timestamp, now)


def _require_fresh(timestamp: str, now: float, seconds: float = SIGNED_SECONDS) -> None:
    """Refuse what was signed long ago, or will be. Asked last: who cannot sign learns nothing of our clock."""
    if not _SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > seconds:
        raise EventsRefused(EventsFault.OLD)
