"""Facts about one mail for whoever had it sent: its state, the reason for it, and when it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mailconfig.delivery.monitoring.mailings import FAILURES, REFUSED
from mailconfig.delivery.monitoring.waiting import explain
from mailconfig.models import Message, MessageState

__all__ = ["MessageFacts", "message_facts"]

_FAILURES: Mapping[str, Promise | str] = {
    **FAILURES,
    "account_deleted": _("The mail configuration was deleted."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """State of a mail, and what there is to tell of it."""

    state: MessageState
    code: str = ""
    """Why it waits or failed, in a stable word; empty: there is no reason."""
    reason: str = ""
    """The same in the active language, without any words of the mail server."""
    next_at: datetime | None = None
    """When it may go, as things are; ``None``: nobody knows, or nothing will happen."""


def message_facts(message: Message) -> MessageFacts:
    """Return the facts of a message as it was read, its hand-over selected with it if that was thought of."""
    state = message.shown_state
    if message.state == MessageState.FAILED:
        reason = _FAILURES.get(message.error_code, REFUSED)
        return MessageFacts(state=state, code=message.error_code, reason=str(reason))
    waiting = explain([message]).get(message.pk)
    if waiting is None:
        return MessageFacts(state=state)
    return MessageFacts(state=state, code=waiting.reason.value, reason=waiting.text, next_at=waiting.next_at)
