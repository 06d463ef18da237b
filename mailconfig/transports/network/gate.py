"""The one place that opens sockets: syntax, one look-up, every address vetted, connect to what was vetted."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain, zip_longest

from mailconfig.exceptions import AddressBlocked, ConnectionFailed, HostNotAllowed, NameUnknown, PortClosed
from mailconfig.hostnames import check_host
from mailconfig.values import ErrorCode, NetworkPolicy, Stage

from . import hints
from .addresses import is_allowed
from .deadline import Deadline
from .tls import secure

__all__ = ["Resolver", "connect", "resolve", "secure", "system_resolver", "unreachable", "vet_host"]

Resolver = Callable[[str, int], Sequence[str]]
"""Name and port to addresses as text; raises :class:`socket.gaierror`. Runs in a thread of its own."""

MAX_LOOKUPS = 32
"""Look-ups at once in this process. A dead resolver holds a thread for 20 s and more."""

UNREACHABLE = "No connection to the server could be made."
"""The same words for every reason: which one it was is in ``detail``, for staff."""

_UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class _Lookups:
    """Runs look-ups in daemon threads, never more than :data:`MAX_LOOKUPS`."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget the threads of another process: they did not come along over a fork."""
        self._free = threading.BoundedSemaphore(MAX_LOOKUPS)

    def run(self, resolver: Resolver, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return what the resolver says, or raise ``TimeoutError`` after ``seconds``."""
        deadline = Deadline(seconds)
        free = self._free
        if not free.acquire(timeout=seconds):
            raise TimeoutError
        answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answer.put(resolver(host, port))
            except Exception as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
                answer.put(error)
            finally:
                free.release()

        threading.Thread(target=look_up, name="mailconfig-resolver", daemon=True).start()
        try:
            found = answer.get(timeout=max(0.001, deadline.left()))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(found, Exception):
            raise found
        return found


_lookups = _Lookups()
os.register_at_fork(after_in_child=_lookups.renew)


def vet_host(host: str, port: int, policy: NetworkPolicy) -> str:
    """The host as it will be looked up: lower case, A-labels, literals in their shortest form.

    Raises:
        HostNotAllowed: no host name, a literal that is not allowed, or a port that is not. Nothing was
            looked up.
    """
    try:
        name = check_host(host, listed=policy.allowed_hosts)
    except ValueError as error:
        raise _not_allowed(f"This is not a host name: {error}.") from None
    literal = _literal(name)
    listed = name in policy.allowed_hosts
    if literal is not None and not listed and not is_allowed(literal, policy.allowed_networks):
        raise _not_allowed("This address is not allowed.", hint=hints.ALLOW_HOST)
    if type(port) is not int or not 1 <= port <= 65535:
        raise _port_not_allowed("A port is a number from 1 to 65535.")
    if policy.allowed_ports is not None and port not in policy.allowed_ports:
        allowed = ", ".join(str(number) for number in sorted(policy.allowed_ports))
        raise _port_not_allowed(
            f"Connections to port {port} are not allowed; allowed are {allowed}.", hint=hints.ALLOW_PORT
        )
    return name


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses the operating system knows for a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for _, _, _, _, address in found]


def resolve(
    host: str,
    port: int,
    policy: NetworkPolicy,
    *,
    resolver: Resolver = system_resolver,
    deadline: Deadline | None = None,
) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses to try, in order, at most ``policy.max_addresses``; all of the name's were vetted.

    One blocked address among public ones blocks the name: that is how rebinding looks.

    Raises:
        HostNotAllowed: see :func:`vet_host`.
        ConnectionFailed: the name is unknown or an address blocked (not temporary), or the resolver failed
            or took longer than ``policy.resolve_timeout`` (temporary).
    """
    name = vet_host(host, port, policy)
    literal = _literal(name)
    if literal is not None:
        return (literal,)
    try:
        seconds = (deadline or Deadline()).seconds(policy.resolve_timeout)
        # With its final dot, so that the resolver adds no domain of its own.
        absolute = f"{name}." if host.endswith(".") else name
        texts = _lookups.run(resolver, absolute, port, seconds)
        found = list(dict.fromkeys(ip_address(text) for text in texts))
    except TimeoutError:
        raise unreachable(Stage.RESOLVE, "the look-up of the name took too long") from None
    except socket.gaierror as error:
        if error.errno in _UNKNOWN_NAME:
            raise unreachable(
                Stage.RESOLVE, "the name is unknown", temporary=False, error=NameUnknown
            ) from None
        raise unreachable(Stage.RESOLVE, f"the look-up of the name failed: {error.strerror}") from None
    except (OSError, ValueError) as error:
        raise unreachable(Stage.RESOLVE, f"the look-up of the name failed: {type(error).__name__}") from None
    if not found:
        raise unreachable(Stage.RESOLVE, "the name has no address", temporary=False)
    if name not in policy.allowed_hosts:
        for address in found:
            if not is_allowed(address, policy.allowed_networks):
                detail = f"the name has an address that is not allowed: {address}"
                raise unreachable(Stage.RESOLVE, detail, temporary=False, error=AddressBlocked)
    return _alternate(found)[: policy.max_addresses]


def connect(
    addresses: Sequence[IPv4Address | IPv6Address],
    host: str,
    port: int,
    policy: NetworkPolicy,
    *,
    seconds: float = 10.0,
    deadline: Deadline | None = None,
) -> socket.socket:
    """A connected TCP socket to the first of the vetted ``addresses`` that answers, with TCP_NODELAY.

    ``seconds`` is for each address; of a deadline each gets its share, so that a dead IPv6 address leaves
    time for the IPv4 one.

    Raises:
        ConnectionFailed: none answered (temporary), or it is this machine itself (not temporary).
    """
    deadline = deadline or Deadline()
    detail, is_closed = "no time was left", False
    for index, address in enumerate(addresses):
        if _is_own(address) and not _is_listed(address, host, policy):
            detail = f"{address} is this machine itself"
            raise unreachable(Stage.CONNECT, detail, temporary=False, error=AddressBlocked)
        share = deadline.left() / (len(addresses) - index)
        if share <= 0:
            break
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            detail = f"{address}: {error.strerror}"
            continue
        try:
            sock.settimeout(min(seconds, share))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((str(address), port))
        except TimeoutError:
            sock.close()
            detail = f"{address}: no answer"
        except OSError as error:
            sock.close()
            detail = f"{address}: {error.strerror or type(error).__name__}"
            is_closed = isinstance(error, ConnectionRefusedError)
        except BaseException:  # a worker's time limit, or Ctrl-C: nobody else knows of this socket
            sock.close()
            raise
        else:
            return sock
    raise unreachable(Stage.CONNECT, detail, error=PortClosed if is_closed else ConnectionFailed)


def unreachable(
    stage: Stage, detail: str, *, temporary: bool = True, error: type[ConnectionFailed] = ConnectionFailed
) -> ConnectionFailed:
    """The one error for a name that is unknown, an address that is blocked, a connection that is refused."""
    return error(
        UNREACHABLE,
        stage=stage,
        code=ErrorCode.CONNECT_FAILED,
        field="host",
        hint="Check the name of the server and the port.",
        detail=detail,
        temporary=temporary,
    )


def _literal(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _alternate(found: Sequence[IPv4Address | IPv6Address]) -> tuple[IPv4Address | IPv6Address, ...]:
    """Both families in turn (RFC 8305 §4), so that two dead IPv6 addresses do not use up all tries."""
    first = [address for address in found if address.version == found[0].version]
    other = [address for address in found if address.version != found[0].version]
    mixed = chain.from_iterable(zip_longest(first, other))
    return tuple(address for address in mixed if address is not None)


def _is_listed(address: IPv4Address | IPv6Address, host: str, policy: NetworkPolicy) -> bool:
    return host in policy.allowed_hosts or any(address in network for network in policy.allowed_networks)


def _is_own(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is one of this machine's. Asks the routing table; nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(ip_address(probe.getsockname()[0]) == address)
    except OSError:
        return False


def _not_allowed(message: str, *, hint: str = "") -> HostNotAllowed:
    return HostNotAllowed(
        message,
        stage=Stage.RESOLVE,
        code=ErrorCode.HOST_NOT_ALLOWED,
        field="host",
        hint=hint,
        temporary=False,
    )


def _port_not_allowed(message: str, *, hint: str = "") -> HostNotAllowed:
    """``host_not_allowed`` is kept for hosts, so a port has the neighbouring code."""
    return HostNotAllowed(
        message,
        stage=Stage.CONNECT,
        code=ErrorCode.CONNECT_FAILED,
        field="port",
        hint=hint,
        temporary=False,
    )
