"""The last attempts of an account, where one refusal by itself does not say whose fault it is."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from mailconfig.models import Attempt, AttemptOutcome, Recipient
from mailconfig.transports.words import gist
from mailconfig.values import Answer, Stage


def all_refused_alike(account_id: int, *, count: int, since: datetime | None = None) -> bool:
    """Return whether the last ``count`` messages that were not just put off were refused at RCPT, all in the same words.

    They must have been for different recipients: three mails to one address say something about that address. And all of
    them later than ``since``.
    """
    outcomes = [AttemptOutcome.SENT, AttemptOutcome.PARTIAL, AttemptOutcome.REFUSED]
    rows = list(_ended(account_id).filter(outcome__in=outcomes)[:count])
    refused = [row for row in rows if (row.outcome, row.stage) == (AttemptOutcome.REFUSED, Stage.RECIPIENT)]
    if since is not None:
        refused = [row for row in refused if row.ended_at > since]
    if len(refused) < count:
        return False
    gists = {gist(Answer(row.reply_code or 0, row.reply_text, row.enhanced_code)) for row in refused}
    if len(gists) > 1:
        return False
    messages = {row.message_id for row in refused if row.message_id is not None}
    addresses = Recipient.objects.filter(message_id__in=messages).values("address").distinct()
    return len(messages) == count and addresses.count() >= count


def was_last(account_id: int, *, message_id: int) -> bool:
    """Return whether the account's last attempt that ended was this message's."""
    return _ended(account_id).values_list("message_id", flat=True).first() == message_id


def _ended(account_id: int) -> QuerySet[Attempt]:
    ended = Attempt.objects.filter(account_id=account_id, ended_at__isnull=False)
    return ended.order_by("-ended_at", "-pk")
