"""The messages of the package: every call of gettext in its modules, every translation tag of its templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

from babel.messages.extract import extract_python
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mailconfig"
TRANSLATION = "django.utils.translation"
TEMPLATES = {".html", ".txt"}

ROLES: dict[str, tuple[str, ...]] = {
    "gettext": ("id",),
    "gettext_lazy": ("id",),
    "gettext_noop": ("id",),
    "ngettext": ("id", "plural"),
    "ngettext_lazy": ("id", "plural"),
    "pgettext": ("context", "id"),
    "pgettext_lazy": ("context", "id"),
    "npgettext": ("context", "id", "plural"),
    "npgettext_lazy": ("context", "id", "plural"),
}
"""What the first arguments of Django's functions are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message, and the file that says it (from the repository's root)."""

    id: str
    plural: str = ""
    context: str = ""
    path: str = ""


def found() -> Iterator[Found]:
    """All of them, by path and then by place; what several places say comes several times.

    Raises:
        ValueError: a module gives one name to gettext functions that take different arguments.
    """
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py":
            yield from in_module(path.read_text(encoding="utf-8"), name)
        elif path.suffix in TEMPLATES:
            yield from in_template(path.read_text(encoding="utf-8"), name)


def in_module(source: str, path: str) -> Iterator[Found]:
    """Of a Python module: by whatever name it imports gettext, also inside an f-string."""
    # Not by Babel's own extractor: to Python 3.11's tokenizer an f-string is one token with no call in it.
    tree = ast.parse(source)
    names = _names(tree, path)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        roles = names.get(_name(call.func), ())
        texts = [_constant(argument) for argument in call.args[: len(roles)]]
        # A variable is no message: what it holds is marked where it is written.
        if roles and len(texts) == len(roles) and all(texts):
            yield Found(path=path, **{role: text or "" for role, text in zip(roles, texts, strict=True)})


def in_template(source: str, path: str) -> Iterator[Found]:
    """Of a Django template: ``{% translate %}``, ``{% blocktranslate %}`` and ``_("…")``."""
    # Django turns the tags into calls and all else into words of X. The indentation that stays would be Python's.
    calls = "\n".join(line.strip() for line in templatize(source).splitlines())
    names = ROLES | {"_": ROLES["gettext"]}
    for found_call in extract_python(BytesIO(calls.encode()), dict.fromkeys(names), [], {}):
        function, texts = cast("tuple[str, str | tuple[str | None, ...]]", found_call[1:3])
        given = [texts] if isinstance(texts, str) else [text or "" for text in texts]
        yield Found(path=path, **dict(zip(names[function], given, strict=False)))


def _names(tree: ast.Module, path: str) -> dict[str, tuple[str, ...]]:
    names = dict(ROLES)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == TRANSLATION:
            for alias in node.names:
                roles, name = ROLES.get(alias.name), alias.asname or alias.name
                if roles and names.setdefault(name, roles) != roles:
                    msg = f"{path} gives the name {name} to functions that take different arguments"
                    raise ValueError(msg)
    return names


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constant(argument: ast.expr) -> str | None:
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) else None
