"""Content-Disposition of an answer: under which name a server offers a file (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110 calls this a token
_TYPE = re.compile(rf"[ \t]*({_TOKEN})[ \t]*")
_PARAMETER = re.compile(rf';[ \t]*({_TOKEN})[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_EXTENDED = re.compile(
    r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:%[0-9A-Fa-f]{2}|[!#$&+.^_`|~0-9A-Za-z-])*)", re.IGNORECASE
)
_LONGEST = 4096


def filename_of(values: tuple[str, ...]) -> str:
    """Return the name that a file is offered under, as the server wrote it: it may be a path, or worse.

    Args:
        values: the fields of that name, as Latin-1.

    Returns:
        ``filename*`` if it can be read, else ``filename``; ``""``: there is none, or more than one, or the field cannot
        be read (RFC 6266 §4.1 has each parameter once).
    """
    if len(values) != 1 or len(values[0]) > _LONGEST:
        return ""
    parameters = _parameters(values[0])
    if extended := _EXTENDED.fullmatch(parameters.get("filename*", "")):
        try:
            return unquote_to_bytes(extended[2]).decode(extended[1])
        except UnicodeDecodeError:
            pass
    # Servers write UTF-8 here, and Latin-1, of which nearly nothing is UTF-8 by chance.
    plain = parameters.get("filename", "")
    try:
        return plain.encode("latin-1").decode()
    except UnicodeDecodeError:
        return plain


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters by name; none at all if one comes twice or the text is no such field."""
    found: dict[str, str] = {}
    start = _TYPE.match(text)
    place = start.end() if start else -1
    while 0 <= place < len(text):
        parameter = _PARAMETER.match(text, place)
        if parameter is None and not text[place:].strip(" \t;"):
            break
        name = parameter[1].lower() if parameter else ""
        if parameter is None or name in found:
            return {}
        quoted = parameter[3]
        found[name] = parameter[2] if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        place = parameter.end()
    return found
