"""A batch of messages that a sync found: what their headers and texts say, before anything is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from mailconfig.incoming.content import Content, read_content
from mailconfig.incoming.exclusions import Exclusions
from mailconfig.incoming.head import Head, head_of, read_head
from mailconfig.incoming.header import read_header
from mailconfig.incoming.reports import MOST_OCTETS, Report, read_report
from mailconfig.models import MailAlias, Mailbox, SyncedKind
from mailconfig.transports.reading import Arrival, MessageHead, MessageStart, ReadingSession

HEADER_BYTES = 64 * 1024
MOST_BYTES = 4 * 1024 * 1024
"""Of the messages that are stored together, as far as they are read: what is in memory at once is a few times as much."""
MOST_MESSAGES = 100


@dataclass(slots=True)
class Found:
    """One message."""

    raw: Arrival
    head: Head
    content: Content | None = None
    """``None``: it is not to be kept, or the message was gone when it was asked for."""
    reports: tuple[Report, ...] = ()
    is_cut: bool = False
    """Whether more was in it than was read."""

    @property
    def kind(self) -> SyncedKind:
        """Return what kind of mail it is."""
        if self.reports or self.head.is_report:
            return SyncedKind.REPORT
        return SyncedKind.AUTOMATIC if self.head.is_automatic else SyncedKind.MAIL


@dataclass(slots=True)
class Batch:
    """Messages that follow each other in a folder.

    Attributes:
        last_uid: up to there nothing is left out.
        found: those that are to be stored, without their texts at first.
        excluded: how many are not.
        recognised: primary keys of those that were stored before, by the UIDs that they have now.
        position: up to where the folder was read with it, where the far side says so; ``None``: its UIDs say so, or
            more of what came with it follows.
    """

    last_uid: int
    found: list[Found] = field(default_factory=list)
    excluded: int = 0
    recognised: Mapping[int, int] = field(default_factory=dict)
    position: str | None = None

    @property
    def new(self) -> list[Found]:
        """Return those that were never stored."""
        return [found for found in self.found if found.raw.uid not in self.recognised]


class Exclusion:
    """The mailbox's patterns of addresses whose mail is not stored. They are taken apart once, and only if there is new mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._patterns = Exclusions.parse(mailbox.sync_exclusions)
        own: list[str] = []
        if mailbox.sync_exclusions.strip():
            own += [mailbox.from_email, mailbox.login, mailbox.reply_to_email]
            own += MailAlias.objects.filter(mailbox=mailbox).values_list("email", flat=True)
        self._own = own
        self.is_empty = not mailbox.sync_exclusions.strip()

    def excludes(self, head: Head) -> bool:
        """Return whether the message is not to be stored: somebody it is from or to, the mailbox aside, is excluded.

        A report of delivery is about mail of the mailbox's own, whoever's server writes it.
        """
        return not (self.is_empty or head.is_report) and self._patterns.excludes(head.counterparts(self._own))


def batches_of(
    last_uid: int, heads: Collection[MessageHead], exclusion: Exclusion, *, most: int
) -> Iterator[Batch]:
    """Yield messages in batches that fit into memory.

    Args:
        last_uid: up to there nothing is left out.
        heads: in the order of their UIDs.
        exclusion: of the mailbox.
        most: octets of a message that are read.
    """
    batch, size = Batch(0), 0
    for raw in heads:
        expected = min(raw.size, most)
        if size + expected > MOST_BYTES or len(batch.found) + batch.excluded >= MOST_MESSAGES:
            yield batch
            batch, size = Batch(0), 0
        size += expected
        head = read_head(raw.header)
        batch.last_uid = raw.uid
        if exclusion.excludes(head):
            batch.excluded += 1
        else:
            batch.found.append(Found(raw, head, is_cut=not raw.is_whole))
    batch.last_uid = last_uid
    yield batch


def whole_batch(last_uid: int, messages: Iterable[MessageStart], *, most: int) -> Batch:
    """Read messages that came with their texts, all of which are to be stored.

    Args:
        last_uid: up to there nothing is left out.
        messages: in the order of their UIDs.
        most: characters of text that are kept of each.
    """
    batch = Batch(last_uid)
    for raw in messages:
        octets = raw.octets
        header, body = read_header(octets)
        content = read_content(octets, most=most, header=header, body=body)
        found = Found(raw, head_of(header), content, is_cut=content.is_cut or len(octets) < raw.size)
        if found.head.may_be_report:
            found.reports = read_report(octets)
        batch.found.append(found)
    return batch


def read_texts(session: ReadingSession, found: Iterable[Found], *, most: int) -> None:
    """Fetch and read the texts of these messages, as far as they are wanted.

    Args:
        session: the folder is open.
        found: messages to be stored.
        most: octets of each that are read, and characters of text that are kept; 0: only reports are read, and no text is kept.
    """
    by_uid = {message.raw.uid: message for message in found}
    if most:
        wanted = {uid: message.raw.size for uid, message in by_uid.items() if message.raw.size}
        for uid, octets in session.texts(wanted, most=most):
            message = by_uid[uid]
            message.content = content = read_content(octets, most=most)
            message.is_cut = message.is_cut or content.is_cut or len(octets) < message.raw.size
            if message.head.may_be_report:
                message.reports = read_report(octets)
        for uid in wanted:
            by_uid[uid].is_cut = by_uid[uid].is_cut or by_uid[uid].content is None
        return
    wanted = {uid: message.raw.size for uid, message in by_uid.items() if message.head.may_be_report}
    for uid, octets in session.texts(wanted, most=MOST_OCTETS):
        by_uid[uid].reports = read_report(octets)
