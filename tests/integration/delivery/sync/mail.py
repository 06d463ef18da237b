"""Mail for mailboxes, and what became of it."""

from __future__ import annotations

from typing import Any

from mailconfig.models import Lane, Mailbox, Purpose, SyncedMessage
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_mailbox
from tests.servers.imap import INBOX, FakeIMAP, Message

USER = "me@mail.test"


def make_synced(imap_port: int, **values: Any) -> Mailbox:
    """A mailbox that is synced from a server on loopback, with its lane."""
    mailbox = make_mailbox(
        **{
            "from_email": USER,
            "username": USER,
            "sync_method": "imap",
            "imap_host": "127.0.0.1",
            "imap_port": imap_port,
            "imap_ssl": False,
            "imap_secret": Secret(PASSWORD),
            **values,
        }
    )
    Lane.objects.get_or_create(account=mailbox, purpose=Purpose.SYNC)
    return mailbox


def lane_of(mailbox: Mailbox) -> Lane:
    """The lane on which it is synced, as it is now."""
    return Lane.objects.get(account=mailbox, purpose=Purpose.SYNC)


def put(
    server: FakeIMAP,
    text: str = "Hello",
    *,
    folder: str = INBOX,
    uid: int | None = None,
    date: str = "17-Jul-2026 02:44:25 +0200",
    **header: Any,
) -> Message:
    """Put a message into a folder; fields of its header are named as they are, with _ for -."""
    messages = server.folders[folder.encode()].messages
    uid = uid or max((message.uid for message in messages), default=0) + 1
    fields = {
        "From": "them@example.net",
        "To": USER,
        "Subject": f"Number {uid}",
        "Message-ID": f"<{uid}@example.net>",
    }
    fields |= {name.replace("_", "-"): value for name, value in header.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    data = "\r\n".join([*lines, "", text, ""]).encode()
    message = Message(uid, data, date=date, modseq=uid)
    messages.append(message)
    return message


def uids(mailbox: Mailbox) -> list[int]:
    """The numbers of what is stored."""
    rows = SyncedMessage.objects.filter(mailbox=mailbox)
    return list(rows.order_by("uid").values_list("uid", flat=True))
