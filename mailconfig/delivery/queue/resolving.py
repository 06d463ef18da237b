"""Asking the deployment's resolver what the tokens of one mail stand for.

Nothing that a resolver returns or raises is told to anybody: an error's words and the variables in its frames may hold a
person's data. Of an error its type is logged, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from django.core.exceptions import ImproperlyConfigured

from mailconfig.exceptions import ResolverAway, TokenInvalid
from mailconfig.resolvers import load_resolver

logger = logging.getLogger("mailconfig.resolver")

TOKEN_UNKNOWN = "token_unknown"  # noqa: S105 - a code
"""Error code of a mail with a token that is unknown, or another tenant's: nobody is told which."""
TOKEN_INVALID = "token_invalid"  # noqa: S105 - a code
"""Error code of a mail with a token that stands for what cannot be sent there."""
MOST_CHARACTERS = 256 * 1024
"""Of what one token stands for."""


def resolve(tenant: str, tokens: Sequence[str], *, seconds: float) -> dict[str, str]:
    """Return what each token stands for, asking once. No transaction may be open.

    Args:
        tenant: the short name of the tenant; ``""``: it is gone.
        tokens: of one mail, each once.
        seconds: what the resolver is told that it has. One that takes longer is not ended.

    Raises:
        ResolverAway: nobody can say for now.
        TokenInvalid: one of them is unknown, or stands for what is no text or too long.
    """
    found = _ask(tenant, tokens, seconds) if tenant else {}
    values: dict[str, str] = {}
    for token in tokens:
        value = found.get(token)
        if value is None:
            raise TokenInvalid("a token is unknown", code=TOKEN_UNKNOWN)
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
            raise TokenInvalid("a token stands for no text, or for one that is too long", code=TOKEN_INVALID)
        values[token] = value
    return values


def _ask(tenant: str, tokens: Sequence[str], seconds: float) -> Mapping[str, object]:
    away: str
    try:
        found = load_resolver().resolve(tenant=tenant, tokens=tuple(tokens), seconds=seconds)
        if isinstance(found, Mapping):
            return found
        away = f"it returned {type(found).__name__}"
    except TokenInvalid:
        raise TokenInvalid("the resolver says that a token cannot be used", code=TOKEN_INVALID) from None
    except ImproperlyConfigured as error:
        away = str(error)  # of the settings, before anything was asked
    except BaseException as error:  # noqa: BLE001 - somebody else's code, in a thread of ours: it loses no mail
        away = type(error).__name__
    logger.warning("the resolver of tokens cannot say, tenant %s: %s", tenant, away)
    raise ResolverAway("the resolver cannot say")
