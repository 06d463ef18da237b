"""Answers of mail services: what their words are, and what follows from them for a mail, its recipients or the account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from mailconfig.mail_services import Refusal
from mailconfig.transports.contract import Judgement, Matter, Verdict
from mailconfig.transports.http import HttpAnswer, HttpHeaders
from mailconfig.values import Answer

MOST_WORDS = 4096
LONGEST_REST = 24 * 3600.0
"""Seconds: who asks for more is left alone for so long, and asked again then."""
_WORDS = frozenset(
    {"message", "error", "errors", "detail", "description", "title", "name", "ErrorMessage", "Message"}
)
SENDER = "The service does not let this account send from this address."
KEY = "The API key was refused: it may be revoked, or may not send."
_CODES = frozenset({"code", "ErrorCode", "field", "name", "message"})
_LISTS = frozenset({"errors", "Errors", "Messages"})
"""Fields that hold refusals, one below the other at Mailjet."""
_NAMES = frozenset({"field", "argument_name"})
"""Fields that name a part of the request, at SendGrid and at Scaleway."""
_RECIPIENT = re.compile(r"(?:personalizations\.0\.)?(to|cc|bcc)[.\[](\d{1,4})\]?(?:\.email)?", re.IGNORECASE)


def words_of(body: bytes) -> str:
    """Return what an answer says, as text that nobody cleaned: the sentences of its JSON, else its beginning."""
    text = body.decode("utf-8", "replace")
    try:
        found = list(_sentences(json.loads(text)))
    except (ValueError, RecursionError):
        found = []
    return "; ".join(dict.fromkeys(found))[:MOST_WORDS] or text[:MOST_WORDS]


def _sentences(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _sentences(one) if not isinstance(one, str) else [one]
    elif isinstance(value, dict):
        for name, one in value.items():
            if isinstance(one, str) and name in _WORDS:
                yield one
            elif isinstance(one, list | dict):
                yield from _sentences(one)


def codes_of(answer: HttpAnswer) -> frozenset[str]:
    """Return the codes in a refusal, each as the status, a blank and the code.

    They are whole values of the fields that services have for them, names of refused fields among them, and whole
    messages, for SendGrid says by nothing else that there are no credits left. What is quoted inside a sentence is none.
    """
    try:
        body = json.loads(answer.body)
        errors = body.get("errors") if isinstance(body, dict) else None
        found = {*_codes(body), *(errors if isinstance(errors, dict) else ())}
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(f"{answer.status} {code}" for code in found)


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _codes(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in _CODES and isinstance(one, str | int):
                yield str(one)
            elif name in _LISTS:
                yield from _codes(one)


def named_recipients(answer: HttpAnswer) -> tuple[tuple[str, int], ...]:
    """Return the recipients that are all that a refusal is about, each as ``to``, ``cc`` or ``bcc`` and its place there.

    The others of the mail are none of its matter, and got nothing. Empty: it is about something else, too, or says nothing.
    """
    try:
        parts = tuple(_parts(json.loads(answer.body)))
    except (ValueError, RecursionError):
        return ()
    found = [_RECIPIENT.fullmatch(part) for part in parts]
    return tuple((match[1].lower(), int(match[2])) for match in found if match) if all(found) else ()


def _parts(value: Any) -> Iterator[str]:
    """Yield the parts of the request that a refusal names, in the words of the service."""
    if isinstance(value, list):
        for one in value:
            yield from _parts(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "errors" and isinstance(one, dict):  # MailerSend
                yield from one
            elif name == "ErrorRelatedTo" and isinstance(one, list):  # Mailjet
                yield from (str(each) for each in one)
            elif name in _NAMES and isinstance(one, str):
                yield one
            elif isinstance(one, list | dict):
                yield from _parts(one)


def refused_by_address(answer: HttpAnswer, field: str) -> dict[str, str]:
    """Return the reasons of those who get nothing, by their addresses as the service writes them.

    Args:
        answer: the service's.
        field: that has them; empty: none has.
    """
    try:
        found = json.loads(answer.body).get(field) if field else None
    except (ValueError, RecursionError, AttributeError):
        return {}
    if not isinstance(found, dict):
        return {}
    # "duplicate" stands there of who is named twice, and gets it once.
    return {address: why for address, why in found.items() if isinstance(why, str) and why != "duplicate"}


def judged(answer: HttpAnswer, words: str, codes: Mapping[str, Refusal]) -> Judgement:
    """Return what a status means that is not 2xx (RFC 9110 §15), after what the service's codes say.

    One that leaves the mail in doubt is for the caller: see :func:`mailconfig.transports.http.statuses.leaves_in_doubt`.

    Args:
        answer: the service's.
        words: its words, cleaned.
        codes: those of the service.
    """
    said = Answer(answer.status, words)
    match next((codes[code] for code in sorted(codes_of(answer)) if code in codes), None):
        case Refusal.LIMIT:
            return _limit(answer, said)
        case Refusal.KEY:
            return Judgement(Verdict.ACCOUNT_REFUSED, said, matter=Matter.LOGIN, hint=KEY)
        case Refusal.SENDER:
            return Judgement(Verdict.SENDER_REFUSED, said, matter=Matter.SENDER, hint=SENDER)
        case Refusal.MESSAGE:
            return Judgement(Verdict.FAIL, said)
        case Refusal.AGAIN | Refusal.DOUBT:
            return Judgement(Verdict.RETRY, said, temporary=True)
    match answer.status:
        case 420 | 429:  # SparkPost says 420 for the one, and 429 for too many at once
            return _limit(answer, said)
        case 401 | 402 | 403:
            return Judgement(Verdict.ACCOUNT_REFUSED, said, matter=Matter.LOGIN, hint=KEY)
        case 404 | 405 | 410:
            return Judgement(Verdict.ACCOUNT_REFUSED, said)
        case 408 | 409 | 423 | 425:
            return Judgement(Verdict.RETRY, said, temporary=True)
        case status if 400 <= status < 500:
            return Judgement(Verdict.FAIL, said)
        case status if status >= 500:
            return Judgement(Verdict.RETRY, said, temporary=True)
        case _:
            return Judgement(Verdict.PROTOCOL, said)


def _limit(answer: HttpAnswer, said: Answer) -> Judgement:
    rest = rest_seconds(answer.headers)
    return Judgement(Verdict.SERVER_LIMIT, said, temporary=True, rest_seconds=rest)


def rest_seconds(headers: HttpHeaders) -> float | None:
    """Return for how long the service wants to be left alone; ``None``: it does not say.

    ``Retry-After`` (RFC 9110 §10.2.3), else the moment in ``X-RateLimit-Reset``, where SendGrid and others write it, as
    seconds since 1970 or from now on.
    """
    text = headers.get("retry-after").strip()
    seconds: float | None = None
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            seconds = None
    if seconds is None:
        reset = headers.get("x-ratelimit-reset").strip()
        if not (reset.isascii() and reset.isdigit()):
            return None
        seconds = float(reset[:12])
        seconds -= time() if seconds > 10 * 365 * 86400 else 0
    return min(max(seconds, 1.0), LONGEST_REST)
