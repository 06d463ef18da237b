"""Fetching one file: redirects vetted one by one, and what comes taken for a file only if it is one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from mailconfig.delivery.preparing.file_names import (
    clean_name,
    is_html,
    name_in_path,
    says_html,
    type_of,
    with_ending,
)
from mailconfig.delivery.queue.file_urls import check_file_url, require_host
from mailconfig.exceptions import (
    AnswerEncoded,
    AnswerTooLarge,
    MailconfigError,
    TLSFailed,
    TransportError,
    UrlNotAllowed,
)
from mailconfig.http_urls import InvalidUrl, redirected
from mailconfig.models import AttachmentProblem
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpHeaders, HttpRequest, OpenAnswer, open_request
from mailconfig.transports.http.disposition import filename_of
from mailconfig.transports.masks import Mask, with_masks
from mailconfig.transports.network.deadline import Deadline
from mailconfig.values import ErrorCode

MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GIVEN = frozenset({200, 203})
_LOGIN = frozenset({401, 403, 407})
_GONE = frozenset({404, 410})
_FOR_NOW = frozenset({408, 425, 429})
_SNIFFED = 1024
_NO_NAME = "attachment"


class Sink(Protocol):
    """Takes the bytes of a file."""

    def write(self, data: bytes, /) -> object:
        """Take some more."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that came whole."""

    name: str
    content_type: str
    size: int


class FetchFailed(MailconfigError):
    """A file did not come.

    Attributes:
        problem: the reason: an :class:`AttachmentProblem`, or a code of what its token stands for.
        temporary: whether it may come later without anybody changing anything.
        retry_after: seconds for which the server wants to be left alone, where it says so.
        detail: what exactly it was, for staff.
    """

    def __init__(
        self,
        problem: str,
        *,
        temporary: bool = False,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.temporary = temporary
        self.retry_after = retry_after
        self.detail = detail


def fetch(
    text: str,
    sink: Sink,
    surroundings: Surroundings,
    *,
    deadline: Deadline,
    most_bytes: int,
    hosts: Collection[str] = (),
    is_secret: bool = False,
) -> Fetched:
    """Write the file at a URL into ``sink``, and tell what it is.

    Args:
        text: the URL; it is never logged, as it may hold a secret.
        sink: takes the bytes as they come.
        surroundings: where requests may go.
        deadline: over all of it, redirects included.
        most_bytes: the largest file that is taken.
        hosts: the only ones that are allowed, if there are any; holds for each redirect.
        is_secret: a token stands for the URL, so nothing of it gives the file its name.

    Raises:
        FetchFailed: no file came, or what came is none. Something may be in ``sink``.
    """
    plain_http = surroundings.policy.allow_plain_http
    problem = AttachmentProblem.URL
    try:
        first = url = check_file_url(text, plain_http=plain_http, hosts=hosts)
        for _ in range(MOST_REDIRECTS + 1):
            request = HttpRequest(url=str(url))
            with open_request(request, surroundings, most_bytes=most_bytes, deadline=deadline) as answer:
                if answer.status not in _REDIRECTS:
                    return _taken(answer, sink, name_in_path(first.target), secret=text if is_secret else "")
                location = answer.headers.get("location")
            problem = AttachmentProblem.REDIRECTS
            url = redirected(url, location, plain_http=plain_http, listed=hosts)
            require_host(url, hosts)
        raise FetchFailed(problem, detail=f"more than {MOST_REDIRECTS} redirects")
    except (InvalidUrl, UrlNotAllowed) as error:
        raise FetchFailed(problem, detail=str(error)) from None
    except TransportError as error:
        raise _failed(error) from None


def _taken(answer: OpenAnswer, sink: Sink, in_path: str, *, secret: str) -> Fetched:
    """Write the body into the sink.

    Args:
        answer: as far as its body.
        sink: takes it.
        in_path: the name that the URL had which was asked for.
        secret: all of that URL, if nothing of it may be told.

    Raises:
        FetchFailed: there is none, or it is not the file.
        TransportError: it does not come whole.
    """
    if answer.status not in _GIVEN:
        raise _refused(answer.status, answer.headers)
    declared = answer.headers.get("content-type")
    offered = clean_name(filename_of(answer.headers.get_all("content-disposition")))
    wants_html = says_html(offered) or says_html(in_path)
    size, beginning = 0, b""
    for chunk in answer.chunks():
        if len(beginning) < _SNIFFED:
            beginning = (beginning + chunk)[:_SNIFFED]
            if not wants_html and is_html(declared, beginning):
                raise FetchFailed(AttachmentProblem.WEB_PAGE)
        sink.write(chunk)
        size += len(chunk)
    if not size:
        raise FetchFailed(AttachmentProblem.EMPTY)
    if secret and with_masks(offered, [Mask(unquote(secret), "")]) != offered:
        offered = ""  # servers mostly offer what the URL ends with
    name = offered or ("" if secret else in_path) or _NO_NAME
    content_type = type_of(name, declared)
    return Fetched(with_ending(name, content_type), content_type, size)


def _refused(status: int, headers: HttpHeaders) -> FetchFailed:
    detail = f"HTTP {status}"
    if status in _FOR_NOW or status >= 500:
        return FetchFailed(
            AttachmentProblem.AWAY, temporary=True, retry_after=_retry_after(headers), detail=detail
        )
    if status in _LOGIN:
        return FetchFailed(AttachmentProblem.REFUSED, detail=detail)
    if status in _GONE:
        return FetchFailed(AttachmentProblem.NOT_FOUND, detail=detail)
    if status in {204, 205}:
        return FetchFailed(AttachmentProblem.EMPTY, detail=detail)
    return FetchFailed(AttachmentProblem.STATUS, detail=detail)


def _retry_after(headers: HttpHeaders) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 §10.2.3); its other form, a date, goes by a clock that is not ours."""
    value = headers.get("retry-after").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,7}", value) else None


def _failed(error: TransportError) -> FetchFailed:
    detail = ": ".join(part for part in (str(error), error.detail) if part)
    if isinstance(error, AnswerTooLarge):
        return FetchFailed(AttachmentProblem.TOO_LARGE, detail=detail)
    if isinstance(error, AnswerEncoded):
        return FetchFailed(AttachmentProblem.ENCODED, detail=detail)
    if not error.temporary:
        is_tls = isinstance(error, TLSFailed)
        return FetchFailed(AttachmentProblem.TLS if is_tls else AttachmentProblem.UNREACHABLE, detail=detail)
    is_slow = error.code is ErrorCode.TIMEOUT
    return FetchFailed(
        AttachmentProblem.SLOW if is_slow else AttachmentProblem.AWAY, temporary=True, detail=detail
    )
