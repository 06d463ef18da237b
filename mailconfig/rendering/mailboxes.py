"""Mailboxes and groups as callers write them, taken apart (RFC 5322 §3.4, and what of §4.4 people still write)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import NamedTuple

from mailconfig.rendering.header_lines import FORBIDDEN

_TOKEN = re.compile(
    r'[ \t]+|"(?:[^"\\]|\\.)*"|\[[^\[\]\\]*\]|[<>@,;:(]|[^ \t"<>@,;:()\[\]\\]+|[\[\]]',
)
_COMMENT = re.compile(r"[^()\\]+|\\.|[()]")
_SPECIALS = frozenset("<>@,;:")
_ESCAPED = re.compile(r"\\(.)")
_BLANKS = re.compile(r"[ \t]+")


class Mailbox(NamedTuple):
    """A display name, without quotes and encoded words, and the addr-spec as it was written."""

    name: str
    spec: str


class Group(NamedTuple):
    """A name for several mailboxes, or for none."""

    name: str
    members: tuple[Mailbox, ...]


def read_list(text: str) -> list[Mailbox | Group]:
    """The entries between the commas of a header; nothing is looked up in the addr-specs.

    Raises:
        ValueError: it cannot be read as a list of mailboxes and groups, or there is a hole in it.
    """
    tokens = list(_tokens(text))
    items: list[Mailbox | Group] = []
    at = -1
    while at < len(tokens):
        item, at = _item(tokens, at + 1)
        items.append(item)
        if at < len(tokens) and tokens[at] != ",":
            raise ValueError(tokens[at])
    return items


def decoded_words(text: str) -> str:
    """The text with its encoded words (RFC 2047) read; as it is where one cannot be, or hides a line break."""
    if "=?" not in text:
        return text
    try:
        decoded = str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
    return text if FORBIDDEN.search(decoded) else decoded


def _tokens(text: str) -> Iterator[str]:
    """Words, blanks and specials; a comment, with those inside it, is one token.

    Raises:
        ValueError: a quote or a comment is never closed.
    """
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(text[at])
        token = found[0]
        if token == "(":  # noqa: S105 - a parenthesis
            token = _comment(text, at)
        yield token
        at += len(token)


def _comment(text: str, start: int) -> str:
    depth = 0
    for found in _COMMENT.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth:
            return text[start : found.end()]
    raise ValueError(text[start])


def _item(tokens: Sequence[str], at: int) -> tuple[Mailbox | Group, int]:
    """The mailbox or group that begins here, and where it ends."""
    words, colon = _words(tokens, at)
    if colon == len(tokens) or tokens[colon] != ":":
        return _mailbox(tokens, at)
    members: list[Mailbox] = []
    at = colon
    inner, end = _words(tokens, at + 1)
    if _core(inner) or end == len(tokens) or tokens[end] != ";":
        while at == colon or tokens[at] == ",":
            member, at = _mailbox(tokens, at + 1)
            members.append(member)
            if at == len(tokens):
                raise ValueError(":")
        end = at
    if tokens[end] != ";":
        raise ValueError(tokens[end])
    rest, at = _words(tokens, end + 1)
    if _core(rest):
        raise ValueError(rest[0])
    return Group(_phrase(words), tuple(members)), at


def _mailbox(tokens: Sequence[str], at: int) -> tuple[Mailbox, int]:
    words, at = _words(tokens, at)
    special = tokens[at] if at < len(tokens) else ""
    if special == "<":
        end = tokens.index(">", at) if ">" in tokens[at:] else len(tokens)
        spec = "".join(tokens[at + 1 : end]).strip(" \t")
        rest, at = _words(tokens, end + 1)
        if end >= len(tokens) or _core(rest):
            raise ValueError("<")
        return Mailbox(_phrase(words), spec), at
    spec, rest = "".join(_core(words)), words
    if special == "@":
        rest, at = _words(tokens, at + 1)
        spec += "@" + "".join(_core(rest))
        # Blanks around the @ would have made two words of what is one.
        if (words and _is_blank(words[-1])) or not rest or _is_blank(rest[0]) or len(_core(rest)) != 1:
            raise ValueError("@")
    if len(_core(words)) != 1:
        raise ValueError(spec)
    comments = [word[1:-1] for word in rest if word.startswith("(")]
    name = decoded_words(_ESCAPED.sub(r"\1", comments[-1]).strip()) if comments else ""
    return Mailbox(name, spec), at


def _words(tokens: Sequence[str], at: int) -> tuple[list[str], int]:
    """Everything before the next special, and where that stands."""
    start = at
    while at < len(tokens) and tokens[at] not in _SPECIALS:
        at += 1
    return list(tokens[start:at]), at


def _is_blank(word: str) -> bool:
    return word[0] in " \t("


def _core(words: Sequence[str]) -> list[str]:
    return [word for word in words if not _is_blank(word)]


def _phrase(words: Sequence[str]) -> str:
    """A display name: what is in quotes stands for itself, elsewhere encoded words are read."""
    parts, run = [], ""
    for word in (*words, '""'):
        if not word.startswith('"'):
            run += word
            continue
        parts += [decoded_words(_BLANKS.sub(" ", run).strip(" ")), _ESCAPED.sub(r"\1", word[1:-1])]
        run = ""
    return " ".join(filter(None, parts)).strip()
