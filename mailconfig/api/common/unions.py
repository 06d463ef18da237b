"""Unions in OpenAPI 3.0: written so that what is taken fits them, and that every reader takes them alike."""

from __future__ import annotations

from typing import Any


def normalise_unions(node: Any) -> None:
    """Write every ``oneOf`` below ``node`` as ``anyOf``; move what belongs to an alternative, or to the whole, there.

    * ``oneOf`` refuses what fits two alternatives. The empty text fits "a text of at most 0 characters" and, for
      whoever takes ``format`` for a remark (JSON Schema allows it), "an e-mail address" as well.
    * ``nullable`` means nothing without a ``type`` beside it (OpenAPI 3.0.3), so it belongs into an alternative, and
      into one only.
    * A default need not fit the alternative that it came with.
    """
    if isinstance(node, dict):
        if isinstance(node.get("oneOf"), list):
            node["anyOf"] = node.pop("oneOf")
        if isinstance(node.get("anyOf"), list):
            _normalise(node, node["anyOf"])
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        normalise_unions(inner)


def _normalise(union: dict[str, Any], alternatives: list[dict[str, Any]]) -> None:
    takes_null = union.pop("nullable", False)
    for alternative in alternatives:
        takes_null = alternative.pop("nullable", False) or takes_null
        if "default" in alternative:
            union.setdefault("default", alternative.pop("default"))
    if takes_null:
        next(one for one in alternatives if "type" in one)["nullable"] = True
