"""An open IMAP session that looks and changes nothing (RFC 3501, with CONDSTORE and QRESYNC as in RFC 7162).

Folders are opened by EXAMINE, and bodies fetched by BODY.PEEK: no message is marked as seen or loses ``\\Recent``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mailconfig.exceptions import TransportError

from . import names, searching
from .dialogue import Data
from .fetching import Fetching, Wanted
from .folders import Examination, Folder, FolderState, KnownState, parse_list
from .messages import (
    MessageFlags,
    MessageHead,
    MessageStart,
    is_section,
    parse_flags,
    parse_head,
    parse_part,
    parse_start,
    parse_text,
)
from .replies import Reply
from .searching import Criteria, Findings
from .uids import LARGEST, TOGETHER, TOGETHER_BYTES, UIDSet, together
from .wire import BadAnswerError

HEADS_AT_ONCE = 100
FLAGS_AT_ONCE = 10_000
"""Messages that one command asks for."""
UIDS_AT_ONCE = 100_000
"""Numbers that one search covers where the server tells each that it finds."""
START_BYTES = TOGETHER_BYTES // TOGETHER
"""Of each message that is asked for without its size being known; what is longer takes another command."""
_PIECE = 256 * 1024


class IMAPSession(Fetching):
    """Verbs that read, over an open connection. Never used by two threads at a time.

    Every method but ``quit`` and ``close`` may raise, and what iterators yield may be followed by:

    ``FolderRefused``: the server says no; the session goes on.
    ``SessionLost``, ``ProtocolError``: the connection ended, took too long or sent what it may not; the session is closed.

    What ``on_wait`` raises passes through, and closes it as well.
    """

    def folders(self, pattern: str = "*") -> tuple[Folder, ...]:
        """Return the folders whose names match; ``*`` is anything, ``%`` anything within one level.

        Raises:
            ValueError: no name can match.
        """
        found: list[Folder] = []

        def take(data: Data | Reply) -> None:
            if isinstance(data, Data) and data.name == "LIST":
                found.append(parse_list(data, utf8=self._utf8))

        self._run(self._command('LIST "" ').string(names.encode(pattern, utf8=self._utf8)), on_data=take)
        return tuple(found)

    def examine(self, folder: str | Folder, *, known: KnownState | None = None) -> FolderState:
        """Open a folder to read in it.

        Args:
            folder: its name, or what :meth:`folders` told.
            known: tell what has changed since, if the server can: see :attr:`tells_changes`. Where that is more than
                one answer may hold, the session ends by a ``ProtocolError``; ask :meth:`flags` then.

        Raises:
            ValueError: no folder can have this name.
        """
        raw = folder.raw if isinstance(folder, Folder) else names.encode(folder, utf8=self._utf8)
        command = self._command("EXAMINE ").string(raw)
        resync = known if self.tells_changes else None
        if resync is not None:
            command.text(f" (QRESYNC ({resync.uid_validity} {resync.highest_modseq}))")
        elif self.counts_changes:
            command.text(" (CONDSTORE)")
        self.exists, self._has_modseqs = None, False
        examination = Examination()
        verdict = self._run(command, on_data=examination.take, opening=True)
        try:
            state = examination.state(verdict, known=resync)
        except BadAnswerError as error:
            self._break(error)
        self.exists = state.exists
        self._uid_next = state.uid_next
        self._has_modseqs = self.counts_changes and state.highest_modseq is not None
        return state

    def search(self, criteria: Criteria | None = None) -> UIDSet:
        """Return the messages of which all criteria are true.

        A server without ESEARCH tells each number by itself: ask for a range of UIDs at a time where there are many.

        Raises:
            ValueError: criteria that cannot be written.
        """
        criteria = criteria or Criteria()
        if criteria.uids is not None and not criteria.uids:
            return UIDSet()
        findings = Findings()

        def take(data: Data | Reply) -> None:
            if isinstance(data, Data):
                findings.take(data)

        self._run(searching.written(criteria, self.capabilities, utf8=self._utf8), on_data=take)
        found = findings.found()
        # The last message is always in a range that ends with it, wherever it begins (RFC 3501 §9, seq-range).
        return found if criteria.uids is None else found & criteria.uids

    def heads(self, uids: UIDSet, *, header_bytes: int = 64 * 1024) -> Iterator[MessageHead]:
        """Yield flags, size, date and the first ``header_bytes`` of the header of each of these that is there.

        Raises:
            ValueError: more bytes than may come at once.
        """
        limits = self._dialogue.wire.limits
        if not 0 < header_bytes <= limits.literal:
            msg = f"not a size for a header: {header_bytes}"
            raise ValueError(msg)
        items = f"UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER]<0.{header_bytes}>"
        if self._has_modseqs:
            items += " MODSEQ"
        at_once = max(1, min(HEADS_AT_ONCE, limits.answer // 2 // header_bytes))
        for batch in self._existing(uids, at_once).batches(at_once):
            found: dict[int, MessageHead] = {}

            def take(data: Data, batch: UIDSet = batch, found: dict[int, MessageHead] = found) -> None:
                head = parse_head(data, header_bytes=header_bytes)
                if head is not None and head.uid in batch:
                    found[head.uid] = head

            size = at_once * header_bytes
            self._fetch_each(Wanted(uids=batch, items=f"({items})", take=take, found=found, size=size))
            yield from found.values()

    def heads_after(
        self, uid: int, *, header_bytes: int = 64 * 1024
    ) -> Iterator[tuple[int, tuple[MessageHead, ...]]]:
        """Yield heads of all messages after one, a batch at a time, each with the UID up to which nothing is left out.

        Raises:
            ValueError: more bytes than may come at once.
        """
        for found in self._found_after(uid):
            for batch in found.batches(HEADS_AT_ONCE):
                heads = sorted(self.heads(batch, header_bytes=header_bytes), key=lambda head: head.uid)
                yield batch.ranges[-1][1], tuple(heads)

    def _found_after(self, uid: int) -> Iterator[UIDSet]:
        """Yield the messages after one, in so many answers as a server needs that tells each number by itself.

        Where the server said what the next UID will be, nothing is looked for from there on: what has come since the folder
        was opened is for the next time.
        """
        end = LARGEST if self._uid_next is None else self._uid_next - 1
        step = LARGEST if "ESEARCH" in self.capabilities else UIDS_AT_ONCE
        left = self.exists or 0
        while uid < end and left > 0:
            last = min(end, uid + step)
            found = self.search(Criteria(uids=UIDSet.between([(uid + 1, last)])))
            if found.count > max(left, self.exists or 0):
                self._break(BadAnswerError("the server finds more messages than there are"))
            yield found
            left, uid = left - found.count, last
            step = step if found else 2 * step  # few numbers of many may be left

    def messages_after(self, uid: int, *, most: int) -> Iterator[tuple[int, tuple[MessageStart, ...]]]:
        """Yield all messages after one with their first ``most`` octets, a batch at a time, each with the UID up to which nothing is left out.

        What is not long comes by one command for each batch, and the next batch is asked for before one is yielded, so that the
        server works at it meanwhile. No more than :data:`~mailconfig.transports.imap.uids.TOGETHER_BYTES` are in a batch.

        Raises:
            ValueError: more octets than may come at once.
        """
        self._check_size(most)
        batches = (batch for found in self._found_after(uid) for batch in found.batches(TOGETHER))
        size = min(most, START_BYTES)
        starting = self._begin_starts(next(batches, None), size)
        while starting is not None:
            wanted, found = starting
            self._fetch_each(wanted)
            sizes = {start.uid: min(max(start.size, len(start.octets)), most) for start in found.values()}
            *groups, last = [uids for uids, _total in together(sizes)] or [UIDSet()]
            for group in groups:
                yield group.ranges[-1][1], self._completed(group, found, size, most)
            completed = self._completed(last, found, size, most)
            try:
                starting = self._begin_starts(next(batches, None), size)
            except TransportError:
                yield wanted.uids.ranges[-1][1], completed  # it came, whatever comes of the next one
                raise
            yield wanted.uids.ranges[-1][1], completed

    def _begin_starts(self, uids: UIDSet | None, size: int) -> tuple[Wanted, dict[int, MessageStart]] | None:
        """Ask for the first ``size`` octets of messages; ``None``: there are none."""
        if uids is None:
            return None
        found: dict[int, MessageStart] = {}

        def take(data: Data) -> None:
            start = parse_start(data, size=size)
            if start is not None and start.uid in uids:
                found[start.uid] = start

        items = f"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.{size}>)"
        wanted = Wanted(uids=uids, items=items, take=take, found=found, size=uids.count * size)
        self._begin(wanted)
        return wanted, found

    def _completed(
        self, uids: UIDSet, found: dict[int, MessageStart], size: int, most: int
    ) -> tuple[MessageStart, ...]:
        """Return messages with what goes beyond the first ``size`` octets of them."""
        starts = [found.pop(uid) for uid in uids]
        longer = {start.uid: start.size - size for start in starts if len(start.octets) == size < most}
        rests = dict(self.texts(longer, start=size, most=most - size)) if longer else {}
        return tuple(
            replace(start, octets=start.octets + rests[start.uid]) if start.uid in rests else start
            for start in starts
        )

    def texts(self, sizes: Mapping[int, int], *, most: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield ``most`` octets from ``start`` on of each of these messages that is there, many by each command.

        Args:
            sizes: what is left of them from there on, by their UIDs, as the server told it.
            most: the most there may be of each.
            start: offset of the first octet.

        Raises:
            ValueError: more octets than may come at once.
        """
        self._check_size(most)
        for uids, size in together({uid: max(0, min(size, most)) for uid, size in sizes.items()}):
            found: dict[int, bytes] = {}

            def take(data: Data, uids: UIDSet = uids, found: dict[int, bytes] = found) -> None:
                text = parse_text(data, start=start, size=most)
                if text is not None and text[0] in uids:
                    found[text[0]] = text[1]

            items = f"(UID BODY.PEEK[]<{start}.{most}>)"
            self._fetch_each(Wanted(uids=uids, items=items, take=take, found=found, size=size))
            yield from found.items()

    def _check_size(self, most: int) -> None:
        if not 0 < most <= self._dialogue.wire.limits.literal:
            msg = f"not a size for a message: {most}"
            raise ValueError(msg)

    def flags(self, uids: UIDSet, *, changed_since: int | None = None) -> Iterator[MessageFlags]:
        """Yield the flags of each of these that is there, or only of those with a higher mod-sequence (CONDSTORE)."""
        modifier = "" if changed_since is None else f" (CHANGEDSINCE {changed_since})"
        items = "(UID FLAGS MODSEQ)" if self._has_modseqs else "(UID FLAGS)"
        for batch in self._existing(uids, FLAGS_AT_ONCE, changed_since).batches(FLAGS_AT_ONCE):
            found: dict[int, MessageFlags] = {}

            def take(data: Data, batch: UIDSet = batch, found: dict[int, MessageFlags] = found) -> None:
                flags = parse_flags(data)
                if flags is not None and flags.uid in batch:
                    found[flags.uid] = flags

            self._fetch(batch, items + modifier, take)
            yield from found.values()

    def part(self, uid: int, *, section: str = "", start: int = 0, size: int = _PIECE) -> bytes | None:
        """Return ``size`` bytes of a message from ``start`` on, fewer at its end; ``None``: it is not there.

        Args:
            uid: of the message.
            section: ``""`` for all of it, ``HEADER``, ``TEXT``, or a part such as ``1.2`` or ``1.2.MIME``.
            start: offset of the first byte.
            size: the most there may be.

        Raises:
            ValueError: no section, or more bytes than may come at once.
        """
        if not is_section(section) or start < 0 or not 0 < size <= self._dialogue.wire.limits.literal:
            msg = f"not a piece of a message: {section!r}, {size} bytes from {start}"
            raise ValueError(msg)
        found: list[bytes] = []

        def take(data: Data) -> None:
            piece = parse_part(data, uid=uid, section=section, start=start, size=size)
            if piece is not None:
                found[:] = [piece]

        self._fetch(UIDSet.of([uid]), f"(UID BODY.PEEK[{section}]<{start}.{size}>)", take, size=size)
        return found[0] if found else None

    def read(self, uid: int, *, section: str = "", most: int) -> Iterator[bytes]:
        """Yield a message or a part of it piece by piece, ``most`` bytes of it at most."""
        start = 0
        while start < most:
            size = min(_PIECE, most - start)
            piece = self.part(uid, section=section, start=start, size=size)
            if piece:
                yield piece
            if piece is None or len(piece) < size:
                return
            start += size

    def _existing(self, uids: UIDSet, at_once: int, changed_since: int | None = None) -> UIDSet:
        """Return a set that is worth asking for: a large one names mostly messages that are not there."""
        if uids.count <= at_once:
            return uids
        before = self.exists or 0
        found = self.search(Criteria(uids=uids, changed_since=changed_since))
        if found.count > max(before, self.exists or 0):
            self._break(BadAnswerError("the server finds more messages than there are"))
        return found
