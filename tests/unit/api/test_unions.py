"""Unions of an OpenAPI document: what each becomes."""

from __future__ import annotations

from typing import Any

import pytest

from mailconfig.api.common.unions import normalise_unions

EMAIL = {"type": "string", "format": "email"}
EMPTY = {"type": "string", "maxLength": 0}
NUMBER = {"type": "integer"}


@pytest.mark.parametrize(
    ("written", "settled"),
    [
        ({"oneOf": [EMAIL, EMPTY]}, {"anyOf": [EMAIL, EMPTY]}),
        ({"oneOf": [EMAIL, NUMBER], "nullable": True}, {"anyOf": [{**EMAIL, "nullable": True}, NUMBER]}),
        (
            {"oneOf": [{**EMAIL, "nullable": True}, {**NUMBER, "nullable": True}], "nullable": True},
            {"anyOf": [{**EMAIL, "nullable": True}, NUMBER]},
        ),
        ({"anyOf": [NUMBER, {**EMAIL, "nullable": True}]}, {"anyOf": [{**NUMBER, "nullable": True}, EMAIL]}),
        ({"oneOf": [{**EMAIL, "default": ""}, EMPTY]}, {"anyOf": [EMAIL, EMPTY], "default": ""}),
        (
            {"oneOf": [{**EMAIL, "default": ""}, EMPTY], "default": "x"},
            {"anyOf": [EMAIL, EMPTY], "default": "x"},
        ),
        ({"type": "string", "nullable": True}, {"type": "string", "nullable": True}),
    ],
)
def test_a_union_takes_what_fits_and_null_by_one_alternative(written: Any, settled: Any) -> None:
    document = {"a": [{"b": _copy(written)}]}
    normalise_unions(document)
    assert document == {"a": [{"b": settled}]}


def _copy(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _copy(inner) for name, inner in node.items()}
    return [_copy(inner) for inner in node] if isinstance(node, list) else node
