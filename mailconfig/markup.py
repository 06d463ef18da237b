"""HTML of somebody unknown, judged before anything reads it as a browser does."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

_FORMATTING: Final = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""Elements that every block begins anew while they are open (HTML §13.2.4.3)."""
_MOST: Final = 5_000_000
"""Characters of elements begun anew; written mail needs some ten thousand."""
_MARK: Final = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)
_TAG: Final = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-z][a-z0-9:]*)
    (?:\s+[\w:-]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))?)*\s*/?>""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_NAME: Final = re.compile(r"</?([a-z][a-z0-9]*)", re.IGNORECASE)
_RAW: Final = frozenset({"style", "title"})
_ODD: Final = frozenset(
    {
        "frameset", "iframe", "math", "noembed", "noframes", "noscript", "plaintext", "script", "select", "svg",
        "template", "textarea", "xmp",
    }
)  # fmt: skip
"""Elements in which tags mean something else, or nothing."""
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_ANY_TAG: Final = re.compile(r"<[^<>]*>?")


def grows(html: str) -> bool:
    """Return whether a parser could make much more of HTML than stands there.

    Each block within ``<font size=1><font size=2>…`` that are never closed has all of them again: of a few kilobytes become
    gigabytes. Counted in one pass, and rather too much than too little: what is not plainly closed is open.
    """
    return _Count(html).is_beyond()


def bare_text(html: str) -> str:
    """Return what HTML says besides its tags, as they stand there."""
    return unescape(_ANY_TAG.sub(" ", html))


class _Count:
    """One pass over the tags."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._open: list[tuple[str, int]] = []
        self._width = 0
        """Characters of the formatting elements that are open."""
        self._is_plain = True
        """Whether a parser surely sees the same tags so far; if not, nothing counts as closed any more."""

    def is_beyond(self) -> bool:
        """Return whether elements begun anew have too many characters."""
        total = at = 0
        while found := _MARK.search(self._html, at):
            at = self._read(found.start())
            total += self._width
            if total > _MOST:
                return True
        return False

    def _read(self, at: int) -> int:
        """Take what begins here; return where to go on."""
        if self._html.startswith(("<!", "<?"), at):
            return self._skip_comment(at)
        tag = _TAG.match(self._html, at)
        if tag is None:
            self._is_plain = False
            odd = _NAME.match(self._html, at)
            following = self._html.find("<", at + 1)
            self._begin(odd[1].lower() if odd else "", (following if following > 0 else len(self._html)) - at)
            return at + 1
        name = tag["name"].lower()
        self._is_plain = self._is_plain and name not in _ODD
        if tag["end"]:
            self._close(name)
            return tag.end()
        self._begin(name, tag.end() - at)
        return self._skip_raw(name, tag.end()) if name in _RAW and self._is_plain else tag.end()

    def _begin(self, name: str, width: int) -> None:
        counted = width if name in _FORMATTING else 0
        self._width += counted
        if self._is_plain and name not in _VOID:
            self._open.append((name, counted))

    def _close(self, name: str) -> None:
        if self._is_plain and self._open and self._open[-1][0] == name:
            self._width -= self._open.pop()[1]

    def _skip_comment(self, at: int) -> int:
        if not self._is_plain:
            return at + 1
        is_comment = self._html.startswith("<!--", at)
        end = self._html.find("-->" if is_comment else ">", at + (4 if is_comment else 1))
        within = self._html[at + 1 : end]
        ends_otherwise = self._html.startswith(("<!-->", "<!--->"), at) or "--!>" in within
        self._is_plain = end >= 0 and not (ends_otherwise if is_comment else "<" in within)
        return end if self._is_plain else at + 1

    def _skip_raw(self, name: str, at: int) -> int:
        found = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE | re.ASCII).search(self._html, at)
        if found is None:
            self._is_plain = False
            return at
        return found.start()
