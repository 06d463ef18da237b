"""The states of mailings: what became of mail in the words of those who had it sent, computed by the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mailconfig.delivery.monitoring.waiting import explain
from mailconfig.models import (
    AttachmentProblem,
    Bounce,
    HandOver,
    Message,
    MessageState,
    Recipient,
    RecipientState,
    WaitReason,
)
from mailconfig.models.small_letters import SmallLetters

__all__ = [
    "MailingFacts",
    "MailingState",
    "mailing_facts",
    "recipient_states",
    "suppression_text",
    "with_mailing_states",
]


class MailingState(StrEnum):
    """States of a mailing, in the words of its clients."""

    DRAFTED = "drafted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"
    BOUNCED = "bounced"


CANCELLED = _("It was cancelled.")
REFUSED = _("The mail server refused the mail.")
RECIPIENT_REFUSED = _("The mail server refused the recipient.")
PARTIAL = _("Some of the recipients were refused.")
BOUNCED = _("It came back: the recipient could not be reached.")
SOME_BOUNCED = _("It came back from some of the recipients.")
SUPPRESSED: dict[str, Promise | str] = {
    "suppressed_bounce": _("Nothing is sent to the recipient, from whom mail came back for good."),
    "suppressed_complaint": _("Nothing of this kind is sent to the recipient, who reported mail as spam."),
    "suppressed_manual": _("Nothing is sent to the recipient, who is on the list of suppressed addresses."),
    "suppressed_opt_out": _("Nothing of this kind is sent to the recipient, who opted out."),
}
"""Sentences for codes of what was not sent for the suppression list's sake."""
FAILURES: dict[str, Promise | str] = {
    "account_deleted": _("The mailbox was deleted."),
    "internal_error": _("An error of our own, again and again."),
    "not_carried": _("The mail service cannot be told what it says."),
    "no_way_out": _(
        "It was to say how one opts out, and this site no longer says under which address the world reaches it."
    ),
    "no_recipients": _("Nobody was left to send it to."),
    "recipient_refused": _("The mail server refused all recipients."),
    "token_unknown": _("A token in it is unknown."),
    "token_invalid": _("A token in it stands for what cannot be sent there."),
    "unresolved": _("Nobody could say in time what its tokens stand for."),
    "sender_refused": _("The mail server refused the sender's address."),
    WaitReason.UNKNOWN_OUTCOME.value: _(
        "It may or may not have been accepted: the connection ended too early."
    ),
    **SUPPRESSED,
    **{problem.value: problem.label for problem in AttachmentProblem},
}
"""Sentences for codes of messages that failed."""
_USUAL = frozenset({WaitReason.BUSY, WaitReason.SCHEDULED, WaitReason.HANDING_OVER})
"""Reasons for waiting that are nothing to tell of."""
_SENT = (MessageState.SENT, MessageState.PARTIAL)


def suppression_text(code: str) -> str:
    """Return why nothing was sent to a recipient of this error code, in a sentence; empty: not for the suppression list's sake."""
    return str(SUPPRESSED.get(code, ""))


def with_mailing_states(rows: QuerySet[Message]) -> QuerySet[Any]:
    """Return the messages with ``mailing_state`` and ``mailing_scheduled_at``, to filter and to sort by."""
    returned = Bounce.objects.filter(is_permanent=True, message_id=OuterRef("message_id")).annotate(
        lower=SmallLetters("address")
    )
    arrived = (
        Recipient.objects.filter(message_id=OuterRef("pk"))
        .exclude(state=RecipientState.FAILED)
        .filter(~Exists(returned.filter(lower=SmallLetters(OuterRef("address")))))
    )
    some_returned = Bounce.objects.filter(is_permanent=True, message_id=OuterRef("pk"))
    state = Case(
        When(state__in=[MessageState.FAILED, MessageState.CANCELLED], then=Value(str(MailingState.FAILED))),
        When(
            Q(state__in=_SENT) & Q(Exists(some_returned)) & ~Q(Exists(arrived)),
            then=Value(str(MailingState.BOUNCED)),
        ),
        When(state__in=_SENT, then=Value(str(MailingState.DELIVERED))),
        When(
            Q(state=MessageState.QUEUED) & Q(Exists(HandOver.objects.filter(message_id=OuterRef("pk")))),
            then=Value(str(MailingState.DELIVERING)),
        ),
        When(
            state=MessageState.QUEUED,
            wait_reason="",
            not_before__gt=Now(),
            then=Value(str(MailingState.SCHEDULED)),
        ),
        default=Value(str(MailingState.QUEUED)),
        output_field=CharField(),
    )
    scheduled = Coalesce(F("mailing__scheduled_at"), F("not_before"), output_field=DateTimeField())
    return rows.annotate(mailing_state=state, mailing_scheduled_at=scheduled)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingFacts:
    """Facts about a mailing beside its row."""

    state: MailingState
    changed_at: datetime
    delivered_at: datetime | None = None
    reason: str = ""
    """Why it waits or failed, in a sentence of ours; empty: there is nothing to tell."""
    retry_at: datetime | None = None


@dataclass(slots=True)
class _Found:
    bounced: dict[int, list[tuple[str, bool, datetime]]] = field(default_factory=dict)
    handed_over: dict[int, datetime] = field(default_factory=dict)


def mailing_facts(messages: Sequence[Message]) -> dict[int, MailingFacts]:
    """Read the facts of messages that :func:`with_mailing_states` returned, by primary key.

    The number of queries does not grow with the messages.
    """
    keys = [message.pk for message in messages]
    found = _Found(
        handed_over=dict(HandOver.objects.filter(message_id__in=keys).values_list("pk", "handed_over_at"))
    )
    for key, address, permanent, at in Bounce.objects.filter(message_id__in=keys).values_list(
        "message_id", "address", "is_permanent", "reported_at"
    ):
        found.bounced.setdefault(key, []).append((address, permanent, at))
    waiting = explain(messages, foretells=False)
    reasons = {key: reason.text for key, reason in waiting.items() if reason.reason not in _USUAL}
    return {message.pk: _facts(message, found, reasons.get(message.pk, "")) for message in messages}


def _facts(message: Any, found: _Found, reason: str) -> MailingFacts:
    state = MailingState(message.mailing_state)
    bounces = found.bounced.get(message.pk, [])
    changed_at = message.settled_at or found.handed_over.get(message.pk) or message.created_at
    retry_at = None
    if state is MailingState.BOUNCED:
        # Whoever deletes a bounce may do so between the two queries.
        changed_at = max((at for _address, permanent, at in bounces if permanent), default=changed_at)
        reason = str(BOUNCED)
    elif state is MailingState.DELIVERED:
        is_partial = message.state == MessageState.PARTIAL
        reason = str(PARTIAL) if is_partial else str(SOME_BOUNCED) if any(b[1] for b in bounces) else ""
    elif state is MailingState.FAILED:
        is_cancelled = message.state == MessageState.CANCELLED
        reason = str(CANCELLED if is_cancelled else FAILURES.get(message.error_code, REFUSED))
    elif state is MailingState.QUEUED and message.wait_reason:
        retry_at = message.not_before if message.state == MessageState.QUEUED else None
    delivered = message.state in _SENT
    return MailingFacts(
        state=state,
        changed_at=changed_at,
        delivered_at=message.settled_at if delivered else None,
        reason=reason,
        retry_at=retry_at,
    )


def recipient_states(recipients: Sequence[Recipient]) -> dict[int, tuple[MailingState, str]]:
    """Return the state of each recipient and its reason, by primary key."""
    keys = {recipient.message_id for recipient in recipients}
    returned = {
        (key, address.lower())
        for key, address in Bounce.objects.filter(message_id__in=keys, is_permanent=True).values_list(
            "message_id", "address"
        )
    }
    rows: dict[int, Any] = with_mailing_states(Message.objects.defer("error_text")).in_bulk(keys)
    found: dict[int, tuple[MailingState, str]] = {}
    for recipient in recipients:
        state = MailingState(rows[recipient.message_id].mailing_state)
        arrived = recipient.state == RecipientState.SENT or (
            recipient.state == RecipientState.AS_MESSAGE and rows[recipient.message_id].state in _SENT
        )
        if recipient.state == RecipientState.FAILED:
            said = SUPPRESSED.get(recipient.error_code, RECIPIENT_REFUSED)
            found[recipient.pk] = (MailingState.FAILED, str(said))
        elif (recipient.message_id, recipient.address.lower()) in returned and arrived:
            found[recipient.pk] = (MailingState.BOUNCED, str(BOUNCED))
        elif arrived:
            found[recipient.pk] = (MailingState.DELIVERED, "")
        else:
            found[recipient.pk] = (state, "")
    return found
