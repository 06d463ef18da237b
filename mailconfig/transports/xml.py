"""XML of servers, read with caps into plain elements: no document type, so no entities, and nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

MOST_DEPTH = 60
MOST_ELEMENTS = 100_000
MOST_UNFINISHED = 256 * 1024
"""Octets without a tag or text in them. What is one long tag or comment is read again from its beginning with each piece that
comes (expat before 2.6), so it may not go on for ever; a message's own text is told as it comes."""
_BETWEEN = " "
"""Stands between namespace and name: no namespace has one in it."""


class BadXML(ValueError):
    """It is no XML, or none that is taken here. Has words of our own only."""


@dataclass(slots=True)
class Element:
    """An element by its local name; names of Exchange's namespaces do not clash."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        """Return its own text, without blanks around it."""
        return "".join(self.pieces).strip()

    def all(self, name: str) -> Iterator[Element]:
        """Yield every element of that name below it, in the order of the document."""
        waiting = list(reversed(self.children))
        while waiting:
            found = waiting.pop()
            if found.name == name:
                yield found
            waiting.extend(reversed(found.children))

    def first(self, name: str) -> Element | None:
        """Return the first element of that name below it."""
        return next(self.all(name), None)

    def text_of(self, name: str) -> str:
        """Return the text of the first element of that name below it; ``""``: there is none."""
        found = self.first(name)
        return found.text if found is not None else ""


class Reading:
    """Reads a document bit by bit.

    Attributes:
        root: as far as it was read.
        is_enough: whether what was wanted is there, so that nothing more needs to be read.
    """

    def __init__(self, *, cut: str = "", most: int = 0) -> None:
        """Begin.

        Args:
            cut: name of an element of which not all text is wanted; reading may end behind it.
            most: so many characters.
        """
        self.root = Element("")
        self.is_enough = False
        self._open = [self.root]
        self._elements = self._came = self._unfinished = 0
        self._cut, self._most = cut, most
        self._parser = parser = expat.ParserCreate(namespace_separator=_BETWEEN)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.ProcessingInstructionHandler = lambda *_: self._refuse()

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            BadXML: it is not taken.
        """
        self._parse(data, is_final=False)

    def close(self) -> Element:
        """Return the document.

        Raises:
            BadXML: it did not come to its end.
        """
        self._parse(b"", is_final=True)
        return self.root

    def _parse(self, data: bytes, *, is_final: bool) -> None:
        if self.is_enough:
            return
        self._unfinished += len(data)
        try:
            self._parser.Parse(data, is_final)
        except expat.ExpatError as error:
            raise BadXML(f"no XML (line {error.lineno})") from None
        except BadXML:
            raise
        except (LookupError, ValueError):  # of Python's codecs, which read what expat itself cannot
            raise BadXML("an encoding that is not read here") from None
        if self._unfinished > MOST_UNFINISHED and not is_final:
            raise BadXML("a tag or a comment without an end")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._unfinished = 0
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._open) > MOST_DEPTH:
            raise BadXML("too many elements, or too many within each other")
        element = Element(name.rpartition(_BETWEEN)[2], attributes)
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._unfinished = 0
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._unfinished = 0
        if self.is_enough:
            return
        element = self._open[-1]
        element.pieces.append(text)
        if self._cut and element.name == self._cut:
            self._came += len(text)
            self.is_enough = self._came >= self._most

    def _refuse(self, *_: object) -> None:
        raise BadXML("a document type or an instruction, which have no place here")


def read_xml(data: bytes) -> Element:
    """Return a document.

    Raises:
        BadXML: it is none, or none that is taken here.
    """
    reading = Reading()
    reading.feed(data)
    return reading.close()


def in_xml(text: str) -> str:
    """Return text as it is written between tags and, in double quotes, in attributes (XML 1.0 §2.2, §2.4).

    Raises:
        ValueError: it has a character that XML cannot carry.
    """
    if any(ord(char) < 32 and char not in "\t\n\r" for char in text) or "\ufffe" in text or "\uffff" in text:
        raise ValueError("a character that XML cannot carry")
    return escape(text, {'"': "&quot;", "\r": "&#13;"})
