"""Ties between mail that came in and mail that was sent: answers, and reports of what did not arrive."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from django.db.models import Q

from mailconfig.delivery.queue.tokens import is_token
from mailconfig.delivery.sync.batch import Found
from mailconfig.incoming.addresses import normalised
from mailconfig.incoming.reports import Report
from mailconfig.models import Message, Recipient
from mailconfig.transports.scrubber import Scrubber

_OWN_ID = re.compile(r"<([0-9a-f]{32})@[^<>@]+>")
"""The form of most Message-IDs of ours: see :attr:`mailconfig.models.Message.message_id`."""


@dataclass(frozen=True, slots=True)
class Return:
    """A recipient that a message of the account is reported not to have reached."""

    message_id: int
    address: str
    """As the message had it."""
    report: Report
    uid: int
    """Of the message that reports it."""
    is_private: bool = False
    """The message had a token there, and the report has what that stands for: nothing of its text may be kept."""


@dataclass(frozen=True, slots=True)
class Ties:
    """Ties of one batch.

    Attributes:
        answers: primary keys of messages that were answered, by the UIDs of the answers.
        returns: what was reported.
    """

    answers: Mapping[int, int]
    returns: tuple[Return, ...]


def find_ties(account_id: int, found: Collection[Found]) -> Ties:
    """Find what these messages answer, and what they report, among what the account itself has sent.

    It takes one query for all, if they refer to anything, and one more if there are reports of our mail.
    """
    named = {
        name for message in found for name in (message.head.in_reply_to, *message.head.references) if name
    }
    reported = {
        name for message in found for report in message.reports for name in report.original_message_ids
    }
    sent = _sent(account_id, named | reported)
    answers = {}
    for message in found:
        # What it answers stands last among its references.
        names = (message.head.in_reply_to, *reversed(message.head.references))
        answered = next((sent[name] for name in names if name in sent), None)
        if answered is not None:
            answers[message.raw.uid] = answered
    return Ties(answers, _returns(found, {name: sent[name] for name in reported if name in sent}))


def _sent(account_id: int, names: Collection[str]) -> dict[str, int]:
    """Return the messages of the account by their Message-IDs."""
    if not names:
        return {}
    uuids = [uuid.UUID(own[1]) for name in names if (own := _OWN_ID.fullmatch(name))]
    # Answers come to the account that a mail was queued for; reports that it came back to the one that sent it.
    rows = Message.objects.filter(
        Q(uuid__in=uuids) | Q(given_message_id__in=list(names)),
        Q(account_id=account_id) | Q(failed_over_from_id=account_id),
    )
    messages = rows.only("pk", "uuid", "envelope_from", "given_message_id").order_by("pk")
    return {message.message_id: message.pk for message in messages if message.message_id in names}


def _returns(found: Iterable[Found], sent: Mapping[str, int]) -> tuple[Return, ...]:
    if not sent:
        return ()
    recipients: dict[tuple[int, str], str] = {}
    tokens: dict[int, str] = {}
    """Of messages that went to one: whom it stands for is known nowhere, but such a message has one recipient."""
    rows = Recipient.objects.filter(message_id__in=set(sent.values()))
    for message_id, address, has_tokens in rows.values_list("message_id", "address", "message__has_tokens"):
        recipients[message_id, normalised(address)] = address
        if has_tokens and is_token(address):
            tokens[message_id] = address
    returns = []
    for message in found:
        for report in message.reports:
            message_id = next((sent[name] for name in report.original_message_ids if name in sent), 0)
            if token := tokens.get(message_id, ""):
                returns.append(
                    Return(message_id, token, _masked(report, token), message.raw.uid, is_private=True)
                )
                continue
            for spelling in (normalised(report.address), normalised(report.tried_address)):
                if (message_id, spelling) in recipients:
                    address = recipients[message_id, spelling]
                    returns.append(Return(message_id, address, report, message.raw.uid))
                    break
    return tuple(returns)


def _masked(report: Report, token: str) -> Report:
    """Return the report with the token for the address that it names."""
    scrubber = Scrubber()
    scrubber.mask((address, token) for address in {report.address, report.tried_address})
    return replace(report, address=token, tried_address=token, text=scrubber.clean(report.text))
