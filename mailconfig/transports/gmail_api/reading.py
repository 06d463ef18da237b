"""Reading by Gmail: what came under a label since a history id, and the new messages as they are. Nothing is marked.

A position is the label's id and a history id (``INBOX 1234``): up to there its history was read. While all of a label is read
for the first time it has a blank and the next page behind it (``INBOX 1234 5678``; nothing behind the blank: the first one),
and the history id is that from before the first page.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mailconfig.exceptions import AnswerTooLarge, FolderRefused
from mailconfig.transports.breaks import broken
from mailconfig.transports.reading import (
    KeyedMessage,
    KeyedSession,
    KeyedState,
    WhichAreStored,
    none_is_stored,
)
from mailconfig.values import Answer, ErrorCode, Stage

from . import hints
from .answers import Reply
from .service import Service, is_number

INBOX = "INBOX"
PAGE = 100
"""Messages, or changes, that are asked for at once."""
MOST_PAGES = 10_000
"""That a session reads: pages without messages are no batch, behind which reading could end."""
BATCH = 50
BATCH_BYTES = 4 * 1024 * 1024
"""Of the messages that the caller has in hand at once."""
LONGEST_NAME = 225
_MOST_OF_ONE = 128 * 1024 * 1024
_WORD = re.compile(r"[!-~]{1,300}")
"""A label's id, a message's or a page's."""
_RAW = re.compile(rb'"raw"\s*:\s*"')


@dataclass(frozen=True, slots=True)
class Page:
    """A part of what is to be read.

    Attributes:
        keys: of messages, each once.
        position: behind it.
        token: of the next one; ``""``: there is none.
    """

    keys: tuple[str, ...]
    position: str
    token: str


class GmailReadingSession(KeyedSession):
    """See :class:`mailconfig.transports.reading.KeyedSession`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._label = self._history = self._behind = ""
        self._page: Page | None = None
        self._lists_all = False
        self._told: set[str] = set()

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        return self._service.closed

    def examine(self, folder: str, *, position: str) -> KeyedState:
        """Find the label, and ask what came under it."""
        self._label = self._find(folder)
        reply = self._ask(f"labels/{self._label}", fields="messagesTotal")
        if reply.status == 404:
            raise self._no_label(reply)
        exists = self._data(reply).get("messagesTotal", 0)
        label, _, rest = position.partition(" ")
        history, lists_all, token = rest.partition(" ")
        goes_on = label == self._label and is_number(history)
        if goes_on:
            self._history, self._lists_all = history, bool(lists_all)
            goes_on = self._begin(token)
        if not goes_on:
            self._history, self._lists_all = self._service.history_id, True
            self._begin("")
        return KeyedState(exists=exists if isinstance(exists, int) else 0, goes_on=goes_on)

    def _begin(self, token: str) -> bool:
        """Ask for the first page; ``False``: what was known of the mailbox means nothing there any more."""
        reply = self._pages(token)
        is_forgotten = reply.status == 404 or (reply.status == 400 and reply.data is not None)
        if is_forgotten and (token or not self._lists_all):
            return False
        self._page = self._read_page(reply)
        self._behind = f"{self._label} {self._history}{f' {token}' if self._lists_all else ''}"
        return True

    def messages_after(
        self, *, most: int, which_are_stored: WhichAreStored = none_is_stored
    ) -> Iterator[tuple[str, tuple[KeyedMessage, ...]]]:
        """Yield what came: at first the latest come first, then they come in the order in which they came in."""
        page, self._page = self._page, None
        behind = self._behind
        while page is not None:
            last: tuple[KeyedMessage, ...] = ()
            stored = which_are_stored(page.keys) if page.keys else ()
            keys = tuple(key for key in page.keys if key not in stored)
            for batch in self._batches(keys, most):
                if last:
                    yield behind, last
                last = batch
            yield page.position, last
            behind = page.position
            page = self._next(page)

    def _next(self, page: Page) -> Page | None:
        if not page.token:
            return None
        self._told.add(page.token)
        found = self._read_page(self._pages(page.token))
        if found.token in self._told or len(self._told) > MOST_PAGES:
            self.close()
            raise broken(hints.SAME_PAGES, Stage.FOLDER)
        return found

    def _pages(self, token: str) -> Reply:
        more = {"pageToken": token} if token else {}
        if self._lists_all:
            fields = "messages/id,nextPageToken"
            return self._ask("messages", labelIds=self._label, maxResults=PAGE, fields=fields, **more)
        return self._ask(
            "history",
            startHistoryId=self._history,
            labelId=self._label,
            historyTypes=["messageAdded", "labelAdded"],
            maxResults=PAGE,
            fields="history(id,messagesAdded/message/id,labelsAdded(labelIds,message/id)),historyId,nextPageToken",
            **more,
        )

    def _read_page(self, reply: Reply) -> Page:
        data = self._data(reply)
        token = data.get("nextPageToken") or ""
        if not isinstance(token, str) or (token and not _WORD.fullmatch(token)):
            raise self._nonsense(reply)
        if self._lists_all:
            keys = _keys(data.get("messages"))
            position = f"{self._label} {self._history}{f' {token}' if token else ''}"
            return Page(keys, position, token)
        records = [each for each in _list(data.get("history")) if isinstance(each, dict)]
        ids = [str(each.get("id", "")) for each in records]
        # Behind the last record of a page, or behind all that happened.
        behind = (ids[-1] if ids else self._history) if token else data.get("historyId")
        if not isinstance(behind, str) or not is_number(behind):
            raise self._nonsense(reply)
        return Page(_added(records, self._label), f"{self._label} {behind}", token)

    def _find(self, folder: str) -> str:
        """Return the id of a label by its name."""
        if not folder or len(folder) > LONGEST_NAME or not folder.isprintable():
            raise ValueError("no folder can have this name")
        if folder == INBOX:
            return INBOX
        reply = self._ask("labels", fields="labels(id,name)")
        labels = [each for each in _list(self._data(reply).get("labels")) if isinstance(each, dict)]
        names = {each.get("name"): each.get("id") for each in labels}
        folded = {str(name).casefold(): key for name, key in names.items()}
        found = names.get(folder) or folded.get(folder.casefold())
        if not isinstance(found, str) or not _WORD.fullmatch(found) or "/" in found:
            raise self._no_label(reply)
        return found

    def _batches(self, keys: tuple[str, ...], most: int) -> Iterator[tuple[KeyedMessage, ...]]:
        batch: list[KeyedMessage] = []
        for key in keys:
            message = self._fetch(key, most)
            if message is None:
                continue
            if batch and (
                len(batch) >= BATCH
                or sum(len(each.octets) for each in batch) + len(message.octets) > BATCH_BYTES
            ):
                yield tuple(batch)
                batch = []
            batch.append(message)
        if batch:
            yield tuple(batch)

    def _fetch(self, key: str, most: int) -> KeyedMessage | None:
        """Return a message; ``None``: it is not there any more."""
        facts = "id,internalDate,sizeEstimate"
        try:
            reply = self._ask(f"messages/{key}", format="raw", fields=f"{facts},raw")
        except AnswerTooLarge:
            reply = self._ask(f"messages/{key}", format="minimal", fields=facts)
            octets = self._start_of(key, most) if reply.status != 404 else b""
        else:
            octets = _decoded(str((reply.data or {}).get("raw", "")).encode("ascii", "replace"))
        if reply.status == 404:
            return None
        data = self._data(reply)
        is_cut = "raw" not in data
        size = data.get("sizeEstimate")
        told = size if isinstance(size, int) and 0 <= size < 2**40 else 0
        return KeyedMessage(
            key=key,
            size=max(told, len(octets)) if is_cut else len(octets),
            received_at=_moment(data.get("internalDate")),
            octets=octets[:most],
        )

    def _start_of(self, key: str, most: int) -> bytes:
        """Return the beginning of a message that is long, without reading on."""
        wanted = most // 3 * 4 + 8
        found = b""
        query = {"format": "raw", "fields": "raw"}
        with self._service.open(
            f"messages/{key}", Stage.FOLDER, query=query, most_bytes=_MOST_OF_ONE
        ) as answer:
            if answer.status != 200:
                return b""
            for chunk in answer.chunks():
                found += chunk
                begun = _RAW.search(found, 0, 4096)
                if begun and (len(found) - begun.end() >= wanted or b'"' in found[begun.end() :]):
                    return _decoded(found[begun.end() :].partition(b'"')[0][:wanted])
                if not begun and len(found) > 4096:
                    break
        return b""

    def _ask(self, path: str, **query: Any) -> Reply:
        return self._service.ask(path, Stage.FOLDER, query=query)

    def _data(self, reply: Reply) -> dict[str, Any]:
        self._service.require_success(reply, Stage.FOLDER)
        return dict(reply.data or {})

    def _nonsense(self, reply: Reply) -> Exception:
        self.close()
        return broken(hints.NO_GMAIL, Stage.FOLDER, reply=Answer(reply.status))

    def _no_label(self, reply: Reply) -> FolderRefused:
        return FolderRefused(
            hints.NO_LABEL,
            stage=Stage.FOLDER,
            code=ErrorCode.FOLDER_REFUSED,
            field="folder",
            hint=hints.MAKE_LABEL,
            reply=reply.answer if reply.status != 200 else Answer(200, "no such label"),
            temporary=False,
        )

    def quit(self) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._service.close()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _keys(messages: object) -> tuple[str, ...]:
    """Return the ids of messages, each once."""
    found = [each.get("id") for each in _list(messages) if isinstance(each, dict)]
    return tuple(
        dict.fromkeys(key for key in found if isinstance(key, str) and key.isalnum() and key.isascii())
    )


def _added(records: list[dict[str, Any]], label: str) -> tuple[str, ...]:
    """Return what came under a label: new in the mailbox, or under that label from then on."""
    found: list[Any] = []
    for record in records:
        found += [
            each.get("message") for each in _list(record.get("messagesAdded")) if isinstance(each, dict)
        ]
        found += [
            each.get("message")
            for each in _list(record.get("labelsAdded"))
            if isinstance(each, dict) and label in _list(each.get("labelIds"))
        ]
    return _keys(found)


def _decoded(text: bytes) -> bytes:
    """Return what base64url stands for (RFC 4648 §5), of which the end may be missing."""
    text = text.rstrip(b"=")
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_")
    except (binascii.Error, ValueError):
        return b""


def _moment(value: object) -> dt.datetime | None:
    """Return milliseconds since 1970 as a time."""
    if not isinstance(value, str) or not is_number(value):
        return None
    try:
        at = dt.datetime.fromtimestamp(int(value) / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.year < 2200 else None
