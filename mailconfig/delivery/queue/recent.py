"""The last attempts of an account, where one refusal by itself does not say whose fault it is."""

from __future__ import annotations

import re

from django.db.models import QuerySet

from mailconfig.delivery.queue.faults import is_of_closed_recipient
from mailconfig.delivery.queue.quotas import plain_words
from mailconfig.models import Attempt, AttemptOutcome, Recipient
from mailconfig.values import Reply, Stage

_OF_RECIPIENT = re.compile(r"5\.(?:1\.(?:[0-6]|10)|2\.\d+|4\.1)")
"""An address or a mailbox (RFC 3463 §3.2 and §3.3); 5.4.1 is what Exchange Online says of one that it does not have."""
_RECIPIENT_WORDS = re.compile(
    r"\b(?:user|users|mailbox(?:es)?|inbox|alias|nobody|unrout(?:e)?able|undeliverable|no such|(?:un|not )known"
    r"|does not exist|(?:invalid|unknown|bad|no) (?:recipient|address|account|person)"
    r"|recipient (?:\w+ )?(?:unknown|invalid|not found)"
    r"|address (?:\w+ )?(?:unknown|invalid|not found)|account (?:\w+ ){0,3}(?:disabled|inactive|suspended|closed))\b"
)
_PARTICULAR = re.compile(r"<[^>]*>|\S*@\S*|\[[^\]]*\]|\S*\d\S*")
"""What differs in the words of the same refusal: addresses, names of hosts with numbers, ids."""


def is_about_recipient(reply: Reply) -> bool:
    """Whether a refusal of RCPT is about that recipient, by its code or its words."""
    return (
        bool(_OF_RECIPIENT.fullmatch(reply.enhanced))
        or bool(_RECIPIENT_WORDS.search(plain_words(reply.text)))
        or is_of_closed_recipient(reply)
    )


def gist(reply: Reply) -> tuple[int, str, str]:
    """The part of a reply that is the same when the same refusal meets another recipient."""
    return reply.code, reply.enhanced, plain_words(_PARTICULAR.sub(" ", reply.text))


def all_refused_alike(account_id: int, *, count: int) -> bool:
    """Whether the last ``count`` messages that were not just put off were refused at RCPT, all in the same words.

    They must have been for different recipients: three mails to one address say something about that address.
    """
    outcomes = [AttemptOutcome.SENT, AttemptOutcome.PARTIAL, AttemptOutcome.REFUSED]
    rows = list(_ended(account_id).filter(outcome__in=outcomes)[:count])
    refused = [row for row in rows if (row.outcome, row.stage) == (AttemptOutcome.REFUSED, Stage.RECIPIENT)]
    if len(refused) < count:
        return False
    gists = {gist(Reply(row.reply_code or 0, row.reply_text, row.enhanced_code)) for row in refused}
    if len(gists) > 1:
        return False
    messages = {row.message_id for row in refused if row.message_id is not None}
    addresses = Recipient.objects.filter(message_id__in=messages).values("address").distinct()
    return len(messages) == count and addresses.count() >= count


def was_last(account_id: int, *, message_id: int) -> bool:
    """Whether the account's last attempt that ended was this message's."""
    return _ended(account_id).values_list("message_id", flat=True).first() == message_id


def _ended(account_id: int) -> QuerySet[Attempt]:
    ended = Attempt.objects.filter(account_id=account_id, ended_at__isnull=False)
    return ended.order_by("-ended_at", "-pk")
