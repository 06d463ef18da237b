"""Events of mail and its recipients, noted for the webhooks of its tenant; see :mod:`.webhook_events`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .account import Account
from .message import Message
from .synced import Bounce
from .webhook import EventKind
from .webhook_events import Data, note_event, note_events, wanting


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


def note_messages_bounced(bounces: Collection[Bounce]) -> None:
    """Note that messages did not arrive at some of their recipients. Within the transaction that stores the reports.

    It takes as many statements for many as for one, and one for each tenant.
    """
    messages = _messages({bounce.message_id for bounce in bounces})
    endpoints = _wanting(EventKind.MESSAGE_BOUNCED, messages.values())
    note_events(
        EventKind.MESSAGE_BOUNCED,
        [
            (
                endpoints[message.tenant_id],
                {
                    **_facts(message),
                    "bounce_id": bounce.pk,
                    "address": bounce.address,
                    "is_permanent": bounce.is_permanent,
                    "code": bounce.enhanced_code,
                },
            )
            for bounce in bounces
            if (message := messages.get(bounce.message_id)) is not None and endpoints[message.tenant_id]
        ],
    )


def note_recipients_opted_out(said: Collection[tuple[int, str]], *, source: str) -> None:
    """Note that recipients asked for no more mail. Within the transaction that lists them; a few statements, as above.

    Args:
        said: the messages that they answered, by primary key, and the addresses.
        source: how it was said: a code.
    """
    messages = _messages({message_id for message_id, _address in said})
    endpoints = _wanting(EventKind.RECIPIENT_OPTED_OUT, messages.values())
    note_events(
        EventKind.RECIPIENT_OPTED_OUT,
        [
            (endpoints[message.tenant_id], {"address": address, **_facts(message), "source": source})
            for message_id, address in said
            if (message := messages.get(message_id)) is not None and endpoints[message.tenant_id]
        ],
    )


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


def _messages(keys: Collection[int]) -> dict[int, Message]:
    """Return the messages by primary key, with the accounts that they were queued for."""
    rows = Message.objects.filter(pk__in=keys).select_related("account", "failed_over_from")
    names = ("uuid", "tenant_id", "account__uuid", "failed_over_from__uuid")
    return {message.pk: message for message in rows.only(*names)} if keys else {}


def _wanting(kind: EventKind, messages: Iterable[Message]) -> dict[int | None, list[int]]:
    """Return the endpoints that want to hear of this kind, by tenant."""
    return {
        tenant_id: wanting(kind, tenant_id=tenant_id) for tenant_id in {one.tenant_id for one in messages}
    }


def _facts(message: Message) -> Data:
    """Return what :func:`_about` does, of a message with its accounts."""
    return {
        "message_id": message.pk,
        "message_uuid": str(message.uuid),
        "account_id": message.home_id,
        "account_uuid": str(message.home.uuid),
    }


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
