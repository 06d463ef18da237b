"""What a chaos server can do instead of answering properly."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

VERBS = frozenset(
    "banner ehlo helo starttls handshake auth mail rcpt data body dot rset noop quit".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Reply:
    """Answers with these lines; a code of 4xx or 5xx means no, any other goes on as if it were ours."""

    lines: tuple[str, ...]
    close: bool = False

    @classmethod
    def of(cls, *lines: str, close: bool = False) -> "Reply":
        """``Reply.of("550 5.1.1 unknown")``; with 421 a real server closes, so this one does as well."""
        return cls(lines, close or lines[-1].startswith("421"))


@dataclass(frozen=True)
class Raw:
    """Writes exactly these bytes and goes on as after a yes."""

    data: bytes


@dataclass(frozen=True)
class Hang:
    """Says nothing and reads nothing any more, until the client has gone."""


@dataclass(frozen=True)
class Reset:
    """Ends the connection by RST."""


@dataclass(frozen=True)
class Close:
    """Ends the connection by FIN."""


@dataclass(frozen=True)
class Slow:
    """Writes the reply one byte at a time."""

    line: str = "250 2.0.0 at last"
    seconds: float = 1.0


@dataclass(frozen=True)
class Endless:
    """Writes continuation lines as long as somebody reads them."""

    line: str = "250-and another thing"


@dataclass(frozen=True)
class LongLine:
    """Writes one line of ``size`` bytes."""

    size: int = 100 * 1024 * 1024


Action = Reply | Raw | Hang | Reset | Close | Slow | Endless | LongLine


@dataclass
class Fault:
    """An action at a verb: at its ``at``-th occurrence in the server's life, or at every one."""

    verb: str
    action: Action
    at: int | None = None
    accept: bool = False
    """At ``dot``: the message counts as received although its sender will not be told."""
    when: Callable[[str], bool] | None = None
    """Only for lines that this is true of; ``at`` counts those."""
    seen: int = field(default=0, init=False)

    def applies(self, verb: str, line: str) -> bool:
        """Whether it happens now."""
        if verb != self.verb or (self.when is not None and not self.when(line)):
            return False
        self.seen += 1
        return self.at is None or self.seen == self.at


_SPEC = re.compile(r"(?P<verb>[a-z]+)(?:@(?P<at>\d+))?(?P<accept>\+accept)?=(?P<action>.+)")
_NAMED: dict[str, Callable[[], Action]] = {
    "hang": Hang,
    "reset": Reset,
    "close": Close,
    "slow": Slow,
    "endless": Endless,
    "longline": LongLine,
}


def parse_fault(text: str) -> Fault:
    """``dot@3=hang``, ``dot+accept=reset``, ``mail=451 4.3.0 later``: as on the command line."""
    found = _SPEC.fullmatch(text)
    if found is None or found["verb"] not in VERBS:
        raise ValueError(f"not a fault: {text!r}")
    named = _NAMED.get(found["action"])
    action = named() if named else Reply.of(*found["action"].split("|"))
    at = int(found["at"]) if found["at"] else None
    return Fault(found["verb"], action, at=at, accept=bool(found["accept"]))
