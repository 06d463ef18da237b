"""The address of Exchange's web service by Autodiscover ([MS-OXDSCLI], plain XML), which lets nobody ask without a login.

The password goes to a server within the address's own domain, or to one that a person has named, and only after the server asked for it
over a verified certificate. Wherever else a record, a redirect or an answer leads is told and not asked. The step of the document that
begins without encryption is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urljoin

from mailconfig.exceptions import TransportError
from mailconfig.hostnames import check_host
from mailconfig.http_urls import HttpUrl, InvalidUrl, check_url
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpAnswer, HttpRequest
from mailconfig.transports.http.client import send_request
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import NameServers
from mailconfig.transports.xml import BadXML, Element, in_xml, read_xml
from mailconfig.values import Secret

PATH = "/autodiscover/autodiscover.xml"
URLS = (f"https://{{domain}}{PATH}", f"https://autodiscover.{{domain}}{PATH}")
"""In the order of [MS-OXDSCLI] §3.1.5."""
MOST_HOPS = 10
"""Places that are asked in one search, whatever led there."""
MOST_BYTES = 256 * 1024
MOST_URL = 255
HOP_SECONDS = 6.0
"""For one place, so that one that hangs leaves time for the next."""
_REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
    "<EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>"
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    "</AcceptableResponseSchema></Request></Autodiscover>"
)
_BEST_FIRST = ("EXPR", "EXHTTP", "EXCH")
"""Protocols of an answer: what is reached from outside, and only then what is meant for the inside."""


class Ending(StrEnum):
    """Ways in which a search ends."""

    FOUND = "found"
    LEADS_AWAY = "leads_away"
    """The next server to ask is one that gets no password unseen."""
    LOGIN_REFUSED = "login_refused"
    NEEDS_PASSWORD = "needs_password"  # noqa: S105 - no password
    NO_BASIC = "no_basic"
    """Logins that are offered are none that are known here: NTLM, Kerberos."""
    ENDLESS = "endless"
    """It goes round in circles, or on for too long."""
    LATE = "late"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autodiscovered:
    """Outcome of a search."""

    ending: Ending
    url: str = ""
    """Of ``FOUND`` the web service, of ``LEADS_AWAY`` the Autodiscover that would be next; ``https`` both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """User name and password for a server that asks for them."""

    username: str
    password: Secret = field(repr=False)


def find_exchange_service(
    address: str,
    surroundings: Surroundings,
    *,
    ask: NameServers,
    deadline: Deadline,
    login: Login | None = None,
    confirmed: str = "",
    urls: tuple[str, ...] = URLS,
) -> Autodiscovered:
    """Search the web service of an address's mailbox.

    Args:
        address: the e-mail address, its domain as :func:`mailconfig.hostnames.check_host` has it.
        surroundings: policy and timeouts; certificates are verified and plain HTTP is refused whatever they say.
        ask: asked for the SRV record.
        deadline: over all of it.
        login: ``None``: whoever asks for a login is not asked again.
        confirmed: the URL of an Autodiscover that a person has named: its host and port may have the password.
        urls: with ``{domain}`` in them, tried in their order.
    """
    policy = replace(surroundings.policy, verify_tls=True, allow_plain_http=False)
    quiet = replace(surroundings, policy=policy, on_stage=None)
    search = _Search(address, quiet, deadline=deadline, login=login, confirmed=confirmed)
    for url, is_reported in _places(address, ask, urls, confirmed):
        try:
            found = search.follow(url, address, is_reported=is_reported)
        except TimeoutError:
            return Autodiscovered(ending=Ending.LATE)
        if found is not None:
            return found
    return search.remembered


def is_within(host: str, domain: str) -> bool:
    """Return whether a host is the domain or lies below it."""
    return host == domain or host.endswith(f".{domain}")


def _places(
    address: str, ask: NameServers, urls: tuple[str, ...], confirmed: str
) -> Iterator[tuple[str, bool]]:
    """Yield where to ask, and whether it is worth telling of if it may not be asked."""
    domain = address.rpartition("@")[2]
    for url in urls:
        yield url.format(domain=domain), False
    records = ask.services(f"_autodiscover._tcp.{domain}").records
    for service in sorted(records, key=lambda one: (one.priority, -one.weight))[:1]:
        if service.host and service.port:
            yield _at(service.host, service.port), True
    if confirmed:
        yield confirmed, False


def _at(host: str, port: int = 443) -> str:
    authority = f"[{host}]" if ":" in host else host
    return f"https://{authority}{'' if port == 443 else f':{port}'}{PATH}"


def _url(text: str) -> HttpUrl | None:
    try:
        url = check_url(text)
    except InvalidUrl:
        return None
    return url if len(str(url)) <= MOST_URL else None


class _Search:
    """One search: what was asked already, and what is best said if nothing is found."""

    def __init__(
        self,
        address: str,
        surroundings: Surroundings,
        *,
        deadline: Deadline,
        login: Login | None,
        confirmed: str,
    ) -> None:
        self.remembered = Autodiscovered(ending=Ending.NOTHING)
        self._domain = address.rpartition("@")[2]
        self._surroundings, self._deadline, self._login = surroundings, deadline, login
        self._confirmed = _url(confirmed)
        self._asked: set[tuple[str, str]] = set()

    def follow(self, text: str, address: str, *, is_reported: bool) -> Autodiscovered | None:
        """Ask there, and wherever that leads; ``None``: nothing is there, and the next place is worth asking.

        Raises:
            TimeoutError: the time for all is over.
        """
        is_answer, is_first = False, True
        while (url := _url(text)) is not None:
            if not self._may_be_asked(url):
                return self._away(url, is_final=is_answer) if is_reported else None
            if (str(url), address) in self._asked:
                # A place of its own may be one that another led to before; whoever leads back to it goes round.
                if not is_first:
                    self._remember(Ending.ENDLESS)
                return None
            if len(self._asked) >= MOST_HOPS:
                return Autodiscovered(ending=Ending.ENDLESS)
            self._asked.add((str(url), address))
            answer = self._ask(url, address)
            if isinstance(answer, Autodiscovered) or answer is None:
                return answer
            is_reported, is_first = True, False
            if answer.status in {301, 302, 303, 307, 308}:
                text = urljoin(str(url), answer.headers.get("location"))
                # A site that moved as a whole leads its visitors elsewhere, which says nothing of Exchange.
                is_reported = text.partition("?")[0].lower().endswith(PATH)
                is_answer = False
                continue
            led = _read(answer, url, address)
            if led is None or isinstance(led, Autodiscovered):
                return led
            (text, address), is_answer = led, True
        return None

    def _may_be_asked(self, url: HttpUrl) -> bool:
        confirmed = self._confirmed
        if confirmed is not None and (url.host, url.port) == (confirmed.host, confirmed.port):
            return True
        return is_within(url.host, self._domain)

    def _away(self, url: HttpUrl, *, is_final: bool) -> Autodiscovered | None:
        away = Autodiscovered(ending=Ending.LEADS_AWAY, url=str(url))
        if is_final:
            return away
        if self.remembered.ending is not Ending.LEADS_AWAY:
            self.remembered = away
        return None

    def _remember(self, ending: Ending) -> None:
        if self.remembered.ending is Ending.NOTHING:
            self.remembered = Autodiscovered(ending=ending)

    def _ask(self, url: HttpUrl, address: str) -> HttpAnswer | Autodiscovered | None:
        """Ask without a login, and with it where that is wanted: whoever has nothing to say learns no password."""
        answer = self._send(url, address, ())
        if answer is None or answer.status != 401:
            return answer
        if self._login is None:
            return Autodiscovered(ending=Ending.NEEDS_PASSWORD)
        # As in Exchange's web service: schemes stand in one field or in several (RFC 9110 §11.6.1).
        pieces = ",".join(answer.headers.get_all("www-authenticate")).split(",")
        if "basic" not in {parts[0].lower() for piece in pieces if (parts := piece.split())}:
            self._remember(Ending.NO_BASIC)
            return None
        pair = f"{self._login.username}:{self._login.password.reveal()}".encode()
        login = ("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        answer = self._send(url, address, (login,))
        if answer is not None and answer.status in {401, 403}:
            # No further place is tried with it: some count refused logins, and lock.
            return Autodiscovered(ending=Ending.LOGIN_REFUSED)
        return answer

    def _send(self, url: HttpUrl, address: str, fields: tuple[tuple[str, str], ...]) -> HttpAnswer | None:
        self._deadline.seconds(HOP_SECONDS)
        try:
            request = HttpRequest(
                method="POST",
                url=str(url),
                headers=(*fields, ("Content-Type", "text/xml; charset=utf-8"), ("Accept", "text/xml")),
                body=_REQUEST.format(address=in_xml(address)).encode(),
            )
            return send_request(
                request,
                self._surroundings,
                most_bytes=MOST_BYTES,
                deadline=self._deadline.within(HOP_SECONDS),
            )
        except (TransportError, ValueError):
            return None


def _read(answer: HttpAnswer, url: HttpUrl, address: str) -> Autodiscovered | tuple[str, str] | None:
    """Return the service, or which URL to ask next for which address; ``None``: it is no answer of Autodiscover's."""
    if answer.status != 200:
        return None
    try:
        account = read_xml(answer.body).first("Account")
    except BadXML:
        return None
    if account is None:
        return None
    action = account.text_of("Action").lower()
    if action == "redirecturl":
        return account.text_of("RedirectUrl"), address
    if action == "redirectaddr":
        return _of_other_address(account.text_of("RedirectAddr"), url, address)
    service = _service(account)
    return Autodiscovered(ending=Ending.FOUND, url=service) if service else None


def _of_other_address(other: str, url: HttpUrl, address: str) -> tuple[str, str] | None:
    """The same mailbox goes by another address: of this domain the same server knows it, of another that one's own."""
    local, _, domain = other.rpartition("@")
    try:
        domain = check_host(domain)
    except ValueError:
        return None
    if not local or len(other) > MOST_URL or not other.isprintable():
        return None
    is_here = domain == address.rpartition("@")[2]
    return (str(url) if is_here else URLS[1].format(domain=domain)), f"{local}@{domain}"


def _service(account: Element) -> str:
    by_type: dict[str, str] = {}
    for protocol in account.all("Protocol"):
        url = _url(protocol.text_of("EwsUrl"))
        if url is not None:
            by_type.setdefault(protocol.text_of("Type").upper(), str(url))
    return next((by_type[name] for name in _BEST_FIRST if name in by_type), "")
