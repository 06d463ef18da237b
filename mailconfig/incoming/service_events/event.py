"""An event as a service reports it, in words that are the same for all services."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from mailconfig.incoming.addresses import LONGEST, normalised
from mailconfig.incoming.charsets import one_line
from mailconfig.incoming.message_ids import fitting
from mailconfig.incoming.reports import is_about_address
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import CARRIED_ID, MailEvent

_MOST_WORDS: Final = 4_000
_FIRST_YEAR: Final = 1970
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """Something that happened to a message at one recipient."""

    kind: MailEvent
    key: str
    """SHA-256, in hex, of what tells it from others of the service."""
    uuid: uuid.UUID | None
    """Of the message, if the service carried it along."""
    message_id: str
    """Of the message, with angle brackets; empty: the service does not say, or has another one."""
    address: str
    """Normalised; empty: the service does not say which recipient it was."""
    at: datetime | None
    """``None``: the service does not say, or nothing of sense."""
    is_permanent: bool = False
    """Of one that did not arrive: this message never will."""
    is_about_address: bool = False
    """Of one that did not arrive: neither would another message there."""
    means: MailEvent | None = None
    """Of one that was dropped: what the recipient had said before, for which the service dropped it."""
    enhanced_code: str = ""
    text: str = ""
    """The words of the server or the service, cleaned and cut."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An event's meaning if the message did not arrive."""

    is_permanent: bool = False
    is_about_address: bool = False
    means: MailEvent | None = None


def make_event(
    kind: MailEvent,
    *,
    service: str,
    event_id: object,
    names: Mapping[str, Any],
    message_id: object,
    address: object,
    at: object,
    code: object = "",
    words: object = "",
    failure: Failure | None = None,
    whole: object = None,
) -> ServiceEvent:
    """Return an event made of what a service says, none of which need be of the right type.

    Args:
        kind: what happened.
        service: its name; two services may have the same ids.
        event_id: by which the service knows it, the same when it reports it again; if there is none, ``whole`` tells.
        names: what the service carried along with the message.
        message_id: perhaps without angle brackets.
        address: of the recipient.
        at: a moment, or seconds since 1970.
        code: RFC 3463; if it is none, one is looked for in the words.
        words: of a server or the service.
        failure: what it means if the message did not arrive.
        whole: all that the service says of it.

    Raises:
        ValueError: it says neither of which message it speaks nor what tells it from others, or what it says cannot be stored.
    """
    text = one_line(words[:_MOST_WORDS]) if isinstance(words, str) else ""
    said = code if isinstance(code, str) else ""
    found = _ENHANCED.fullmatch(said) or _ENHANCED.search(text)
    failure = failure or Failure()
    carried = names.get(CARRIED_ID)
    own = _uuid(carried)
    # What we sent along counts before what the service says, which may have written an id of its own.
    name = (_message_id(carried) if own is None and _is_message_id(carried) else "") or _message_id(
        message_id
    )
    if own is None and not name:
        raise ValueError("no message")
    enhanced = found[1] if found else ""
    return ServiceEvent(
        kind=kind,
        key=_key(service, kind, event_id, whole),
        uuid=own,
        message_id=name,
        address=_address(address),
        at=_moment(at),
        is_permanent=failure.is_permanent,
        is_about_address=failure.is_about_address and is_about_address(enhanced),
        means=failure.means,
        enhanced_code=enhanced[:16],
        text=Scrubber().clean(text),
    )


def _key(service: str, kind: MailEvent, event_id: object, whole: object) -> str:
    if isinstance(event_id, str | int) and event_id != "" and not isinstance(event_id, bool):
        said = f"{event_id}"
    elif whole is None:
        raise ValueError("nothing tells this event from others")
    else:
        said = json.dumps(whole, sort_keys=True)
    return hashlib.sha256(f"{service}\x1f{kind}\x1f{said}".encode("utf-8", "surrogatepass")).hexdigest()


def _uuid(value: object) -> uuid.UUID | None:
    text = value.lower() if isinstance(value, str) else ""
    return uuid.UUID(text) if _UUID.fullmatch(text) else None


def _is_message_id(value: object) -> bool:
    return isinstance(value, str) and value.startswith("<") and value.endswith(">")


def _message_id(value: object) -> str:
    if not isinstance(value, str) or not value.strip("<> "):
        return ""
    if _UNSTORABLE.search(value):
        raise ValueError("an id with a character that cannot be stored")
    return fitting(f"<{value.strip('<> ')}>")


def _address(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > LONGEST or _UNSTORABLE.search(value):
        raise ValueError("no address")
    return normalised(value)


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    else:
        try:
            moment = datetime.fromtimestamp(value, tz=UTC)
        except (ValueError, OverflowError, OSError):
            return None
    # Of the first and the last day there are no words in other places' time.
    return moment if moment.year >= _FIRST_YEAR else None
