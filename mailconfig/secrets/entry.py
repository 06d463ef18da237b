"""Entry of secrets: the one rule for forms and serializers."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mailconfig.values import Secret

MAX_BYTES = 64 * 1024
"""Of a secret for which nobody says otherwise."""

_MASK = re.compile(r"[*•]+")
_FORBIDDEN = re.compile(r"[\x00\r\n\ud800-\udfff]")


def secret_from_entry(text: str, *, longest: int | None = None) -> Secret | None:
    """`text` as a Secret, every character kept (spaces at the ends too); ``None`` for the empty string.

    Args:
        longest: how many characters are taken; ``None``: as many as ``MAX_BYTES`` hold.

    Raises:
        ValidationError: with code ``mask`` (only ``*`` or ``•``, as a page shows a secret that it hides),
            ``forbidden_character`` (NUL, CR, LF, lone surrogates) or ``too_long``; never holds the text.
    """
    if not text:
        return None
    if _MASK.fullmatch(text):
        raise ValidationError(_("Enter the secret itself, not a mask."), code="mask")
    if _FORBIDDEN.search(text):
        raise ValidationError(_("The secret must not hold line breaks or NUL."), code="forbidden_character")
    if len(text) > longest if longest is not None else len(text.encode()) > MAX_BYTES:
        raise ValidationError(_("The secret is too long."), code="too_long")
    return Secret(text)
