"""Kinds of settings: the type, range and form of a value, and words that name the cure for a wrong one."""

from __future__ import annotations

import math
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from .hostnames import check_host, check_listed_host
from .values import MOST_SESSIONS

YEAR_SECONDS = 366 * 86400.0
LONGEST_SHOWN = 60

Rule = Callable[[Any], Any]
"""Takes a value of the right type and returns it in the form that is kept; raises ``ValueError`` with words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The numbers that make sense. A rule."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def __call__(self, value: float) -> float:
        """The value itself.

        Raises:
            ValueError: it is out of range.
        """
        if value <= self.above:
            raise ValueError(f"must be more than {self.above:g}, not {value!r}")
        if value < self.least:
            raise ValueError(f"must be at least {self.least:g}, not {value!r}")
        if value > self.most:
            raise ValueError(f"must be at most {_figure(self.most)}, not {shown(value)}")
        return value


@dataclass(frozen=True, slots=True)
class AtMost:
    """The number of characters that a text may have. A rule."""

    characters: int

    def __call__(self, value: str) -> str:
        """The value itself.

        Raises:
            ValueError: it is longer.
        """
        if len(value) > self.characters:
            raise ValueError(f"must have at most {self.characters} characters, and has {len(value)}")
        return value


def network(text: str) -> str:
    """A network or an address in CIDR notation, as it was written. A rule.

    Raises:
        ValueError: it is none; the words say what is probably meant.
    """
    try:
        ip_network(text)
    except ValueError:
        pass
    else:
        return text
    try:
        meant = str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(
            f"must be a network such as 10.1.0.0/16, not {_the(text)}{_names_go(text)}"
        ) from None
    raise ValueError(f"is {text!r}, an address inside a network: write {meant!r}, or the address alone")


def listed_host(text: str) -> str:
    """A host name that the deployment lists, in the form in which names are compared. A rule.

    Raises:
        ValueError: it is none; the words say what is probably meant.
    """
    try:
        return check_listed_host(text)
    except ValueError as error:
        raise ValueError(
            f"must be a host name, and {shown(text)} is none: {error}{_one_by_one(text)}"
        ) from None


def ehlo_name(text: str) -> str:
    """A name that EHLO may give us (RFC 5321 §4.1.1.1): a host name, an address in brackets, or nothing. A rule.

    Raises:
        ValueError: it is none of them.
    """
    inner = text[1:-1].removeprefix("IPv6:") if text.startswith("[") and text.endswith("]") else text
    try:
        if text:
            check_host(inner)
    except ValueError as error:
        raise ValueError(
            f"must be a host name or an address in brackets, and {shown(text)} is none: {error}"
        ) from None
    return text


def authority(text: str) -> str:
    """The beginning of a service's addresses: scheme, host, port, and perhaps a path (RFC 3986). A rule.

    Raises:
        ValueError: it is none, has what no such beginning has, or would show secrets to whoever is on the way.
    """
    try:
        parts = urlsplit(text)
        host = check_listed_host(parts.hostname or "")
        is_one = parts.scheme in {"https", "http"} and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        host, is_one = "", False
    if not is_one or any(character in text for character in "?# \\"):
        raise ValueError(f"must be an address such as https://login.example.com, not {_the(text)}")
    if text.startswith("http:") and host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError(f"must begin with https, since secrets go there, not {_the(text)}")
    return text


def name_server(text: str) -> str:
    """An address with or without a port, as in ``192.0.2.53``, ``127.0.0.1:5353`` and ``[::1]:5353``. A rule.

    Raises:
        ValueError: it is none; a host name is not taken, since somebody would have to be asked for it.
    """
    try:
        split_name_server(text)
    except ValueError:
        raise ValueError(
            f"must be an address such as 192.0.2.53, 127.0.0.1:5353 or [::1]:53, not {_the(text)}"
        ) from None
    return text


def split_name_server(text: str) -> tuple[str, int]:
    """Address and port of a name server.

    Raises:
        ValueError: it is none.
    """
    try:
        return str(ip_address(text)), 53
    except ValueError:
        address, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not 1 <= int(port[:6]) <= 65535:
        raise ValueError("no address, and no port either")
    is_bracketed = address.startswith("[") and address.endswith("]")
    found = ip_address(address[1:-1] if is_bracketed else address)
    if (found.version == 6) is not is_bracketed:
        raise ValueError("IPv6 addresses stand in brackets before a port, and no others")
    return str(found), int(port)


Seconds = Annotated[float, Range(above=0, most=YEAR_SECONDS)]
Wait = Annotated[float, Range(least=0, most=YEAR_SECONDS)]
"""Seconds that may be none."""
Days = Annotated[int, Range(least=0, most=36_500)]
Count = Annotated[int, Range(least=1, most=1_000_000)]
Sessions = Annotated[int, Range(least=1, most=MOST_SESSIONS)]
Quota = Annotated[int, Range(least=0, most=1_000_000)]
Retries = Annotated[int, Range(least=0, most=1000)]
Octets = Annotated[int, Range(least=0, most=2**31 - 1)]
Name = Annotated[str, AtMost(255)]
Port = Annotated[int, Range(least=1, most=65535)]
NetworkText = Annotated[str, network]
NameServer = Annotated[str, name_server]
ListedHost = Annotated[str, listed_host]
Authority = Annotated[str, authority]
EhloName = Annotated[str, ehlo_name]


def to_kind(value: object, kind: Any, setting: str) -> Any:
    """The value in the form that is kept, if it is of this ``kind``, which is the annotation of a setting.

    Args:
        setting: its name as the settings reach it, such as ``MAILCONFIG['WINDOW']``.

    Raises:
        ValueError: it is not of that kind; the text is a sentence that begins with ``setting``.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        base, *rules = get_args(kind)
        value = to_kind(value, base, setting)
        for rule in rules:
            value = _ruled(value, rule, setting)
        return value
    if origin in {types.UnionType, typing.Union}:
        return _optional(value, kind, setting)
    if origin is Literal:
        return _choice(value, get_args(kind), setting)
    if origin is tuple:
        return _list(value, get_args(kind)[0], setting)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(value, get_args(kind)[1], setting)
    return _plain(value, kind, setting)


def shown(value: object) -> str:
    """A value for a message: as it stands in the settings, and not too long."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _ruled(value: Any, rule: Rule, setting: str) -> Any:
    try:
        return rule(value)
    except ValueError as error:
        raise ValueError(f"{setting} {error}") from None


def _plain(value: object, kind: type, setting: str) -> Any:
    if kind is str and isinstance(value, os.PathLike):  # BASE_DIR / "ca.pem"
        value = os.fspath(value)
    accepted, name = _PLAIN[kind]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{setting} must be {name}, not {_the(value)}")
    if isinstance(value, str) and not value.isprintable():
        raise ValueError(f"{setting} must be one line without control characters, not {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{setting} must be a finite number, not {value!r}")
    return value


_PLAIN: dict[type, tuple[type | tuple[type, ...], str]] = {
    bool: (bool, "True or False"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    str: (str, "a text"),
}


def _optional(value: object, kind: Any, setting: str) -> Any:
    if value is None:
        return None
    (inner,) = (arm for arm in get_args(kind) if arm is not type(None))
    return to_kind(value, inner, setting)


def _choice(value: object, words: tuple[object, ...], setting: str) -> Any:
    if isinstance(value, str) and value in words:
        return value
    listed = " or ".join(repr(word) for word in words)
    raise ValueError(f"{setting} must be {listed}, not {_the(value)}")


def _list(value: object, kind: Any, setting: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple | set | frozenset):
        # One value alone is the commonest slip, and a text is even a sequence: of its letters.
        is_item = isinstance(value, str | int) and not isinstance(value, bool)
        alone = f": write [{shown(value)}]" if is_item else ""
        raise ValueError(f"{setting} must be a list, not {_the(value)}{alone}")  # noqa: TRY004 - one for all
    items: Iterable[object] = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
    return tuple(to_kind(item, kind, f"{setting}[{index}]") for index, item in enumerate(items))


def _mapping(value: object, kind: Any, setting: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{setting} must be a dictionary, not {_the(value)}")  # noqa: TRY004 - as above
    return {str(name): to_kind(item, kind, f"{setting}[{name!r}]") for name, item in value.items()}


def _the(value: object) -> str:
    return f"the text {shown(value)}" if isinstance(value, str) else shown(value)


def _figure(number: float) -> str:
    return f"{int(number)}" if number == int(number) else f"{number:g}"


def _names_go(text: str) -> str:
    try:
        check_listed_host(text)
    except ValueError:
        return ""
    return "; names of hosts go into ALLOWED_HOSTS"


def _one_by_one(text: str) -> str:
    if "*" in text or text.startswith("."):
        return "; patterns are not taken, list each name"
    if ":" in text:
        return "; ports go into ALLOWED_PORTS"
    return "; networks go into ALLOWED_NETWORKS" if "/" in text else ""
