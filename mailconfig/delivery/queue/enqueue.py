"""Enqueue: mail is rendered and becomes rows of the caller's transaction; its commit rings the doorbell."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.utils import timezone

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.insertion import (
    NewMessage,
    can_commit_at_once,
    insert_and_commit,
    insert_many,
    insert_one,
)
from mailconfig.delivery.queue.moving import of_accounts
from mailconfig.delivery.queue.opt_out_links import opting_out_of
from mailconfig.delivery.queue.routing import account_for, account_named, routed
from mailconfig.delivery.wake import ring, ring_on_commit, wake_sql
from mailconfig.exceptions import InvalidMessage, KeyReused, NoAccount
from mailconfig.models import Account, AccountKind, Mailbox, Message, MessageKind, Priority
from mailconfig.rendering.addressing import parse_address
from mailconfig.rendering.compose import Rendered, compose
from mailconfig.rendering.header_lines import CONTROLS
from mailconfig.rendering.numbering import new_number
from mailconfig.rendering.signature import Signature, signature_of

__all__ = ["enqueue", "enqueue_for", "enqueue_many"]

logger = logging.getLogger("mailconfig.queue")

BATCH_MESSAGES = 500
BATCH_BYTES = 4 * 1024 * 1024
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Before this a mail must be due: a year that ends every calendar, short of the hour in which time zones overflow."""


def enqueue(
    message: EmailMessage,
    *,
    account: Account | int | None = None,
    priority: Priority = Priority.NORMAL,
    not_before: datetime | None = None,
    idempotency_key: str | None = None,
    is_test: bool = False,
    unsubscribe: bool = False,
    bulk: bool = False,
    transactional: bool = False,
) -> Message:
    """Put a mail into the queue of ``account`` (its row or key; ``None``: the one that sends what names none).

    Everything is part of the caller's transaction: if it rolls back, nothing is left and nothing rings. An
    account that is disabled or paused takes mail all the same; it waits.

    Args:
        not_before: when it may go at the earliest.
        idempotency_key: with a key the account has seen, nothing is queued and the earlier message returned.
        unsubscribe: its one recipient is told how to opt out, by header fields that mail programs know (RFC 8058) and a
            sentence with the link below the text. Such mail is bulk mail.
        bulk: it is bulk mail: not sent to who opted out or called mail spam. Without this or ``unsubscribe`` both are of no
            account, since a new password must not be kept from who wants no newsletter.
        transactional: it is sent whatever the suppression list says; otherwise nothing goes where mail cannot arrive.

    Raises:
        InvalidMessage: the mail cannot be queued as it is, or the key came before with another mail.
        NoAccount: there is no such account, it was deleted, or nobody sends what names none (see
            :mod:`mailconfig.delivery.queue.routing`).
        OSError: the storage of large messages cannot be written.
    """
    sender = account_for(message) if account is None else find_account(account)
    key = checked_key(idempotency_key)
    asked = Asked(unsubscribe=unsubscribe, bulk=bulk, transactional=transactional).with_those_of(message)
    rendered = compose_for(sender, message, unsubscribe=asked.unsubscribe)
    later = _later(not_before)
    new = new_message(rendered, sender, priority, later, is_test=is_test, kind=asked.kind)
    if key is not None:
        new.idempotency_key, new.content_digest = key, _digest(sender, message, rendered, asked)
    with stored_bytes([(new, rendered)]) as (row,):
        if key is None and later is None and can_commit_at_once(rendered.recipients):
            _insert_and_wake(row)
            return new
        written = insert_or_find(row)
        if written is not new:
            bodies.delete(new.stored_as)
    if written is new:
        ring_on_commit([(sender.pk, later)])
    return written


def enqueue_many(
    messages: Iterable[EmailMessage],
    *,
    account: Account | int | None = None,
    priority: Priority = Priority.NORMAL,
    not_before: datetime | None = None,
    is_test: bool = False,
    unsubscribe: bool = False,
    bulk: bool = False,
    transactional: bool = False,
) -> list[Message]:
    """Put many mails into the queue, all of them or none, in few statements.

    ``account`` and what a mail is are as for :func:`enqueue`; without an account each mail finds its own. ``messages`` may be a generator: no
    more than a batch of them is in memory.

    Raises:
        InvalidMessage: one of them cannot be queued as it is.
        NoAccount: as for :func:`enqueue`.
        OSError: the storage of large messages cannot be written.
    """
    pairs = routed(messages) if account is None else _all_with(find_account(account), messages)
    return enqueue_for(
        pairs,
        priority=priority,
        not_before=not_before,
        is_test=is_test,
        unsubscribe=unsubscribe,
        bulk=bulk,
        transactional=transactional,
    )


def enqueue_for(
    pairs: Iterable[tuple[EmailMessage, Account]],
    *,
    priority: Priority = Priority.NORMAL,
    not_before: datetime | None = None,
    is_test: bool = False,
    unsubscribe: bool = False,
    bulk: bool = False,
    transactional: bool = False,
    skip_invalid: bool = False,
) -> list[Message]:
    """Queue mails as :func:`enqueue_many` does, each with an account of its own.

    Args:
        skip_invalid: leave out what cannot be queued as it is, and log instead of raising it.
    """
    later = _later(not_before)
    asked = Asked(unsubscribe=unsubscribe, bulk=bulk, transactional=transactional)
    written: list[Message] = []
    # Within the caller's transaction a savepoint: whoever catches what is raised here can go on with it.
    with transaction.atomic():
        for batch in _batches(pairs, asked, skip_invalid=skip_invalid):
            rows = [
                (new_message(rendered, sender, priority, later, is_test=is_test, kind=kind), rendered)
                for rendered, sender, kind in batch
            ]
            with stored_bytes(rows) as batch_of_rows:
                if not insert_many(batch_of_rows):
                    msg = "the account was deleted"
                    raise NoAccount(msg)
            written += [row for row, _rendered in rows]
        ring_on_commit({(message.account_id, later) for message in written})
    return written


def find_account(account: Account | int) -> Account:
    """The account itself, or that of this key.

    Raises:
        NoAccount: there is none, or it was deleted.
    """
    if isinstance(account, Account):
        if account._state.adding or account.deleted_at is not None:
            msg = "the account is not stored" if account._state.adding else "the account was deleted"
            raise NoAccount(msg)
        return account
    return account_named(account)


def _all_with(account: Account, messages: Iterable[EmailMessage]) -> Iterator[tuple[EmailMessage, Account]]:
    return ((message, account) for message in messages)


def compose_for(
    account: Account, message: EmailMessage, *, texts: Texts | None = None, unsubscribe: bool = False
) -> Rendered:
    """Render ``message`` with the account's identity and, of a mailbox, its signature.

    See :func:`mailconfig.rendering.compose.compose`.

    Args:
        texts: what :func:`stored_texts` returned for the account, if that was asked already.
        unsubscribe: say how its one recipient opts out.

    Raises:
        InvalidMessage: see there; or it is to say how one opts out, and has not one recipient, or nowhere to lead.
    """
    texts = stored_texts(account) if texts is None else texts
    number, opting_out = None, None
    if unsubscribe:
        number = new_number()
        opting_out = opting_out_of(
            tenant_id=account.tenant_id,
            account_id=account.pk,
            address=_only_recipient(message),
            number=number,
            sentence=texts.opt_out,
        )
    return compose(
        message,
        from_email=account.sender,
        from_name=account.from_name,
        reply_to_email=account.reply_to_email,
        reply_to_name=account.reply_to_name,
        envelope_from=account.envelope_from,
        signature=texts.signature,
        number=number,
        opting_out=opting_out,
    )


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of an account below those of its mail.

    Attributes:
        signature: as it is to be sent; ``None``: it has none.
        opt_out: the sentence by which one opts out; empty: one of ours.
    """

    signature: Signature | None = None
    opt_out: str = ""


NO_TEXTS = Texts()


def stored_texts(account: Account) -> Texts:
    """Return the texts of a mailbox; others have none."""
    if account.kind != AccountKind.MAILBOX:
        return NO_TEXTS
    if isinstance(account, Mailbox):
        return Texts(signature_of(account.signature), account.opt_out_signature)
    row = Account.objects.filter(pk=account.pk)
    found = row.values_list("mailbox__signature", "mailbox__opt_out_signature").first()
    signature, opt_out = found or ("", "")
    return Texts(signature_of(signature or ""), opt_out or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Requests of a caller beside the mail; a mail may ask for itself by attributes of these names."""

    unsubscribe: bool = False
    bulk: bool = False
    transactional: bool = False

    def with_those_of(self, message: EmailMessage) -> Asked:
        """Return what is asked for one mail.

        Raises:
            InvalidMessage: that it goes out in spite of the list, and that one can opt out of it.
        """
        asked = Asked(
            unsubscribe=self.unsubscribe or getattr(message, "unsubscribe", False) is True,
            bulk=self.bulk or getattr(message, "bulk", False) is True,
            transactional=self.transactional or getattr(message, "transactional", False) is True,
        )
        if asked.transactional and (asked.unsubscribe or asked.bulk):
            msg = "mail that one can opt out of is not transactional"
            raise InvalidMessage(msg)
        return asked

    @property
    def kind(self) -> MessageKind:
        """The kind of mail that this makes it."""
        if self.unsubscribe or self.bulk:
            return MessageKind.BULK
        return MessageKind.TRANSACTIONAL if self.transactional else MessageKind.ORDINARY


def _only_recipient(message: EmailMessage) -> str:
    specs = {parse_address(item, what="recipient").spec for item in message.recipients()}
    if len(specs) != 1:
        msg = "a mail of which its recipient can opt out has exactly one: queue one for each"
        raise InvalidMessage(msg)
    return specs.pop()


def _digest(sender: Account, message: EmailMessage, rendered: Rendered, asked: Asked) -> str:
    """Return the digest of what a key stands for. A link is another one each time, so it is left out."""
    if not asked.unsubscribe:
        return rendered.digest()
    return hashlib.sha256(f"unsubscribe {compose_for(sender, message).digest()}".encode()).hexdigest()


def new_message(
    rendered: Rendered,
    account: Account,
    priority: Priority,
    not_before: datetime | None,
    *,
    is_test: bool,
    kind: MessageKind = MessageKind.ORDINARY,
) -> Message:
    message = Message(
        uuid=rendered.uuid,
        account_id=account.pk,
        tenant_id=account.tenant_id,
        priority=Priority(priority),
        kind=kind,
        envelope_from=rendered.sender,
        subject=rendered.subject[:998],
        size=rendered.size,
        eight_bit=rendered.eight_bit,
        is_test=is_test,
    )
    message.message_id = rendered.message_id
    if not_before is not None:
        message.not_before = not_before
    return message


@contextmanager
def stored_bytes(rows: Sequence[tuple[Message, Rendered]]) -> Iterator[list[NewMessage]]:
    """Put the bytes where they belong, and take stored ones away again if the rows cannot be written."""
    settings = get_settings()
    try:
        new: list[NewMessage] = []
        for message, rendered in rows:
            body, message.stored_as = bodies.keep(rendered.body, settings)
            new.append(NewMessage(message, rendered.recipients, body))
        yield new
    except BaseException:
        for message, _rendered in rows:
            bodies.delete_if_there(message.stored_as)  # the caller hears why the rows could not be written
        raise


def _insert_and_wake(new: NewMessage) -> None:
    """Enqueue outside any transaction, in one trip: write, commit, make the lane due, and ring.

    Raises:
        NoAccount: the account was deleted.
    """
    account_id = new.message.account_id
    written, changed = insert_and_commit(new, then=(wake_sql(), (account_id,)))
    if not written:
        msg = "the account was deleted"
        raise NoAccount(msg)
    crash.point("before_doorbell")
    if changed:
        ring(account_id)


def insert_or_find(row: NewMessage) -> Message:
    """The row of the message, or the one that has its key.

    Raises:
        InvalidMessage: the key came before with another mail.
        NoAccount: the account was deleted.
    """
    new = row.message
    try:
        if insert_one(row):
            return new
    except IntegrityError:
        # Somebody else committed this key (where the database cannot say ON CONFLICT).
        if new.idempotency_key is None:
            raise
    earlier = None
    if new.idempotency_key is not None:
        same_key = of_accounts(Message.objects.all(), [new.account_id])
        earlier = same_key.filter(idempotency_key=new.idempotency_key).first()
    if earlier is None:
        msg = "the account was deleted"
        raise NoAccount(msg)
    if earlier.content_digest != new.content_digest:
        msg = "another mail was queued under this idempotency key"
        raise KeyReused(msg)
    return earlier


def _batches(
    pairs: Iterable[tuple[EmailMessage, Account]], asked: Asked, *, skip_invalid: bool
) -> Iterator[list[tuple[Rendered, Account, MessageKind]]]:
    batch: list[tuple[Rendered, Account, MessageKind]] = []
    octets = 0
    texts: dict[int, Texts] = {}
    for message, account in pairs:
        if account.pk not in texts:
            texts[account.pk] = stored_texts(account)
        try:
            own = asked.with_those_of(message)
            rendered = compose_for(account, message, texts=texts[account.pk], unsubscribe=own.unsubscribe)
        except InvalidMessage as error:
            if not skip_invalid:
                raise
            logger.error("a mail was left out, since it cannot be queued: %s", error)
            continue
        batch.append((rendered, account, own.kind))
        octets += rendered.size
        if len(batch) >= BATCH_MESSAGES or octets >= BATCH_BYTES:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch


def _later(not_before: datetime | None) -> datetime | None:
    """``not_before`` if it is still to come: a time that has passed gives no better place in the queue."""
    if not_before is None:
        return None
    try:
        if timezone.is_naive(not_before):
            not_before = timezone.make_aware(not_before)
        not_before = not_before.astimezone(UTC)
    except OverflowError:
        not_before = LATEST
    if not_before >= LATEST:
        msg = f"the time when the mail may go is beyond what a calendar holds: the year {LATEST.year} is too late"
        raise InvalidMessage(msg)
    return not_before if not_before > timezone.now() else None


def checked_key(key: str | None) -> str | None:
    if not key:
        return None
    if len(key) > 255 or CONTROLS.search(key):
        msg = "an idempotency key has at most 255 characters, none of them a control character"
        raise InvalidMessage(msg)
    return key
