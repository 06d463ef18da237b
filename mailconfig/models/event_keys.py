"""The form of SendGrid's verification keys."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

_FRAME = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----")
LONGEST = 1000


def one_line_key(text: str) -> str:
    """Return a public key of P-256 (SubjectPublicKeyInfo, RFC 5480) in base64 without line ends, whatever frame it came in.

    Raises:
        ValueError: it is no such key.
    """
    if len(text) > LONGEST:
        raise ValueError("longer than any such key")
    body = "".join(_FRAME.sub("", text).split())
    try:
        key = load_der_public_key(base64.b64decode(body, validate=True))
    except (binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError("no public key") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("a key of another kind")  # noqa: TRY004 - the text is at fault
    return body
