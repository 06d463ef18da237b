"""Names and types of attached files, whatever a server or a URL says."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Collection
from urllib.parse import unquote

LONGEST_NAME = 100
"""Characters. Longer ones do not survive all mail programs and disks; the ending is kept."""
OCTET_STREAM = "application/octet-stream"
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

_LONGEST_ENDING = 16
_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]{0,62})/([a-z0-9][a-z0-9!#$&^_.+-]{0,62})")
_RESERVED = re.compile(r'[<>:"|?*]')
_HTML = re.compile(
    # Possessive: a row of comments can be divided in 2**n ways, and would be tried in all of them.
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*+(?:<!--.*?-->[\t\n\f\r ]*+)*+<(?:!doctype html|html)[\t\n\f\r >]",
    re.IGNORECASE | re.DOTALL,
)
_ENCLOSING = frozenset({"multipart", "message"})
"""Types whose content is mail itself: as what somebody else wrote it would be taken apart."""


def clean_name(text: str) -> str:
    """Return the last part of a path, in one line, without what cannot be seen or turns the direction of text.

    What systems do not take in a name is ``_``, nothing stands around it, and it is cut. ``""``: nothing is left.
    """
    text = re.split(r"[/\\]", text[:4096])[-1]
    text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())
    text = "".join(character for character in text if character.isprintable() or character == " ")
    text = _RESERVED.sub("_", text).strip(" .")
    if len(text) <= LONGEST_NAME:
        return text
    stem, ending = _split(text)
    return stem[: LONGEST_NAME - len(ending)].rstrip(" .") + ending


def name_in_path(target: str) -> str:
    """Return the name that stands at the end of a URL's path, cleaned; ``""``: there is none."""
    return clean_name(unquote(target.partition("?")[0].rpartition("/")[2]))


def unlike(name: str, others: Collection[str]) -> str:
    """Return a name that none of the others is, whatever their case: with a number before its ending, if need be."""
    known = {other.casefold() for other in others}
    stem, ending = _split(name)
    number, found = 1, name
    while found.casefold() in known:
        number += 1
        found = f"{stem} ({number}){ending}"
    return found


def type_of(name: str, declared: str) -> str:
    """Return the type of a file: what its name says, which is what opens it; else what the server says; else any octets."""
    guessed, coding = mimetypes.guess_type(name)
    declared = essence(declared)
    found = guessed if guessed and coding is None else "" if declared in HTML_TYPES else declared
    return OCTET_STREAM if not found or found.split("/")[0] in _ENCLOSING else found


def essence(content_type: str) -> str:
    """Return type and subtype of a Content-Type, in lower case; ``""``: it is none."""
    found = content_type.partition(";")[0].strip().lower()
    return found if _TYPE.fullmatch(found) else ""


def is_html(content_type: str, beginning: bytes) -> bool:
    """Return whether a file is a web page, by what the server says or by how it begins (WHATWG MIME Sniffing §7.1)."""
    return essence(content_type) in HTML_TYPES or _HTML.match(beginning) is not None


def says_html(name: str) -> bool:
    """Return whether a name is that of a web page."""
    return mimetypes.guess_type(name)[0] in HTML_TYPES


def with_ending(name: str, content_type: str) -> str:
    """Return the name with the ending that its type has, if it has none."""
    if _split(name)[1] or content_type == OCTET_STREAM:
        return name
    return name + (mimetypes.guess_extension(essence(content_type)) or "")


def _split(name: str) -> tuple[str, str]:
    """Return what stands before the ending, and the ending with its dot; a long one, or one of blanks, is none."""
    stem, dot, ending = name.rpartition(".")
    if not stem or not dot or len(ending) > _LONGEST_ENDING or not ending.isalnum():
        return name, ""
    return stem, dot + ending
