"""Actions of people on a message: hold, release, send now, requeue, cancel."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from mailconfig.delivery import trail
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue import attached, bodies
from mailconfig.delivery.queue.ends import announce, erase_after, erases, final_values
from mailconfig.delivery.queue.insertion import keep_accounts
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.wake import wake_lane
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import HandOver, Message, MessageState, Recipient, RecipientState, WaitReason


def hold(*, message_id: int) -> None:
    """Keep a queued message until it is released.

    Raises:
        InvalidTransition: it is not queued (any more).
    """
    with transaction.atomic():
        _move("hold", message_id, MessageState.HELD, wait_reason=WaitReason.HELD)
        announce(message_id, MessageState.HELD)


def release(*, message_id: int) -> None:
    """Queue a held message again; what may have been accepted once may then arrive twice.

    Raises:
        InvalidTransition: it is not held, or its account was deleted.
    """
    with transaction.atomic():
        _move("release", message_id, MessageState.QUEUED, wait_reason="", not_before=database_now())
        _wake(message_id)


def send_now(*, message_id: int) -> None:
    """Let a queued message go that waits for its time, or for another try. What holds its account back still does.

    Raises:
        InvalidTransition: it is not queued (any more), is due already, may have arrived, or its account was deleted.
    """
    now = database_now()
    with transaction.atomic():
        rows = Message.objects.filter(not_before__gt=now).exclude(wait_reason=WaitReason.UNKNOWN_OUTCOME)
        _move("send_now", message_id, MessageState.QUEUED, among=rows, wait_reason="", not_before=now)
        Recipient.objects.filter(message_id=message_id, state=RecipientState.AS_MESSAGE).exclude(
            not_before=None
        ).update(not_before=None)
        _wake(message_id)


def requeue(*, message_id: int) -> None:
    """Queue a failed message again, with all its retries before it, for the recipients that failed.

    One whose files did not come is prepared again.

    Raises:
        InvalidTransition: it has not failed, its bytes are gone, or its account was deleted.
    """
    with transaction.atomic():
        message = Message.objects.filter(pk=message_id).only("pk", "stored_as", "has_tokens").first()
        needs_files = message is not None and attached.needs_files(message)
        if message is None or not (needs_files or bodies.is_there(message)):
            raise InvalidTransition(_("The message's bytes are gone."))
        _move(
            "requeue",
            message_id,
            MessageState.PREPARING if needs_files else MessageState.QUEUED,
            wait_reason=WaitReason.FILES if needs_files else "",
            not_before=database_now(),
            attempts=0,
            internal_errors=0,
            error_code="",
            error_text="",
            settled_at=None,
        )
        failed = Recipient.objects.filter(message_id=message_id, state=RecipientState.FAILED)
        failed.update(
            state=RecipientState.AS_MESSAGE,
            not_before=None,
            attempts=0,
            error_code="",
            reply_code=None,
            enhanced_code="",
            reply_text="",
        )
        if needs_files:
            attached.prepare_anew(message_id)
        _wake(message_id)


def cancel(*, message_id: int) -> None:
    """Never send a waiting message. Its bytes are erased.

    Raises:
        InvalidTransition: it is being handed over, or it is settled already.
    """
    stored_as = Message.objects.filter(pk=message_id).values_list("stored_as", flat=True).first() or ""
    with transaction.atomic():
        values: dict[str, Any] = final_values(MessageState.CANCELLED, database_now())
        _move("cancel", message_id, MessageState.CANCELLED, **values)
        erase_after(message_id, MessageState.CANCELLED, has_source=True)
        attached.stop_preparing([message_id])
        if erases(MessageState.CANCELLED):
            attached.erase([message_id])
        announce(message_id, MessageState.CANCELLED, stored_as=stored_as)


def _move(
    operation: str,
    message_id: int,
    state: MessageState,
    *,
    among: QuerySet[Message] | None = None,
    **values: Any,
) -> None:
    """Change the state, if the message is not being handed over. Within a transaction of the caller's."""
    rows = (Message.objects.all() if among is None else among).filter(
        pk=message_id, state__in=states_allowing(operation)
    )
    if not rows.update(state=state, **values):
        now = Message.objects.select_related("hand_over").filter(pk=message_id).first()
        if now is None:
            raise InvalidTransition(_("The message does not exist any more."))
        if now.shown_state in states_allowing(operation):
            raise InvalidTransition(_("It is due already, or may have arrived: it goes when its turn comes."))
        raise _is_in(now.shown_state)
    # Looked for once the row is ours, on which a journal that came first had us wait.
    if HandOver.objects.filter(message_id=message_id).exists():
        raise _is_in(MessageState.HANDING_OVER)
    trail.moved(operation, message_id, state, reason=str(values.get("wait_reason", "")))


def _is_in(state: MessageState) -> InvalidTransition:
    text = _("The message cannot be changed like this: it is in the state “%(state)s”.")
    return InvalidTransition(text % {"state": state.label})


def _wake(message_id: int) -> None:
    """Let the account of a message that is queued again be looked at, if it has not been deleted."""
    account_id = Message.objects.values_list("account_id", flat=True).get(pk=message_id)
    if not keep_accounts([account_id]):
        raise InvalidTransition(_("The message's account was deleted."))
    transaction.on_commit(lambda: wake_lane(account_id), robust=True)
