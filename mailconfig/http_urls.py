"""URLs that we connect to ourselves: what is one, in one function (RFC 3986, RFC 9110 §4.2).

Parsers differ in what they make of backslashes, blanks, control characters and names before an ``@``, and what one of
them vetted another connects to. Here such a text is no URL.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from .hostnames import check_host

MAX_URL = 2048

_PORTS = {"https": 443, "http": 80}
_SHAPE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_REST = re.compile(r"//([^/?#]*)(/[^?#]*)?(\?[^#]*)?(#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{1,5}))?")
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
"""Those of path and query, and the brackets that many write in a query."""


class UrlFault(enum.StrEnum):
    """Ways in which a text is no URL for us."""

    SYNTAX = "syntax"
    LENGTH = "length"
    SCHEME = "scheme"
    USERINFO = "userinfo"
    """A user name or password in it, which would be sent and logged, and hides what the host is."""
    FRAGMENT = "fragment"
    HOST = "host"
    PORT = "port"


class InvalidUrl(ValueError):
    """A text that is no URL for us; the words do not repeat it.

    Attributes:
        fault: the way in which it is none.
    """

    def __init__(self, fault: UrlFault, words: str) -> None:
        super().__init__(words)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUrl:
    """A URL in the parts that a request is made of."""

    scheme: str
    """``https``, or ``http`` where that is allowed."""
    host: str
    """As :func:`mailconfig.hostnames.check_host` has it: A-labels, or a literal without brackets."""
    port: int
    target: str
    """Path and query in ASCII, what the request's first line names; never empty."""

    @property
    def authority(self) -> str:
        """Return host and port as the Host field names them: without a port that is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def check_url(text: str, *, plain_http: bool = False, listed: Collection[str] = ()) -> HttpUrl:
    """Return the parts of an absolute URL that we may connect to, as far as its text tells.

    Letters beyond ASCII are taken in the host (IDNA 2008) and percent-encoded behind it (RFC 3987 §3.1). Ports and
    addresses are the gate's affair.

    Args:
        text: the URL.
        plain_http: whether ``http`` is allowed besides ``https``.
        listed: hosts that may be written as :func:`mailconfig.hostnames.check_host` says.

    Raises:
        InvalidUrl: it is none.
    """
    if len(text) > MAX_URL:
        raise InvalidUrl(UrlFault.LENGTH, f"a URL has at most {MAX_URL} characters")
    shape = _SHAPE.fullmatch(text)
    scheme = shape[1].lower() if shape else ""
    if shape is None or scheme not in _PORTS or (scheme == "http" and not plain_http):
        allowed = "https:// or http://" if plain_http else "https://"
        raise InvalidUrl(UrlFault.SCHEME, f"a URL begins with {allowed}")
    parts = _REST.fullmatch(shape[2])
    if parts is None or not parts[1]:
        raise InvalidUrl(UrlFault.SYNTAX, "a URL names a host behind two slashes")
    if "@" in parts[1]:
        raise InvalidUrl(UrlFault.USERINFO, "a URL has no user name or password here")
    if parts[4] is not None:
        raise InvalidUrl(UrlFault.FRAGMENT, "a URL has no part behind a # here")
    host, port = _authority(parts[1], listed)
    target = _encoded((parts[2] or "/") + (parts[3] or ""))
    return HttpUrl(scheme=scheme, host=host, port=_PORTS[scheme] if port is None else port, target=target)


def redirected(
    url: HttpUrl, location: str, *, plain_http: bool = False, listed: Collection[str] = ()
) -> HttpUrl:
    """Return where a ``Location`` leads from ``url`` (RFC 9110 §10.2.2), which may be a reference relative to it.

    Its fragment is for browsers. From ``https`` nothing leads to ``http``, whatever is allowed.

    Raises:
        InvalidUrl: it is no URL for us.
    """
    location = location.partition("#")[0]
    if not location:
        raise InvalidUrl(UrlFault.SYNTAX, "the redirect leads nowhere")
    if len(location) > MAX_URL:
        raise InvalidUrl(UrlFault.LENGTH, f"a URL has at most {MAX_URL} characters")
    if not location.isprintable() or "\\" in location or " " in location:
        # Before urljoin, which drops some of them.
        raise InvalidUrl(UrlFault.SYNTAX, "the redirect has characters that no URL has")
    try:
        # What has a scheme is whole: urljoin takes "https:path" for a relative one.
        absolute = location if _SHAPE.fullmatch(location) else urljoin(str(url), location)
    except ValueError:
        raise InvalidUrl(UrlFault.SYNTAX, "the redirect leads to no URL") from None
    return check_url(absolute, plain_http=plain_http and url.scheme == "http", listed=listed)


def _authority(text: str, listed: Collection[str]) -> tuple[str, int | None]:
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise InvalidUrl(UrlFault.PORT, "a port is a number from 1 to 65535 behind the host")
    host, digits = found[1], found[2]
    is_literal = host.startswith("[")
    try:
        host = check_host(host[1:-1] if is_literal else host, listed=listed)
    except ValueError as error:
        raise InvalidUrl(UrlFault.HOST, str(error)) from None
    if is_literal and ":" not in host:
        raise InvalidUrl(UrlFault.HOST, "only IPv6 addresses stand in brackets")
    if digits is not None and not 1 <= int(digits) <= 65535:
        raise InvalidUrl(UrlFault.PORT, "a port is a number from 1 to 65535")
    return host, None if digits is None else int(digits)


def _encoded(text: str) -> str:
    try:
        text = "".join(
            character if character.isascii() or not character.isprintable() else quote(character)
            for character in text
        )
    except UnicodeEncodeError:
        text = " "
    if not _CHARACTERS.fullmatch(text):
        raise InvalidUrl(
            UrlFault.SYNTAX, "a URL has letters, digits and some signs; others are percent-encoded"
        )
    return text
