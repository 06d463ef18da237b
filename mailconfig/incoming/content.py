"""The text of a message, as its reader sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mailconfig.incoming.charsets import decoded
from mailconfig.incoming.header import Header
from mailconfig.incoming.mime import MOST_PARTS, Leaf, leaves

_TEXTS: Final = {"text/plain": "text", "text/html": "html"}
_META = re.compile(rb"charset[ \t]*=[ \t]*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_MOST_BEFORE_META: Final = 1_024
"""Octets of HTML in which browsers look for its charset."""
_LONGEST_CHARACTER: Final = 16
"""Octets that a character takes at most: four, each written as three, and a line end among them."""


@dataclass(frozen=True, slots=True)
class Content:
    """The text of a message in both forms, storable, lines ending with a line feed."""

    text: str = ""
    html: str = ""
    """As it came, nothing sanitised."""
    is_cut: bool = False
    """Whether more was in what was read; of octets that were not read, whoever left them knows."""


def read_content(octets: bytes, *, most: int, header: Header | None = None, body: int = 0) -> Content:
    """Return what a message says; whatever it is, nothing is raised.

    Of alternatives (RFC 2046 §5.1.4) the first plain text and the first HTML count; texts that follow each other are joined. Attachments, enclosed
    messages and what HTML refers to are left out. ``format=flowed`` (RFC 3676) is not unfolded.

    Args:
        octets: of the message.
        most: characters of the text at most, and of the HTML.
        header: of the message, if it was read already.
        body: where what follows it begins.
    """
    said: dict[str, str] = {"text": "", "html": ""}
    is_cut = False
    choices: dict[tuple[int, str], int] = {}
    for number, leaf in enumerate(leaves(octets, header=header, body=body), 1):
        is_cut = is_cut or number == MOST_PARTS
        form = _TEXTS.get(leaf.content_type)
        if form is None or leaf.is_attachment or not _is_shown(leaf, form, choices):
            continue
        room = most - len(said[form])
        text, is_longer = _text_of(leaf, room)
        if text and said[form] and not said[form].endswith("\n"):
            text = f"\n{text}"
        said[form] += text[:room]
        is_cut = is_cut or is_longer or len(text) > room
    return Content(text=said["text"], html=said["html"], is_cut=is_cut)


def _is_shown(leaf: Leaf, form: str, choices: dict[tuple[int, str], int]) -> bool:
    """Return whether it belongs to the text, not to a later alternative or to what HTML refers to (RFC 2387)."""
    for container in leaf.containers:
        if container.content_type == "multipart/related" and container.part > 1:
            return False
        if container.content_type != "multipart/alternative":
            continue
        if choices.setdefault((container.begins_at, form), container.part) != container.part:
            return False
    return True


def _text_of(leaf: Leaf, room: int) -> tuple[str, bool]:
    """Return the text of a part, and whether it was not decoded to its end."""
    raw = leaf.body
    most = (room + 1) * _LONGEST_CHARACTER
    if len(raw) > most:
        leaf = Leaf(leaf.header, leaf.content_type, leaf.parameters, leaf.containers, raw[:most])
    body = leaf.decoded_body()
    charset = leaf.parameters.get("charset", "")
    if not charset and leaf.content_type == "text/html":
        found = _META.search(body, 0, _MOST_BEFORE_META)
        charset = found[1].decode("ascii") if found else ""
    text = decoded(body, charset).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n"), len(raw) > most
