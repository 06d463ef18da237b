"""Our Markdown documents, taken apart as far as tests look at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATHS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the repository."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """Without fenced code."""
        return _FENCE.sub("", self.text)

    def section(self, title: str) -> str:
        """What stands under a heading, up to the next of the same or a higher level.

        Raises:
            ValueError: there is no such heading.
        """
        heading = re.search(rf"^(#+) {re.escape(title)}$", self.prose, re.MULTILINE)
        if heading is None:
            msg = f"{self.name} has no heading {title!r}"
            raise ValueError(msg)
        rest = self.prose[heading.end() :]
        following = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
        return rest[: following.start()] if following else rest

    def snippets(self, language: str) -> list[str]:
        """The fenced blocks of a language, without the indentation of a list they stand in."""
        return [
            re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
            for match in _FENCE.finditer(self.text)
            if match["language"] == language
        ]

    def links(self) -> list[str]:
        """The targets of all links, in the order they come."""
        return _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """The anchors of its headings, as GitHub makes them."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {_NOT_IN_ANCHORS.sub("", title.lower()).replace(" ", "-") for title in titles}


def document(name: str) -> Document:
    """The document at a path from the repository's root."""
    return Document(ROOT / name)


def documents() -> list[Document]:
    """All of them."""
    return [Document(path) for path in PATHS]


def rows(table: str) -> list[list[str]]:
    """The cells of all tables in a text, without their headings."""
    lines = [line.strip() for line in table.splitlines()]
    found: list[list[str]] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not line.startswith("|-") and not following.startswith("|-"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def code_words(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", text)
