"""URLs of files to be attached: what is refused before anything is queued or connected."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailconfig.conf import get_settings
from mailconfig.delivery.queue.tokens import is_token
from mailconfig.exceptions import HostNotAllowed, InvalidAttachment
from mailconfig.http_urls import HttpUrl, InvalidUrl, UrlFault, check_url
from mailconfig.transports.network.gate import vet_host

MOST_FILES = 10
MOST_BYTES = 10 * 1024 * 1024
"""Of one file."""
MOST_BYTES_TOGETHER = 20 * 1024 * 1024


def check_file_url(text: str, *, plain_http: bool, hosts: Collection[str]) -> HttpUrl:
    """Return the parts of a URL that a file may be fetched from, as far as its text tells.

    Args:
        text: the URL.
        plain_http: whether ``http`` is allowed.
        hosts: the only ones that are allowed; empty: any that the gate takes.

    Raises:
        InvalidUrl: it is none, or its host is not one of those.
    """
    url = check_url(text, plain_http=plain_http, listed=hosts)
    require_host(url, hosts)
    return url


def require_host(url: HttpUrl, hosts: Collection[str]) -> None:
    """Return if the host is one of the only ones, or there are none.

    Raises:
        InvalidUrl: it is not.
    """
    if hosts and url.host not in hosts:
        raise InvalidUrl(UrlFault.HOST, "files are fetched from no such host here")


def check_attachments(urls: Sequence[str]) -> None:
    """Return if files may be fetched from all of these, as far as the texts tell. Nothing is looked up; a token may stay one.

    Raises:
        InvalidAttachment: one cannot be; ``position`` says which. The words do not repeat it.
    """
    if len(urls) > MOST_FILES:
        msg = f"at most {MOST_FILES} files can be attached"
        raise InvalidAttachment(msg)
    settings = get_settings()
    for position, text in enumerate(urls):
        if is_token(text):
            continue
        try:
            url = check_file_url(text, plain_http=settings.allow_plain_http, hosts=settings.attachment_hosts)
            vet_host(url.host, url.port, settings.attachment_policy())
        except (InvalidUrl, HostNotAllowed) as error:
            msg = f"the URL of the {position + 1}. file cannot be used: {error}"
            raise InvalidAttachment(msg, position=position) from None
