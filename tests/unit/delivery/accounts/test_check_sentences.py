"""What a check says: every sentence has a code, and those of the transports are known, so that all can be translated."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mailconfig.transports
from mailconfig.delivery.accounts import sentences
from mailconfig.values import ErrorCode, Stage

FOLDER = Path(mailconfig.transports.__file__).parent
RAISES = {
    "TLSFailed",
    "ConnectionFailed",
    "LoginRefused",
    "ProtocolError",
    "SessionLost",
    "HostNotAllowed",
    "refused",
    "_failed",
    "tls_failed",
    "_broken",
    "_not_allowed",
    "_port_not_allowed",
}


def said_by_transports() -> set[str]:
    """The constant sentences that errors and hints are made of."""
    said: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISES:
                said |= {text for argument in node.args for text in _texts(argument)}
            if isinstance(node, ast.keyword) and node.arg == "hint":
                said |= set(_texts(node.value))
        if path.name == "hints.py":
            said |= {
                text for node in tree.body if isinstance(node, ast.Assign) for text in _texts(node.value)
            }
    return {text for text in said if " " in text}


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    return []


def test_every_sentence_of_the_transports_is_marked_for_translation() -> None:
    said = said_by_transports()

    assert len(said) > 30
    assert said - {sentences.TEXTS[code] for code in sentences.OF_TRANSPORTS} == set()


def test_every_sentence_has_a_code_of_its_own() -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", code) for code in sentences.TEXTS)
    assert len(set(sentences.TEXTS.values())) == len(sentences.TEXTS)
    constants = {
        value for name, value in vars(sentences).items() if name.isupper() and isinstance(value, str)
    }
    assert constants <= set(sentences.TEXTS), "words without a code would be stored and compared"
    assert {*sentences.BY_STAGE.values(), *sentences.BY_CODE.values()} <= set(sentences.TEXTS)


@pytest.mark.parametrize("code", list(ErrorCode))
@pytest.mark.parametrize("stage", list(Stage))
def test_there_is_a_sentence_for_every_code_and_stage(code: ErrorCode, stage: Stage) -> None:
    sentence = sentences.of_failure("the server's own words", code=code, stage=stage)

    assert sentences.TEXTS[sentence].endswith(".")


def test_a_hint_that_nobody_knows_is_not_shown() -> None:
    assert sentences.of_hint("go to http://example.com") == ""
