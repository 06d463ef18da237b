"""Reads the documents that clients send: which resource they speak of, its attributes and its relationships."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError

from mailconfig.api.common.serializers import shown_name

TYPE = "mailbox"
USER_TYPE = "user"
_TOP = frozenset({"data", "included", "jsonapi", "links", "meta"})
"""Members of a document. All but the data are as they were read, if they are there, and say nothing."""
_MEMBERS = frozenset({"type", "id", "attributes", "relationships", "links", "meta"})
_NEW = frozenset({*_MEMBERS, "lid"})
"""Members of a resource that shall be made: its client may have a name for it, of use in the document alone."""
_KEY = re.compile(r"[1-9][0-9]{0,17}")
BIGGEST_KEY = 10**18 - 1
WHOLE = "/"
"""Stands for the whole document where an error is noted, for nothing at all stands for no member in particular."""


class Conflict(APIException):
    """The document speaks of another resource than the address does (409)."""

    status_code = 409
    default_code = "conflict"

    def __init__(self, detail: str, *, pointer: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class ClientChosenId(PermissionDenied):
    """A new resource came with an id (403)."""

    pointer = "/data/id"


@dataclass(frozen=True, slots=True)
class Sent:
    """A resource as a client sends it."""

    attributes: Mapping[str, Any]
    relationships: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return nothing of it: error reporters show every variable."""
        return "<Sent>"


def read_document(
    body: Any,
    *,
    key: int | None,
    attributes: Collection[str],
    relationships: Collection[str],
    kind: str = TYPE,
) -> Sent:
    """Return the resource in a document.

    Args:
        key: of the resource that the address names; ``None``: it shall be made.
        attributes, relationships: those there are.
        kind: the type of the resource.

    Raises:
        ValidationError: it is no such document, or a name in it is not known.
        Conflict: the type or the id is another one.
        ClientChosenId: it shall be made and has an id.
    """
    _require_known(_object(body, ""), _TOP, "")
    if "data" not in body:
        raise ValidationError({"/data": [_required()]})
    data = _object(body["data"], "/data")
    _require_type(data, kind, "/data")
    _require_id(data, key)
    sent = Sent(_part(data, "attributes"), _part(data, "relationships"))
    _require_known(data, _NEW if key is None else _MEMBERS, "/data")
    _require_known(sent.attributes, attributes, "/data/attributes")
    _require_known(sent.relationships, relationships, "/data/relationships")
    return sent


def read_linkage(relationship: Any, name: str, kind: str = USER_TYPE) -> int | None:
    """Return the key of the user, or of another type, that a relationship names; ``None``: it says that there is nobody.

    Raises:
        ValidationError: it names nobody that there could be.
        Conflict: it names something else than a user.
    """
    at = f"/data/relationships/{name}"
    _require_known(_object(relationship, at), {"data", "links", "meta"}, at)
    if "data" not in relationship:
        raise ValidationError({f"{at}/data": [_required()]})
    if relationship["data"] is None:
        return None
    data = _object(relationship["data"], f"{at}/data")
    _require_type(data, kind, f"{at}/data")
    key = key_of(data.get("id"))
    if key is None:
        words = _("There is no such user.") if kind == USER_TYPE else _("There is no such mailbox.")
        raise ValidationError({f"{at}/data/id": [words]})
    return key


def key_of(value: Any) -> int | None:
    """Return an id that is a whole number, or one in ASCII digits; ``None``: it is no id."""
    if isinstance(value, str) and _KEY.fullmatch(value):
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 1 <= value <= BIGGEST_KEY else None


def _require_type(data: Mapping[str, Any], expected: str, at: str) -> None:
    if "type" not in data:
        raise ValidationError({f"{at}/type": [_required()]})
    if data["type"] != expected:
        raise Conflict(_("The type here is %(type)s.") % {"type": expected}, pointer=f"{at}/type")


def _require_id(data: Mapping[str, Any], key: int | None) -> None:
    if key is None:
        if data.get("id") is not None:
            raise ClientChosenId(_("New resources get their id here: send none."))
    elif "id" not in data:
        raise ValidationError({"/data/id": [_required()]})
    elif key_of(data["id"]) != key:
        raise Conflict(_("The address names another id."), pointer="/data/id")


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _object(data[name], f"/data/{name}") if name in data else {}


def _object(value: Any, at: str) -> Mapping[str, Any]:
    """Return its members; those that begin with an @ say nothing (JSON:API 1.1, @-Members)."""
    if not isinstance(value, dict):
        raise ValidationError({at or WHOLE: [_("Must be an object.")]})
    return {name: inner for name, inner in value.items() if not name.startswith("@")}


def _require_known(found: Mapping[str, Any], known: Collection[str], at: str) -> None:
    unknown = {name: [_("There is no such member.")] for name in found if name not in known}
    if unknown:
        raise ValidationError({f"{at}/{shown_name(name)}": words for name, words in unknown.items()})


def _required() -> str:
    return _("This is needed.")
