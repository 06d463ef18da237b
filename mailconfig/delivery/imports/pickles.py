"""Pickles read as data: a small machine over the opcodes, in which nothing is imported, called or made.

Whoever can write a pickle that is loaded runs code of his choice, and a list of allowed classes does not mend that: their
attributes can be set. Here what a pickle would call stands in the result as a :class:`Made` with its name, and that is all.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

__all__ = ["Made", "Named", "Unreadable", "read_pickle"]

MOST_STEPS = 1_000_000
"""Opcodes of one pickle: a mail to ten thousand recipients has some fifty thousand."""


_OF_DAMAGE = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError)


class Unreadable(ValueError):
    """This is no pickle, or none that can be read as data."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a pickle would import."""

    name: str
    """Module and name, joined by a dot."""


@dataclass(slots=True, eq=False)
class Made:
    """Something that a pickle would make, by calling what is named with arguments."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None
    """What it would be given afterwards: for most classes its attributes."""


class _Mark:
    """Where a collection begins on the stack."""


def read_pickle(data: bytes) -> Any:
    """Return what a pickle says: plain values, and a :class:`Made` or :class:`Named` for all else.

    What it returns may hold the same value at several places, or itself: whoever walks through it bounds the way.

    Raises:
        Unreadable: it is broken, too long, or does what only programs do that mean harm.
    """
    machine = _Machine()
    try:
        for opcode, argument, _position in islice(pickletools.genops(data), MOST_STEPS):
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, argument)
    except Unreadable:
        raise
    except _OF_DAMAGE as error:
        raise Unreadable("the pickle is damaged") from error
    raise Unreadable("the pickle is too long")


class _Machine:
    """The stack and the memory of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        """Do what one opcode says.

        Raises:
            Unreadable: nothing that stores a mail writes this opcode.
        """
        if name in _SKIPPED:
            return
        if name in _VALUES:
            self._stack.append(_VALUES[name])
        elif name in _ARGUMENTS:
            self._stack.append(argument)
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        else:
            raise Unreadable(f"the pickle has the opcode {name}, which no mail needs")

    def pop(self) -> Any:
        """Take the uppermost value."""
        value = self._stack.pop()
        if isinstance(value, _Mark):
            raise Unreadable("the pickle is damaged")
        return value

    def _since_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[index], _Mark):
                taken = self._stack[index + 1 :]
                del self._stack[index:]
                return taken
        raise Unreadable("the pickle is damaged")

    def _drop(self) -> None:
        self._stack.pop()

    def _drop_to_mark(self) -> None:
        self._since_mark()

    def _top(self, kind: type[Any]) -> Any:
        value = self._stack[-1]
        if not isinstance(value, kind):
            raise Unreadable("the pickle is damaged")
        return value

    def _tuple(self, count: int) -> None:
        taken = [self.pop() for _place in range(count)]
        self._stack.append(tuple(reversed(taken)))

    def _extend(self, values: list[Any]) -> None:
        # What is made may be a list or dictionary besides; of such nothing is kept.
        if not isinstance(self._stack[-1], Made):
            self._top(list).extend(values)

    def _update(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], Made):
            self._top(dict).update(zip(_plain(values[::2]), values[1::2], strict=True))

    def _dictionary(self, values: list[Any]) -> None:
        self._stack.append({})
        self._update(values)

    def _add(self, values: list[Any]) -> None:
        self._top(set).update(_plain(values))

    def _set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def _append(self) -> None:
        value = self.pop()
        self._extend([value])

    def _remember(self, index: int) -> None:
        self._memory[index] = self._stack[-1]

    def _global(self, name: str) -> None:
        self._stack.append(Named(name))

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Unreadable("the pickle is damaged")
        self._global(f"{module}.{name}")

    def _make(self, arguments: Any) -> None:
        called = self.pop()
        if not isinstance(called, Named) or not isinstance(arguments, tuple):
            raise Unreadable("the pickle calls what is no name")
        self._stack.append(Made(called.name, arguments))

    def _make_with_names(self) -> None:
        keywords, arguments = self.pop(), self.pop()
        if keywords:
            raise Unreadable("the pickle makes something from named arguments")
        self._make(arguments)

    def _build(self) -> None:
        state = self.pop()
        self._top(Made).state = state


def _plain(keys: list[Any]) -> list[Any]:
    """Return keys or members as they are. Of nested ones a few steps make what takes hours to hash, or ends the process."""
    if not all(key is None or isinstance(key, (str, bytes, int, float)) for key in keys):
        raise Unreadable("the pickle is damaged")
    return keys


_SKIPPED = frozenset({"PROTO", "FRAME"})
_VALUES: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Mapping[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
    "MARK": _Mark,
}
_ARGUMENTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    }
)
_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "POP": lambda machine, _: machine._drop(),
    "POP_MARK": lambda machine, _: machine._drop_to_mark(),
    "DUP": lambda machine, _: machine._stack.append(machine._stack[-1]),
    "PUT": lambda machine, index: machine._remember(index),
    "BINPUT": lambda machine, index: machine._remember(index),
    "LONG_BINPUT": lambda machine, index: machine._remember(index),
    "MEMOIZE": lambda machine, _: machine._remember(len(machine._memory)),
    "GET": lambda machine, index: machine._stack.append(machine._memory[index]),
    "BINGET": lambda machine, index: machine._stack.append(machine._memory[index]),
    "LONG_BINGET": lambda machine, index: machine._stack.append(machine._memory[index]),
    "TUPLE": lambda machine, _: machine._stack.append(tuple(machine._since_mark())),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "LIST": lambda machine, _: machine._stack.append(machine._since_mark()),
    "APPEND": lambda machine, _: machine._append(),
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "DICT": lambda machine, _: machine._dictionary(machine._since_mark()),
    "SETITEM": lambda machine, _: machine._set_item(),
    "SETITEMS": lambda machine, _: machine._update(machine._since_mark()),
    "ADDITEMS": lambda machine, _: machine._add(machine._since_mark()),
    "FROZENSET": lambda machine, _: machine._stack.append(frozenset(_plain(machine._since_mark()))),
    "GLOBAL": lambda machine, named: machine._global(named.replace(" ", ".", 1)),
    "STACK_GLOBAL": lambda machine, _: machine._stack_global(),
    "REDUCE": lambda machine, _: machine._make(machine.pop()),
    "NEWOBJ": lambda machine, _: machine._make(machine.pop()),
    "NEWOBJ_EX": lambda machine, _: machine._make_with_names(),
    "BUILD": lambda machine, _: machine._build(),
}
