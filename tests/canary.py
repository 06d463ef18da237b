"""A password nobody else has, and how to find it in whatever comes out."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

CANARY = 'kanarienvogel+n0t/a "real" pässword&=%'
LOGIN = "me@example.com"


def disguises() -> dict[str, bytes]:
    """The canary as it is, and as protocols and encoders write it."""
    raw = CANARY.encode()
    found = {
        "plain": raw,
        "latin-1": CANARY.encode("latin-1"),
        "JSON": json.dumps(CANARY)[1:-1].encode(),
        "repr": repr(raw)[2:-1].encode(),
        "URL": quote(CANARY, safe="").encode(),
        "form": quote_plus(CANARY).encode(),
        "HTML": CANARY.replace("&", "&amp;").replace('"', "&quot;").encode(),
        "hex": raw.hex().encode(),
        # Whatever was mangled of it, this word stays.
        "word": b"kanarienvogel",
    }
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + raw)
        found[f"base64+{shift}"] = whole[4 if shift else 0 : -4].rstrip(b"=")
    return found


DISGUISES = disguises()


def hits(where: str, data: bytes | str) -> list[str]:
    """In which disguises it is found there."""
    octets = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    return [f"{name} in {where}" for name, disguise in DISGUISES.items() if disguise in octets]
