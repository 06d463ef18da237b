"""Log records that Django mails to the administrators: whatever state the request is in, they get out or are logged.

They come in the middle of whatever went wrong: in a transaction that is broken or about to be rolled back, with odd
characters from a hostile request in them, while the database is away. An exception from here would turn a request
that had an answer into an error, or take the error's own page away.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from django.core.mail import EmailAlternative, EmailMessage, EmailMultiAlternatives
from django.db import connection, connections
from django.middleware.common import BrokenLinkEmailsMiddleware
from django.utils.log import AdminEmailHandler

from mailconfig.delivery.queue.routing import sending_for
from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import parse_address

logger = logging.getLogger("mailconfig.backend")

PATIENCE = 10.0
"""Seconds that a request waits for a connection of its report's own; what comes later is queued all the same."""

_SENDERS: frozenset[Any] = frozenset(
    {AdminEmailHandler.emit.__code__, BrokenLinkEmailsMiddleware.process_response.__code__}
)
_BREAKS = re.compile(r"[\r\n]+")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_under_way: contextvars.ContextVar[bool] = contextvars.ContextVar("mailconfig_report", default=False)


def is_report() -> bool:
    """Return whether Django's logging, or its middleware for broken links, is mailing just now.

    Nothing in the mail says so, and from Django 6.1 on, with ``MAILERS``, the backend is not asked to fail silently
    either. So the callers are looked at.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _SENDERS:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def enqueue_report(
    messages: Sequence[EmailMessage], *, enqueue: Callable[[Sequence[EmailMessage]], int]
) -> int:
    """Queue what Django mails of a log record; whatever goes wrong is logged, with what was logged before.

    Args:
        messages: with recipients.
        enqueue: queues them for the project's accounts, and returns how many it queued.

    Returns:
        How many were queued; 0 where a report is under way already, or none could be queued.
    """
    with _once() as is_first, sending_for(None):  # a traceback is none of a tenant's business
        if not is_first:
            return 0
        try:
            readable = [_readable(message) for message in messages]
            if _needs_own_connection():
                return _on_own_connection(lambda: enqueue(readable))
            return enqueue(readable)
        except Exception:
            subjects = ", ".join(ascii(str(message.subject)[:200]) for message in messages)
            logger.exception("a report to the administrators could not be queued: %s", subjects)
            return 0


@contextlib.contextmanager
def _once() -> Iterator[bool]:
    """Yield whether no report is under way already: what goes wrong with one is logged, and would make the next."""
    if _under_way.get():
        yield False
        return
    token = _under_way.set(True)
    try:
        yield True
    finally:
        _under_way.reset(token)


def _readable(message: EmailMessage) -> EmailMessage:
    """The report with whatever can be sent of it: odd characters replaced, addresses that are none left out."""
    mended = copy.copy(message)
    mended.subject = _UNREADABLE.sub("\ufffd", _BREAKS.sub(" ", str(message.subject)))
    mended.body = _escaped(message.body)
    if isinstance(mended, EmailMultiAlternatives) and isinstance(message, EmailMultiAlternatives):
        mended.alternatives = [
            EmailAlternative(_escaped(content), mimetype) for content, mimetype in message.alternatives
        ]
    mended.to = [address for address in message.to if _is_address(address)]
    return mended


def _needs_own_connection() -> bool:
    """Return whether the caller's connection is of no use: its transaction may be rolled back, or it is an event loop's.

    SQLite has one writer, which may well be the caller's transaction; there a report is part of that.
    """
    if connection.vendor != "sqlite" and connection.in_atomic_block:
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _on_own_connection(work: Callable[[], int]) -> int:
    """Do ``work`` in a thread of its own, and so over a connection and a transaction of its own.

    Returns:
        What ``work`` returns.

    Raises:
        TimeoutError: it is not done after :data:`PATIENCE` seconds; it goes on.
        Exception: whatever ``work`` raises.
    """
    result: Future[int] = Future()

    def run() -> None:
        try:
            try:
                count = work()
            finally:
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            result.set_exception(error)
        else:
            result.set_result(count)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="mailconfig-report", daemon=True).start()
    return result.result(PATIENCE)


def _escaped(text: Any) -> Any:
    """A text without lone surrogates, each written as Python writes it."""
    if not isinstance(text, str) or not _UNREADABLE.search(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_address(address: object) -> bool:
    try:
        parse_address(address)
    except InvalidMessage:
        return False
    return True
