"""SendGrid's side of a signed event webhook: a key pair, and reports signed by it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailconfig.incoming.service_events.signatures import SENDGRID_SIGNATURE, SENDGRID_TIMESTAMP


class Signer:
    """An account of SendGrid that signs what it reports."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        octets = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key = base64.b64encode(octets).decode()

    def sign(self, body: bytes, *, at: float | None = None) -> dict[str, str]:
        """Return the header fields of a report, signed now unless ``at`` says otherwise."""
        timestamp = f"{int(time.time() if at is None else at)}"
        made = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SENDGRID_TIMESTAMP: timestamp, SENDGRID_SIGNATURE: base64.b64encode(made).decode()}


def octets_of(events: Any) -> bytes:
    """Return a report as SendGrid writes it: a line for each event, and Windows' ends of lines."""
    return (
        b"[" + b",\r\n".join(json.dumps(event, separators=(",", ":")).encode() for event in events) + b"]\r\n"
    )
