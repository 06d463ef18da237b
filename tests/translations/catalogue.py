"""A catalogue: the .po that people edit and the .mo that Django reads, both the same after every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from .extraction import PACKAGE, Found

Key = tuple[str, str]
"""Context and message; without a context it is empty."""


class Catalogue(Catalog):
    """Its header says nothing of when, by whom and with which program, or every run would be a change."""

    def __iter__(self) -> Iterator[Message]:
        """The header, then the messages in the order they were added."""
        for message in super().__iter__():
            yield message if message.id else Message("", self._header())

    def _header(self) -> str:
        return (
            "Project-Id-Version: mailconfig\n"
            f"Language: {self.locale_identifier}\n"
            f"Plural-Forms: {self.plural_forms}\n"
            "MIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\n"
        )


def paths() -> list[Path]:
    """The .po of every language there is. A new language starts with an empty file in its folder."""
    return sorted(PACKAGE.glob("locale/*/LC_MESSAGES/django.po"))


def read(po: Path) -> Catalogue:
    """What the file says."""
    with po.open("rb") as file:
        stored = read_po(file, locale=po.parents[1].name)
    catalogue = Catalogue(locale=stored.locale, header_comment=stored.header_comment, fuzzy=False)
    for message in messages(stored):
        catalogue[message.id] = message
    return catalogue


def updated(old: Catalogue, found: Iterable[Found]) -> Catalogue:
    """What was found, with the translations that ``old`` has for it; new messages have none, others are left out."""
    known = {key(message): message for message in messages(old)}
    new = Catalogue(locale=old.locale, header_comment=old.header_comment, fuzzy=False)
    for item in found:
        before = known.get((item.context, item.id))
        # A message that became a plural, or is one no longer, has to be looked at again.
        same = before is not None and isinstance(before.string, str) != bool(item.plural)
        new.add(
            (item.id, item.plural) if item.plural else item.id,
            before.string if before is not None and same else ("",) if item.plural else "",
            locations=[(item.path, 0)],
            user_comments=before.user_comments if before is not None else (),
            flags={"fuzzy"} if before is not None and before.fuzzy else (),
            context=item.context or None,
        )
    return new


def po_bytes(catalogue: Catalogue) -> bytes:
    """As it is written: one line for each paragraph, places without line numbers."""
    file = BytesIO()
    write_po(file, catalogue, width=0, include_lineno=False)
    return file.getvalue()


def mo_bytes(catalogue: Catalogue) -> bytes:
    """As it is compiled."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def messages(catalogue: Catalog) -> list[Message]:
    """Without the header."""
    return [message for message in catalogue if message.id]


def key(message: Message) -> Key:
    """What tells it from others: two messages differ in context, or in the singular."""
    return message.context or "", message.id if isinstance(message.id, str) else message.id[0]


def texts(message: Message) -> list[str]:
    """Its translations: one, or one for each form of the plural."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def is_translated(message: Message) -> bool:
    """Whether there is a translation, in all forms."""
    return all(texts(message))
