"""The trail in the log: a line for each outcome, and for each account that stops or goes on.

INFO tells what goes as it should or will be tried again, WARNING what somebody has to see to: a pause, held mail, mail
that failed. Each record has all of :data:`FIELDS` as attributes, so that a formatter may name any of them; they are
described in ``docs/operations.md`` and do not change. Accounts and mails are named by number. The server's words are
told without the addresses in them, unless ``LOG_ADDRESSES`` allows those.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.dispatch import receiver

from mailconfig import signals
from mailconfig.conf import get_settings
from mailconfig.models import PAUSES, Message, MessageState, WaitReason
from mailconfig.values import Answer

logger = logging.getLogger("mailconfig.trail")

FIELDS = (
    "event",
    "account_id",
    "purpose",
    "message_id",
    "attempt_id",
    "state",
    "outcome",
    "stage",
    "reply_code",
    "enhanced_code",
    "error_code",
    "reason",
    "until",
    "recipients",
    "late",
    "words",
    "addresses",
)
GRAVE = frozenset({MessageState.FAILED, MessageState.HELD, MessageState.PARTIAL})
"""A mail that comes to such a state is a warning."""
MOST_ADDRESSES = 20
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'=]+@[^\s<>()\[\],;:\"']+")


def is_logged(state: MessageState | str) -> bool:
    """Return whether anybody wants to read of a mail that came to this state."""
    return logger.isEnabledFor(_level(state))


def settled(
    values: Mapping[str, object],
    *,
    state: MessageState | str,
    reply: Answer | None,
    addresses: Sequence[str],
) -> None:
    """Tell what came of a turn, once that is committed.

    Args:
        values: of :data:`FIELDS`, besides those that follow.
        state: the message's, from now on; ``""``: the outcome changed nothing of it.
        addresses: the recipients.
    """
    fields = {**values, "event": "outcome", "state": str(state), **_said(reply)}
    _after_commit(_level(state), fields, addresses)


def moved(
    event: str,
    message_id: int,
    state: MessageState,
    *,
    error_code: str = "",
    reason: str = "",
    words: str = "",
    reply: Answer | None = None,
) -> None:
    """Tell that a message came to another state without a drain's turn, once that is committed.

    Args:
        event: ``hold``, ``release``, ``requeue`` or ``cancel`` by hand, ``test_mail``; by ourselves ``reap``,
            ``prepare``, ``internal_error``, ``suppressed`` and ``unresolved``.
    """
    if not is_logged(state):
        return
    account_id = Message.objects.filter(pk=message_id).values_list("account_id", flat=True).first()
    values = {
        "event": event,
        "account_id": account_id,
        "message_id": message_id,
        "state": str(state),
        "error_code": error_code,
        "reason": reason,
        "words": words,
        **_said(reply),
    }
    _after_commit(_level(state), values)


def waits(
    account_id: int,
    *,
    purpose: str,
    reason: WaitReason,
    newly: bool,
    until: datetime | None = None,
    error_code: str = "",
    words: str = "",
) -> None:
    """Tell that an account waits, with sending or with being synced. What only goes on, with nothing tried in between, was told before."""
    pauses = reason in PAUSES
    level = logging.WARNING if pauses and newly else logging.INFO
    if not (newly or error_code) or not logger.isEnabledFor(level):
        return
    values = {
        "event": "pause" if pauses else "wait",
        "account_id": account_id,
        "purpose": str(purpose),
        "reason": str(reason),
        "until": until,
        "error_code": error_code,
        "words": words,
    }
    _after_commit(level, values)


def goes_on(account_id: int, *, purpose: str) -> None:
    """Tell that nothing holds an account back any more, from sending or from being synced."""
    if logger.isEnabledFor(logging.INFO):
        values = {"event": "resume", "account_id": account_id, "purpose": str(purpose)}
        _after_commit(logging.INFO, values)


@receiver(signals.account_resumed, dispatch_uid="mailconfig-trail")
def _on_resumed(*, account_id: int, purpose: str, **kwargs: object) -> None:
    """A pause ends by an edit, too, of which delivery hears by this signal."""
    goes_on(account_id, purpose=purpose)


def _level(state: MessageState | str) -> int:
    return logging.WARNING if state in GRAVE else logging.INFO


def _said(reply: Answer | None) -> dict[str, object]:
    if reply is None:
        return {}
    return {
        "reply_code": reply.code if reply.code > 0 else None,
        "enhanced_code": reply.enhanced,
        "words": reply.text,
    }


def _after_commit(level: int, values: Mapping[str, object], addresses: Sequence[str] = ()) -> None:
    fields: dict[str, object] = {**dict.fromkeys(FIELDS), **values}
    words = " ".join(str(values.get("words") or "").split())
    if get_settings().log_addresses:
        fields["addresses"] = list(addresses[:MOST_ADDRESSES])
    else:
        words = _ADDRESS.sub("***", words)
    fields["words"] = words
    text = _sentence(fields)
    transaction.on_commit(lambda: logger.log(level, "%s", text, extra=fields), robust=True)


def _sentence(fields: dict[str, object]) -> str:
    """The line for a person: who, what, how it came to that, until when, and what the server said."""
    who = f"account {fields['account_id']}"
    if fields["message_id"] is not None:
        who += f", message {fields['message_id']}"
    event = str(fields["event"])
    what = [event if event != "outcome" else str(fields["outcome"])]
    what += [f"now {fields['state']}"] if fields["state"] else []
    names = ("reason", "error_code", "stage", "reply_code", "enhanced_code")
    what += [f"{name} {fields[name]}" for name in names if fields[name]]
    if isinstance(until := fields["until"], datetime):
        what.append(f"until {until.isoformat(sep=' ', timespec='seconds')}")
    what += ["late"] if fields["late"] else []
    line = f"{who}: {', '.join(what)}"
    if fields["addresses"]:
        line += f"; to {', '.join(map(str, fields['addresses']))}"  # type: ignore[call-overload]
    return f"{line}; {fields['words']}" if fields["words"] else line
