"""The layout of the page on which an account is added: two fields, and everything else folded away."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

FIRST = ("from_email", "secret")


def first_things_first(fieldsets: list[Any], *before: str) -> list[Any]:
    """Return the fieldsets with what has to be said at the top, and all others closed.

    Args:
        fieldsets: of the page on which such an account is edited.
        before: fields without which there is no account of this kind, and that nobody can guess.
    """
    first = (*before, *FIRST)
    others = [
        (name, {**options, "fields": fields, "classes": ("collapse",)})
        for name, options in fieldsets
        if (fields := _without(options["fields"], first))
    ]
    about = _(
        "The connection is tried before anything is saved. Server, port and encryption are found by the address;"
        " what is found, and all other settings, stand below."
    )
    return [(_("Account"), {"fields": first, "description": about, "classes": ("mc-first",)}), *others]


def _without(fields: Any, taken: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what is left of a fieldset's fields, of which some share a line."""
    left: list[Any] = []
    for line in fields:
        if isinstance(line, str):
            left += [] if line in taken else [line]
        elif kept := tuple(name for name in line if name not in taken):
            left.append(kept)
    return tuple(left)
