"""Mail servers by a file at the domain's web server, in the open format of Thunderbird's autoconfiguration."""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

from mailconfig.exceptions import TransportError
from mailconfig.hostnames import check_host
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http.client import MOST_SECONDS, send_request
from mailconfig.transports.http.messages import HttpRequest
from mailconfig.transports.network.deadline import Deadline
from mailconfig.values import Security

from .found import FoundServer, FoundServers

URLS = (
    "https://autoconfig.{domain}/mail/config-v1.1.xml",
    "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
)
"""Over TLS only, and without the address: who runs the web server need not learn who asks."""
MOST_BYTES = 64 * 1024
MOST_DEPTH = 16
LONGEST_TEXT = 500
_SECURITY = {"SSL": Security.TLS, "STARTTLS": Security.STARTTLS}


def find_by_autoconfig(
    address: str,
    surroundings: Surroundings,
    *,
    urls: tuple[str, ...] = URLS,
    deadline: Deadline | None = None,
) -> FoundServers | None:
    """Return the servers that the file of an address's domain names; ``None``: there is no such file, or none to trust.

    No redirect is followed: the file is the domain's own, over a connection whose certificate is verified.

    Args:
        address: the e-mail address.
        surroundings: policy and timeouts.
        urls: with ``{domain}`` in them, tried in their order.
        deadline: over all of them, of which each gets its share; without it: the total of ``surroundings``.
    """
    domain = address.rpartition("@")[2]
    deadline = deadline or Deadline(surroundings.timeouts.total or MOST_SECONDS)
    for index, url in enumerate(urls):
        request = HttpRequest(url=url.format(domain=domain))
        share = deadline.within(
            deadline.left() / (len(urls) - index)
        )  # a silent one leaves time for the next
        try:
            answer = send_request(request, surroundings, most_bytes=MOST_BYTES, deadline=share)
        except (TransportError, ValueError):
            continue
        found = read_autoconfig(answer.body, address=address) if answer.status == 200 else None
        if found is not None:
            return found
    return None


def read_autoconfig(body: bytes, *, address: str) -> FoundServers | None:
    """Return the first servers that encrypt, of those that a file names; ``None``: there are none, or it is no such file."""
    reader = _Reader(address)
    try:
        reader.read(body)
    except (expat.ExpatError, ValueError, LookupError):  # the last: of an encoding that nobody knows
        return None
    sending = next(iter(reader.sending), None)
    if sending is None:
        return None
    return FoundServers(
        sending=sending[0], only_oauth2=sending[1], reading=next((one for one, _ in reader.reading), None)
    )


class _Reader:
    """Reads elements as they come; declares nothing, resolves nothing, and keeps what it knows."""

    def __init__(self, address: str) -> None:
        self.sending: list[tuple[FoundServer, bool]] = []
        self.reading: list[tuple[FoundServer, bool]] = []
        self._address = address
        self._depth = 0
        self._server: dict[str, list[str]] | None = None
        self._text = ""

    def read(self, body: bytes) -> None:
        """Raises ValueError, LookupError or ExpatError: it is nothing that may be read."""
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse  # no entities, so none that grow or lead elsewhere
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(body, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ValueError("it is too deep")
        self._text = ""
        wanted = {"outgoingServer": "smtp", "incomingServer": "imap"}
        if name in wanted:
            self._server = {} if attributes.get("type") == wanted[name] else None

    def _characters(self, text: str) -> None:
        self._text = (self._text + text)[:LONGEST_TEXT]

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name in {"outgoingServer", "incomingServer"}:
            self._take(self.sending if name == "outgoingServer" else self.reading)
            self._server = None
        elif self._server is not None:
            self._server.setdefault(name, []).append(self._text.strip())
        self._text = ""

    def _take(self, found: list[tuple[FoundServer, bool]]) -> None:
        said = self._server or {}
        security = _SECURITY.get(_one(said, "socketType"))
        port = _one(said, "port")
        if security is None or not port.isdecimal() or len(port) > 5 or not 1 <= int(port) <= 65535:
            return
        try:
            host = check_host(self._filled(_one(said, "hostname")))
        except ValueError:
            return
        username = self._filled(_one(said, "username"))
        if not username.isprintable() or len(username) > 255:
            return
        ways = said.get("authentication", [])
        only_oauth2 = "OAuth2" in ways and not any(way.startswith("password-") for way in ways)
        server = FoundServer(host=host, port=int(port), security=security, username=username)
        found.append((server, only_oauth2))

    def _filled(self, text: str) -> str:
        local, _at, domain = self._address.rpartition("@")
        for name, value in (("ADDRESS", self._address), ("LOCALPART", local), ("DOMAIN", domain)):
            text = text.replace(f"%EMAIL{name}%", value)
        return text


def _one(said: dict[str, list[str]], name: str) -> str:
    return next(iter(said.get(name, [])), "")


def _refuse(*_: object) -> NoReturn:
    raise ValueError("it declares a document type")
