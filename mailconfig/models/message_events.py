"""Events of mail and its recipients, noted for the webhooks of its tenant; see :mod:`.webhook_events`."""

from __future__ import annotations

from .account import Account
from .message import Message
from .webhook import EventKind
from .webhook_events import Data, note_event, wanting


def note_message_settled(message_id: int) -> None:
    """Note that a message is in its state now for good, or is held. Within the transaction that made it so."""
    message = Message.objects.filter(pk=message_id).only(
        "uuid",
        "state",
        "error_code",
        "wait_reason",
        "is_test",
        "tenant_id",
        "account_id",
        "failed_over_from_id",
    )
    row = message.first()
    ids = wanting(EventKind.MESSAGE_SETTLED, tenant_id=row.tenant_id if row else None)
    if row is not None and ids:
        data = {
            **_about(row),
            "state": row.state,
            "code": row.error_code,
            "reason": row.wait_reason,
            "is_test": row.is_test,
        }
        note_event(EventKind.MESSAGE_SETTLED, ids, data)


def note_message_bounced(
    message_id: int, *, address: str, is_permanent: bool, enhanced_code: str, bounce_id: int
) -> None:
    """Note that a message did not arrive at one of its recipients. Within the transaction that stores the report."""
    row = Message.objects.filter(pk=message_id).only("uuid", "tenant_id", "account_id", "failed_over_from_id")
    message = row.first()
    ids = wanting(EventKind.MESSAGE_BOUNCED, tenant_id=message.tenant_id if message else None)
    if message is not None and ids:
        data = {
            **_about(message),
            "bounce_id": bounce_id,
            "address": address,
            "is_permanent": is_permanent,
            "code": enhanced_code,
        }
        note_event(EventKind.MESSAGE_BOUNCED, ids, data)


def note_recipient_opted_out(
    *, tenant_id: int | None, address: str, message_id: int | None, account_id: int | None, source: str
) -> None:
    """Note that a person asked for no more mail. Within the transaction that lists the address.

    Args:
        tenant_id: whose mail it was; ``None``: no tenant's, and nobody is told.
        address: of the person.
        message_id: of the mail that was answered, if that is known.
        account_id: the one that it was queued for.
        source: how it was said: a code.
    """
    ids = wanting(EventKind.RECIPIENT_OPTED_OUT, tenant_id=tenant_id)
    if ids:
        message = None if message_id is None else Message.objects.filter(pk=message_id).first()
        about: Data = {"message_id": message_id, "message_uuid": None, **_account(account_id)}
        if message is not None:
            about = _about(message)
        note_event(EventKind.RECIPIENT_OPTED_OUT, ids, {"address": address, **about, "source": source})


def _about(message: Message) -> Data:
    """Return the numbers of a message, and of the account that it was queued for, whichever sent it."""
    return {
        "message_id": message.pk,
        "message_uuid": str(message.uuid),
        **_account(message.failed_over_from_id or message.account_id),
    }


def _account(account_id: int | None) -> Data:
    account = Account.objects.filter(pk=account_id) if account_id is not None else Account.objects.none()
    number = account.values_list("uuid", flat=True).first()
    return {"account_id": account_id, "account_uuid": None if number is None else str(number)}
