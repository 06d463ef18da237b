"""Rows of mail that came in, as far as a person may see them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from mailconfig.models import Message, SyncedMessage
from mailconfig.models.access import NOBODY, holds, within_reach

from .typed import user_of

SHOWN_ANSWERS = 50
NOT_SHOWN = ("secret", "imap_secret", "ews_secret", "sendgrid_secret", "signature", "sync_exclusions")
"""Columns of a mailbox that no list needs, and that cost or are long."""


def seen_by(request: HttpRequest) -> Q:
    """Return the condition for messages that this person may see, wherever they are listed."""
    user = user_of(request)
    return within_reach(SyncedMessage, user) if holds(user, "view_syncedmessage") else NOBODY


def without_secrets(rows: QuerySet[SyncedMessage]) -> QuerySet[SyncedMessage]:
    """Leave out what of the mailbox is not shown."""
    return rows.defer(*(f"mailbox__{column}" for column in NOT_SHOWN))


def answers_to(message: Message, request: HttpRequest) -> dict[str, Any]:
    """Return what came in of a mail that was sent, for its page: replies that this person may see, and bounces."""
    replies = message.replies.filter(seen_by(request)).order_by("pk")
    found = list(replies.defer("references", "to", "cc")[: SHOWN_ANSWERS + 1])
    return {
        "replies": found[:SHOWN_ANSWERS],
        "more_replies": len(found) > SHOWN_ANSWERS,
        "shown_replies": SHOWN_ANSWERS,
        "bounces": list(message.bounces.order_by("pk")[:SHOWN_ANSWERS]),
    }
