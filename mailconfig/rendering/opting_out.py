"""Two header fields, and a sentence with a link below the text, by which the recipient of a mail opts out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Final

from mailconfig.rendering.signature import Signature, at_end_of_html, sanitised, text_of

_LINK: Final = re.compile(r"<%\s*([^<>%]+?)\s*%>")
"""Words of the sentence that are to become the link."""
_PLACE: Final = "https://place.invalid/"
"""Stands for the address while a sentence is taken apart, which is the same for all mails of a mailbox."""


@dataclass(frozen=True, slots=True)
class OptingOut:
    """The way out of a mail, for the one recipient it has.

    Attributes:
        url: of the page, https; without what a header field or HTML would have to escape.
        sentence: what a person reads: HTML or plain text. The words in ``<%…%>`` become the link; where there are none,
            ``words`` follow as one.
        words: such as *Unsubscribe*.
    """

    url: str
    sentence: str
    words: str

    def header_lines(self) -> list[str]:
        """Return the fields by which a mail program offers it (RFC 2369 §3.2, RFC 8058 §3.1), each to be signed by DKIM.

        The address is on one line, as services show it: it is longer than a line should be, and shorter than one may be.
        Mail programs ask by POST, without anything that would say who somebody is but the address itself.
        """
        return [f"List-Unsubscribe: <{self.url}>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]

    def below_text(self, text: str) -> str:
        """Return a plain text with the sentence at its end."""
        _html, plain = _forms(self.sentence, self.words)
        body = text.replace("\r\n", "\n").rstrip()
        return f"{body}\n\n{plain.replace(_PLACE, self.url)}\n"

    def below_html(self, html: str) -> str:
        """Return HTML with the sentence at its end, within its body."""
        formatted, _plain = _forms(self.sentence, self.words)
        return at_end_of_html(html, f"<div>{formatted.replace(_PLACE, self.url)}</div>")


@dataclass(frozen=True, slots=True)
class Closing:
    """Closing of a text: a signature, and below that the way out."""

    signature: Signature | None
    opting_out: OptingOut

    def below_text(self, text: str) -> str:
        """Return a plain text with both."""
        return self.opting_out.below_text(self.signature.below_text(text) if self.signature else text)

    def below_html(self, html: str) -> str:
        """Return HTML with both."""
        return self.opting_out.below_html(self.signature.below_html(html) if self.signature else html)


@lru_cache(maxsize=64)
def _forms(sentence: str, words: str) -> tuple[str, str]:
    """Return the sentence as HTML, sanitised, and as text, with a place for the address in both."""
    linked, found = _LINK.subn(
        lambda match: f'<a href="{_PLACE}">{match[1]}</a>', sentence.replace(_PLACE, "")
    )
    clean = sanitised(linked).strip()
    if not found or _PLACE not in clean:
        clean = f"{clean} {_link(words)}".strip()
    if "<br" not in clean and "\n" in clean:
        clean = "<br>\n".join(clean.splitlines())
    return clean, text_of(clean)


def _link(words: str) -> str:
    return f'<a href="{_PLACE}">{escape(words, quote=False)}</a>'
