"""URLs that tokens stand for: resolved when the file is fetched, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from mailconfig.conf import get_settings
from mailconfig.delivery.preparing.fetching import Fetched, FetchFailed
from mailconfig.delivery.queue.resolving import resolve_in_time
from mailconfig.delivery.queue.tokens import is_token
from mailconfig.exceptions import ResolverAway, TokenInvalid
from mailconfig.models import Attachment, AttachmentProblem, Tenant

_OF_URL = frozenset({AttachmentProblem.URL, AttachmentProblem.REDIRECTS})


def fetch_from(attachment: Attachment, fetch: Callable[[str], Fetched]) -> Fetched:
    """Fetch a file from its URL, or from the one that its token stands for.

    Of a token's URL nothing is told: neither what exactly went wrong there, nor the name that the file has by it.

    Raises:
        FetchFailed: it did not come.
    """
    if not is_token(attachment.url):
        return fetch(attachment.url)
    url = _resolved(attachment.url, attachment.message.tenant)
    try:
        found = fetch(url)
    except FetchFailed as error:
        problem = AttachmentProblem.TOKEN_INVALID if error.problem in _OF_URL else error.problem
        temporary, after = error.temporary, error.retry_after
    else:
        return replace(found, name=f"attachment{PurePosixPath(found.name).suffix}")
    raise FetchFailed(problem, temporary=temporary, retry_after=after)


def _resolved(token: str, tenant: Tenant | None) -> str:
    slug = "" if tenant is None else tenant.slug
    try:
        return resolve_in_time(slug, (token,), seconds=get_settings().pii_resolver_seconds)[token]
    except ResolverAway:
        raise FetchFailed(AttachmentProblem.UNRESOLVED, temporary=True) from None
    except TokenInvalid as error:
        raise FetchFailed(AttachmentProblem(error.code)) from None
