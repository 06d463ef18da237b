"""Folders: what LIST and EXAMINE tell of them (RFC 3501 §7.2, §6.3.2; RFC 7162 for mod-sequences)."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import names
from .dialogue import Data
from .messages import MessageFlags, parse_flags
from .replies import Reply
from .tokens import as_number, as_words
from .uids import LARGEST, MOST_RANGES, UIDSet
from .wire import BadAnswerError

_NOT_SELECTABLE = frozenset({"\\noselect", "\\nonexistent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder as LIST tells of it."""

    name: str
    """For a person."""
    raw: bytes
    """As the server wrote it, and has to get it back."""
    delimiter: str | None
    """Stands between the levels of its name; ``None``: there is one level only."""
    attributes: frozenset[str]
    r"""In lower case: ``\noselect``, ``\haschildren``, ``\sent`` …"""

    @property
    def is_selectable(self) -> bool:
        """Return whether it can be opened."""
        return self.attributes.isdisjoint(_NOT_SELECTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownState:
    """The state of a folder in which somebody knows it, to be told only of what has changed since."""

    uid_validity: int
    highest_modseq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderState:
    """A folder as it is when it is opened."""

    exists: int
    """Messages in it."""
    uid_validity: int | None = None
    """If it is another one than before, UIDs mean other messages. ``None``: UIDs mean nothing from session to session."""
    uid_next: int | None = None
    highest_modseq: int | None = None
    """Grows with every change in it; ``None``: the server does not count."""
    read_only: bool = False
    changed: tuple[MessageFlags, ...] | None = None
    """Messages that are new or whose flags changed since the known state; ``None``: that cannot be told."""
    vanished: UIDSet | None = None
    """Messages that are gone since then; the same."""


def parse_list(data: Data, *, utf8: bool) -> Folder:
    """Return the folder of a LIST response.

    Raises:
        BadAnswerError: it is none.
    """
    values = data.values()
    if len(values) < 3 or not isinstance(values[2], bytes):
        raise BadAnswerError("the server's list of folders is none")
    delimiter, raw = values[1], values[2]
    if isinstance(delimiter, list):
        raise BadAnswerError("the server's list of folders is none")
    return Folder(
        name=names.decode(raw, utf8=utf8),
        raw=raw,
        delimiter=None if delimiter is None else delimiter.decode("utf-8", "replace"),
        attributes=frozenset(word.lower() for word in as_words(values[0])),
    )


@dataclass(slots=True)
class Examination:
    """Collects what the answer to EXAMINE tells."""

    exists: int | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    changed: dict[int, MessageFlags] = field(default_factory=dict)
    vanished: list[tuple[int, int]] = field(default_factory=list)

    def take(self, data: Data | Reply) -> None:
        """Take a response.

        Raises:
            BadAnswerError: it is not as it should be.
        """
        if isinstance(data, Reply):
            if data.response_code in {"UIDVALIDITY", "UIDNEXT"}:
                self.numbers[data.response_code] = as_number(data.arguments, most=LARGEST)
            elif data.response_code == "HIGHESTMODSEQ":
                self.numbers[data.response_code] = as_number(data.arguments)
        elif data.name == "EXISTS" and data.number is not None:
            self.exists = data.number
        elif data.name == "FETCH":
            if flags := parse_flags(data):
                self.changed[flags.uid] = flags
        elif data.name == "VANISHED":
            self.vanished.extend(parse_vanished(data).ranges)
            if len(self.vanished) > MOST_RANGES:
                raise BadAnswerError("the server names more messages than can be told at once")

    def state(self, verdict: Reply, *, known: KnownState | None) -> FolderState:
        """Return the whole; ``known``: since when it was asked what has changed, if it was.

        Raises:
            BadAnswerError: the number of messages is missing, which every server has to tell.
        """
        if self.exists is None:
            raise BadAnswerError("the server does not tell how many messages there are")
        tells_changes = known is not None and self._goes_on_from(known)
        return FolderState(
            exists=self.exists,
            uid_validity=self.numbers.get("UIDVALIDITY") or None,
            uid_next=self.numbers.get("UIDNEXT") or None,
            highest_modseq=self.numbers.get("HIGHESTMODSEQ") or None,
            read_only=verdict.response_code == "READ-ONLY",
            changed=tuple(self.changed.values()) if tells_changes else None,
            vanished=UIDSet.between(self.vanished) if tells_changes else None,
        )

    def _goes_on_from(self, known: KnownState) -> bool:
        """Return whether the server can tell what has changed since; if not, it tells nothing (RFC 7162 §3.2.5.1).

        It cannot where UIDs mean other messages by now, or where it counts no changes, or does anew.
        """
        return (
            self.numbers.get("UIDVALIDITY") == known.uid_validity
            and self.numbers.get("HIGHESTMODSEQ", 0) >= known.highest_modseq
        )


def parse_vanished(data: Data) -> UIDSet:
    """Return the messages that are gone (RFC 7162 §3.2.10).

    Raises:
        BadAnswerError: it tells no set.
    """
    values = data.values()
    if not values or not isinstance(values[-1], bytes):
        raise BadAnswerError("the server's answer has something else where a set of UIDs belongs")
    return UIDSet.parse(values[-1])
