"""Reading by Exchange: what changed in a folder since a state of its own, and the new messages as MIME. Nothing is marked."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailconfig.exceptions import FolderRefused
from mailconfig.transports.breaks import broken
from mailconfig.transports.reading import (
    KeyedMessage,
    KeyedSession,
    KeyedState,
    WhichAreStored,
    none_is_stored,
)
from mailconfig.transports.xml import Element
from mailconfig.values import Answer, ErrorCode, Stage

from . import hints
from .answers import GONE, STATE_INVALID, Response
from .requests import find_folder, get_folder, get_items, known_folder, sync_folder_items
from .service import NO_EXCHANGE, Service, refusal_at

INBOX = "INBOX"
TOGETHER_BYTES = 1024 * 1024
"""Of the messages that are fetched in one answer, as Exchange counts them."""
TOGETHER = 50
BATCH_BYTES = 4 * 1024 * 1024
"""Of the messages that the caller has in hand at once."""
MOST_STATE = 1024 * 1024
"""Characters of a SyncState, which is stored with each batch and sent with each request; Exchange's have some thousand."""
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Change:
    """A message that came into a folder."""

    key: str
    size: int
    received_at: dt.datetime | None


class EWSReadingSession(KeyedSession):
    """See :class:`mailconfig.transports.reading.KeyedSession`.

    A position is a folder's id, a blank, and Exchange's SyncState; nothing behind the blank: the folder's beginning.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._folder_id = ""
        self._state = ""
        self._answer: Response | None = None

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        return self._service.closed

    def examine(self, folder: str, *, position: str) -> KeyedState:
        """Find a folder, and ask what changed in it."""
        element = self._find(folder)
        folder_id = element.first("FolderId")
        self._folder_id = folder_id.attributes.get("Id", "") if folder_id is not None else ""
        known_id, blank, state = position.partition(" ")
        goes_on = bool(blank) and known_id == self._folder_id
        answer = self._changes(state if goes_on else "")
        if goes_on and answer.code in STATE_INVALID:
            goes_on, answer = False, self._changes("")
        if not answer.is_success:
            raise self._refused(answer)
        self._answer, self._state = answer, state if goes_on else ""
        return KeyedState(exists=_number(element.text_of("TotalCount")), goes_on=goes_on)

    def messages_after(
        self, *, most: int, which_are_stored: WhichAreStored = none_is_stored
    ) -> Iterator[tuple[str, tuple[KeyedMessage, ...]]]:
        """Yield new messages in the order in which Exchange tells of them."""
        answer, self._answer = self._answer, None
        while answer is not None:
            element = answer.element or Element("")
            state = element.text_of("SyncState")
            if not state or len(state) > MOST_STATE:
                self.close()
                raise broken(NO_EXCHANGE, Stage.FOLDER)
            is_last = element.text_of("IncludesLastItemInRange").lower() != "false"
            if not is_last and state == self._state:
                self.close()
                raise broken("The server tells the same changes again and again.", Stage.FOLDER)
            before, self._state = self._state, state
            new = list(_new_in(element))
            stored = which_are_stored([change.key for change in new]) if new else ()
            batches = list(_batches((change for change in new if change.key not in stored), most))
            for number, changes in enumerate(batches, 1):
                position = state if number == len(batches) else before
                yield f"{self._folder_id} {position}", tuple(self._fetch(changes, most))
            if not batches:
                yield f"{self._folder_id} {state}", ()
            answer = None if is_last else self._changes(state)
            if answer is not None and not answer.is_success:
                raise self._refused(answer)

    def _find(self, folder: str) -> Element:
        if not folder or len(folder) > _LONGEST_NAME or not folder.isprintable():
            raise ValueError("no folder can have this name")
        if folder == INBOX:
            answers: Iterable[Response] = self._ask(get_folder(known_folder("inbox")))
        else:
            answers = self._ask(find_folder(folder))
        refusal: Response | None = None
        for answer in answers:
            folders = answer.element.first("Folders") if answer.element is not None else None
            if answer.is_success and folders is not None and folders.children:
                return folders.children[0]
            refusal = refusal if answer.is_success else answer
        if refusal is not None:
            raise self._refused(refusal)
        raise FolderRefused(
            "The server does not open this folder.",
            stage=Stage.FOLDER,
            code=ErrorCode.FOLDER_REFUSED,
            field="folder",
            hint=hints.FOLDER,
            reply=Answer(200, "no such folder"),
            temporary=False,
        )

    def _changes(self, state: str) -> Response:
        return self._ask(sync_folder_items(self._folder_id, state=state))[0]

    def _fetch(self, changes: tuple[Change, ...], most: int) -> Iterator[KeyedMessage]:
        """Yield the messages that are still there: small ones come together, of large ones the beginning."""
        together: list[Change] = []
        for change in changes:
            if change.size <= TOGETHER_BYTES // 2:
                together.append(change)
                if len(together) >= TOGETHER or sum(each.size for each in together) > TOGETHER_BYTES // 2:
                    yield from self._fetch_together(together, most)
                    together = []
            else:
                yield from self._fetch_alone(change, most)
        if together:
            yield from self._fetch_together(together, most)

    def _fetch_together(self, changes: list[Change], most: int) -> Iterator[KeyedMessage]:
        answers = self._ask(get_items(change.key for change in changes))
        by_key = {change.key: change for change in changes}
        for answer in answers:
            self._require_item(answer)
            found = answer.element.first("ItemId") if answer.element is not None else None
            change = by_key.pop(found.attributes.get("Id", ""), None) if found is not None else None
            if change is not None and answer.element is not None:
                octets = _octets(answer.element)
                if octets is not None:
                    yield _message(change, octets, size=len(octets), most=most)

    def _fetch_alone(self, change: Change, most: int) -> Iterator[KeyedMessage]:
        answer = self._service.ask_for_part(
            get_items([change.key]), Stage.FOLDER, cut="MimeContent", most=most // 3 * 4 + 4
        )[0]
        self._require_item(answer)
        octets = _octets(answer.element) if answer.element is not None else None
        if octets is not None:
            is_cut = len(octets) > most
            yield _message(
                change, octets, size=max(change.size, most + 1) if is_cut else len(octets), most=most
            )

    def _require_item(self, answer: Response) -> None:
        if not answer.is_success and answer.code not in GONE:
            raise self._refused(answer)

    def _ask(self, operation: str) -> tuple[Response, ...]:
        return self._service.ask(operation, Stage.FOLDER)

    def _refused(self, answer: Response) -> Exception:
        self.close()
        return refusal_at(answer, Stage.FOLDER)

    def quit(self) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self._service.close()


def _new_in(element: Element) -> Iterator[Change]:
    """Yield what came in; what was read, changed or deleted is nothing to us."""
    changes = element.first("Changes")
    for change in changes.children if changes is not None else ():
        item_id = change.first("ItemId")
        if change.name == "Create" and item_id is not None and item_id.attributes.get("Id"):
            yield Change(
                item_id.attributes["Id"],
                _number(change.text_of("Size")),
                _moment(change.text_of("DateTimeReceived")),
            )


def _batches(changes: Iterator[Change], most: int) -> Iterator[tuple[Change, ...]]:
    batch: list[Change] = []
    size = 0
    for change in changes:
        expected = min(2 * change.size, most)
        if batch and size + expected > BATCH_BYTES:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(change)
        size += expected
    if batch:
        yield tuple(batch)


def _message(change: Change, octets: bytes, *, size: int, most: int) -> KeyedMessage:
    return KeyedMessage(key=change.key, size=size, received_at=change.received_at, octets=octets[:most])


def _octets(element: Element) -> bytes | None:
    """Return a message's MIME; ``None``: it has none."""
    content = element.first("MimeContent")
    if content is None:
        return None
    text = "".join(content.text.split())
    try:
        # It may be cut anywhere.
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _moment(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return at if 1970 <= at.year < 2200 else None
