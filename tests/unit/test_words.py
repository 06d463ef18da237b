"""Words of the code: docstrings begin with what is there or done, and names are the field's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailconfig

PACKAGE = Path(mailconfig.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
NAMES = {str(path.relative_to(PACKAGE)): path for path in FILES}

QUESTIONS = re.compile(r"(as|what|whether|those|how|who|whose|whom|why|which)\b", re.IGNORECASE)
"""A docstring that begins like this makes its reader look for the subject."""

RIDDLES = frozenset(
    {
        "steer",
        "steering",
        "anchor",
        "anchors",
        "people",
        "place",
        "places",
        "sample",
        "trouble",
        "troubles",
        "standings",
        "told",
    }
)
"""Words that a stranger has to guess the meaning of, as parts of names that others call."""


def documented(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each module, class and function with its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "the module"), text


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of public classes and functions, and of their arguments."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_"):
                yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


def parts(name: str) -> set[str]:
    """Return the words that a name is made of."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+", name)}


@pytest.mark.parametrize("name", NAMES)
def test_a_docstring_begins_with_a_verb_or_a_noun(name: str) -> None:
    tree = ast.parse(NAMES[name].read_text(encoding="utf-8"))

    assert [(what, text[:60]) for what, text in documented(tree) if QUESTIONS.match(text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_a_riddle(name: str) -> None:
    tree = ast.parse(NAMES[name].read_text(encoding="utf-8"))
    names = [*Path(name).with_suffix("").parts, *public_names(tree)]

    assert [found for found in names if parts(found) & RIDDLES] == []
