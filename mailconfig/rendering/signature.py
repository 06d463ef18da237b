"""The signature of a mailbox: HTML that a person wrote, made harmless by an allow-list, and its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from typing import Final

import nh3

from mailconfig.markup import bare_text, grows

_TAGS: Final = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "center", "code", "div", "em", "font", "h1", "h2", "h3", "h4",
        "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "s", "small", "span", "strike", "strong", "sub",
        "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
    }
)  # fmt: skip
_WITH_CONTENT: Final = frozenset(
    {"iframe", "noscript", "object", "script", "style", "template", "textarea", "title"}
)
"""Elements that go with all that is in them; of others that are not allowed the content stays."""
_CELL: Final = frozenset({"align", "bgcolor", "colspan", "height", "rowspan", "valign", "width"})
_ATTRIBUTES: Final = {
    "*": frozenset({"align", "dir", "lang", "style", "title"}),
    "a": frozenset({"href", "target"}),
    "font": frozenset({"color", "face", "size"}),
    "img": frozenset({"alt", "border", "height", "src", "width"}),
    "table": frozenset({"bgcolor", "border", "cellpadding", "cellspacing", "width"}),
    "td": _CELL,
    "th": _CELL,
    "tr": frozenset({"bgcolor", "valign"}),
}
_SCHEMES: Final = frozenset({"cid", "http", "https", "mailto", "tel"})
_STYLES: Final = frozenset(
    {
        "background-color", "border", "border-bottom", "border-collapse", "border-left", "border-radius",
        "border-right", "border-spacing", "border-top", "color", "font-family", "font-size", "font-style",
        "font-weight", "height", "letter-spacing", "line-height", "margin", "margin-bottom", "margin-left",
        "margin-right", "margin-top", "max-width", "padding", "padding-bottom", "padding-left", "padding-right",
        "padding-top", "text-align", "text-decoration", "vertical-align", "white-space", "width",
    }
)  # fmt: skip
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_WITH_CONTENT),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    url_schemes=set(_SCHEMES),
    filter_style_properties=set(_STYLES),
    link_rel=None,
)
_BARE: Final = nh3.Cleaner(tags=set(), clean_content_tags=set(_WITH_CONTENT), attributes={})
_MOST_ROUNDS: Final = 4

_BLOCKS: Final = frozenset(
    {
        "blockquote", "center", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
        "table", "tbody", "tfoot", "thead", "tr", "ul",
    }
)  # fmt: skip
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_ENDS: Final = (re.compile(r"</body\s*>", re.IGNORECASE), re.compile(r"</html\s*>", re.IGNORECASE))
_SEPARATOR: Final = "-- "
"""RFC 3676 §4.3: the line before a signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in the two forms in which mail has it."""

    html: str
    text: str

    def below_text(self, text: str) -> str:
        """Return a plain text with the signature below its line, unless it ends with it already."""
        below = f"{_SEPARATOR}\n{self.text}"
        body = text.replace("\r\n", "\n").rstrip()
        if not self.text or body.endswith(below):
            return text
        return f"{body}\n\n{below}\n" if body else f"{below}\n"

    def below_html(self, html: str) -> str:
        """Return HTML with the signature at its end, within its body, unless it ends with it already."""
        return at_end_of_html(html, f"<div>{self.html}</div>")


def at_end_of_html(html: str, below: str) -> str:
    """Return HTML with more of it at its end, within its body, unless it ends with that already."""
    at = next((ends[-1] for pattern in _ENDS if (ends := _starts(pattern, html))), len(html))
    if html[:at].rstrip().endswith(below):
        return html
    return f"{html[:at]}\n<div><br></div>\n{below}\n{html[at:]}"


def _starts(pattern: re.Pattern[str], html: str) -> list[int]:
    return [found.start() for found in pattern.finditer(html)]


def sanitised(html: str) -> str:
    """Return what is harmless of a signature: the same again if that is sanitised once more.

    Tags, attributes, addresses and styles that are not on the list are left out, elements that are open are closed. It may
    become longer than it was: ``<`` alone becomes ``&lt;``. Of what would grow without end the text is left.
    """
    if grows(html):
        return _CLEANER.clean(escape(bare_text(html), quote=False))
    for _round in range(_MOST_ROUNDS):
        before, html = html, _CLEANER.clean(html)
        if html == before:
            return html
    # Elements that no reader nests alike, such as tables within links: each reading moves them.
    return html if _CLEANER.clean(html) == html else _BARE.clean(html)


@lru_cache(maxsize=64)
def signature_of(html: str) -> Signature | None:
    """Return the signature in both forms, sanitised; ``None``: it says nothing.

    Without any tag it is lines of text, and keeps them.
    """
    html = sanitised(html).strip()
    if "<" not in html:
        html = "<br>\n".join(html.splitlines())
    text = text_of(html)
    return Signature(html, text) if html and (text or "<img" in html) else None


def text_of(html: str) -> str:
    """Return what sanitised HTML says, in lines; links that say something else than their address have it beside them."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = [_SPACE.sub(" ", line).strip(" ") for line in "".join(reader.pieces).split("\0")]
    return "\n".join(_without_gaps(lines)).strip("\n")


def _without_gaps(lines: list[str]) -> Iterator[str]:
    """Yield the lines, of several empty ones one."""
    was_empty = False
    for line in lines:
        if line or not was_empty:
            yield line
        was_empty = not line


class _Reader(HTMLParser):
    """Collects text; NUL, which no sanitised text has, stands for the end of a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._link: str = ""
        self._since = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line with a block, and remember where a link leads."""
        given = dict(attrs)
        if tag == "br":
            self.pieces.append("\0")
        elif tag in _BLOCKS:
            self._end_line()
        elif tag == "img":
            self.pieces.append(given.get("alt") or "")
        elif tag in {"td", "th"}:
            self.pieces.append(" ")
        elif tag == "a":
            self._link, self._since = given.get("href") or "", len(self.pieces)

    def handle_endtag(self, tag: str) -> None:
        """End a line with a block, a paragraph with an empty one, and tell where a link leads."""
        if tag in _BLOCKS:
            self._end_line()
        if tag == "p":
            self.pieces.append("\0")
        if tag == "a" and self._link:
            said = "".join(self.pieces[self._since :]).strip()
            plain = self._link.removeprefix("mailto:").removeprefix("tel:")
            leads_on = self._link.startswith(("http:", "https:", "mailto:"))
            if leads_on and said not in {self._link, plain, plain.split("://")[-1].rstrip("/")}:
                self.pieces.append(f" <{plain}>" if said else plain)
            self._link = ""

    def handle_data(self, data: str) -> None:
        """Take the text; a protected space looks like one."""
        self.pieces.append(data.replace("\0", "").replace("\xa0", " "))

    def _end_line(self) -> None:
        if self.pieces and not self.pieces[-1].endswith("\0"):
            self.pieces.append("\0")
