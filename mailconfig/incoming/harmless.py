"""HTML of somebody unknown, without what acts, asks other servers for something, or leads elsewhere.

It is shown in a sandboxed frame under a policy that allows nothing either; each of the two alone is to hold.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final
from urllib.parse import quote

import nh3

from mailconfig.markup import bare_text, grows

_TAGS: Final = frozenset(
    {
        "a", "abbr", "acronym", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br",
        "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt",
        "em", "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i",
        "img", "ins", "kbd", "li", "main", "mark", "ol", "p", "pre", "q", "s", "samp", "section", "small",
        "span", "strike", "strong", "style", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
        "time", "tr", "tt", "u", "ul", "var", "wbr",
    }
)  # fmt: skip
_WITH_CONTENT: Final = frozenset(
    {"iframe", "math", "noscript", "object", "script", "select", "svg", "template", "textarea", "title"}
)
"""Elements that go with all that is in them; of others that are not allowed the content stays."""
_CELL: Final = frozenset({"abbr", "bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"})
_ATTRIBUTES: Final = {
    # No href, so that nobody follows one by mistake: see _TARGETS.
    "*": frozenset({"align", "class", "dir", "id", "lang", "style", "title"}),
    "col": frozenset({"span", "width"}),
    "font": frozenset({"color", "face", "size"}),
    "hr": frozenset({"color", "noshade", "size", "width"}),
    "img": frozenset({"alt", "border", "height", "src", "width"}),
    "ol": frozenset({"start", "type"}),
    "table": frozenset({"bgcolor", "border", "cellpadding", "cellspacing", "height", "width"}),
    "td": _CELL,
    "th": _CELL,
    "tr": frozenset({"bgcolor", "valign"}),
    "ul": frozenset({"type"}),
}


_LONGEST_TARGET: Final = 500


def _only_data(_tag: str, attribute: str, value: str) -> str | None:
    """Leave out the source of a picture that is not in the mail itself, at this very server too."""
    is_elsewhere = attribute == "src" and not value.lstrip().lower().startswith("data:")
    return None if is_elsewhere else value


def _legible(tag: str, attribute: str, value: str) -> str | None:
    """Write where a link leads so that it can be read: short, and without what is not seen or turns the direction of text."""
    if (tag, attribute) != ("a", "href"):
        return _only_data(tag, attribute, value)
    seen = (letter if letter.isprintable() else quote(letter) for letter in value.strip()[:_LONGEST_TARGET])
    return "".join(seen)


_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_WITH_CONTENT),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    url_schemes={"data"},
    attribute_filter=_only_data,
    link_rel=None,
)
_TARGETS: Final = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_WITH_CONTENT),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()} | {"a": {"href"}},
    url_schemes={"data", "http", "https", "mailto", "tel"},
    attribute_filter=_legible,
    link_rel=None,
)
"""Leaves links where they lead: what it makes is cleaned once more, when they have become words."""
_LINK: Final = re.compile(r'<a(?=[ ])([^<>"]*(?:"[^"]*"[^<>"]*)*?) href="([^"]*)"')
"""A link as the cleaner writes it: each value in quotes, with none in it."""


def harmless(html: str) -> str:
    """Return what of the HTML only looks like something: no script, form, frame, link, or picture from elsewhere.

    A link's title says where it would lead, whatever title it had. Of what would grow without end the text is left.
    """
    if grows(html):
        return _CLEANER.clean(escape(bare_text(html), quote=False))
    return _CLEANER.clean(_LINK.sub(r'<a title="\2"\1', _TARGETS.clean(html)))
