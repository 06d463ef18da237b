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
BESIDE = {
    str(path.relative_to(PACKAGE.parent)): path
    for folder in ("project", "benchmarks")
    for path in sorted((PACKAGE.parent / folder).rglob("*.py"))
}
"""Code that does not ship, and is read all the same."""

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

SENTENCES_OF_OTHERS = {"api/common/errors.py": {"CSRF Failed"}}
"""What other libraries say without a code, by who has to recognise it."""


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


@pytest.mark.parametrize("name", [*NAMES, *BESIDE])
def test_a_docstring_begins_with_a_verb_or_a_noun(name: str) -> None:
    tree = ast.parse((NAMES | BESIDE)[name].read_text(encoding="utf-8"))

    assert [(what, text[:60]) for what, text in documented(tree) if QUESTIONS.match(text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_a_riddle(name: str) -> None:
    tree = ast.parse(NAMES[name].read_text(encoding="utf-8"))
    names = [*Path(name).with_suffix("").parts, *public_names(tree)]

    assert [found for found in names if parts(found) & RIDDLES] == []


def compared_with(tree: ast.Module) -> Iterator[str]:
    """Yield the constant texts that something is compared with or searched for."""
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {
            "startswith",
            "endswith",
            "find",
        }:
            operands = node.args
        elif isinstance(node, ast.MatchValue):
            operands = [node.value]
        for operand in operands:
            for each in getattr(operand, "elts", [operand]):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("transports/")])
def test_nothing_hangs_on_an_english_sentence(name: str) -> None:
    """Transports have to read what servers say; nobody else has to."""
    tree = ast.parse(NAMES[name].read_text(encoding="utf-8"))
    sentences = {text for text in compared_with(tree) if re.search(r"[A-Za-z] [A-Za-z]", text)}

    assert sentences <= SENTENCES_OF_OTHERS.get(name, set())
