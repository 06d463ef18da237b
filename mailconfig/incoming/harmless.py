"""HTML of somebody unknown, without what acts, asks other servers for something, or leads elsewhere.

It is shown in a sandboxed frame under a policy that allows nothing either; each of the two alone is to hold.
"""

from __future__ import annotations

from html import escape
from typing import Final

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
    # No href: where a link leads stands in the mail's text, and nobody follows one by mistake.
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


def _only_data(_tag: str, attribute: str, value: str) -> str | None:
    """Leave out the source of a picture that is not in the mail itself, at this very server too."""
    is_elsewhere = attribute == "src" and not value.lstrip().lower().startswith("data:")
    return None if is_elsewhere else value


_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_WITH_CONTENT),
    attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
    url_schemes={"data"},
    attribute_filter=_only_data,
    link_rel=None,
)


def harmless(html: str) -> str:
    """Return what of the HTML only looks like something: no script, form, frame, link, or picture from elsewhere.

    Of what would grow without end the text is left.
    """
    if grows(html):
        return _CLEANER.clean(escape(bare_text(html), quote=False))
    return _CLEANER.clean(html)
