"""Resolvers: what says, at the moment of sending, what the PII tokens of a mail stand for.

A deployment names one by ``PII_RESOLVER``: the dotted path of a class that is called without arguments, once in each
process. :class:`mailconfig.resolvers.http.HttpResolver` asks a service; any other is a class of the project's own with
the method of :class:`TokenResolver`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol, cast

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from mailconfig.conf import get_settings

__all__ = ["TokenResolver", "load_resolver"]


class TokenResolver(Protocol):
    """Knows what tokens stand for. Called in threads of a worker, several at a time, with no transaction open."""

    def resolve(self, *, tenant: str, tokens: Sequence[str], seconds: float) -> Mapping[str, str]:
        """Return what the tokens of one mail stand for, by token.

        Only what belongs to the tenant may be answered: a token that is unknown, or another tenant's, is left out, and
        the mail fails for good. Nothing that is returned or raised is kept or logged, but the type of an error.

        Args:
            tenant: the short name (``slug``) of the tenant whose mail it is.
            tokens: each once; at most three, besides those of attachments.
            seconds: after so long nobody waits for the answer any more, and a resolver should have ended by then.

        Raises:
            ResolverAway: nobody can say for now; the mail waits. Any other error means the same.
            TokenInvalid: what a token stands for cannot be used, now or ever; the mail fails.
        """
        ...


def load_resolver() -> TokenResolver:
    """Return the deployment's resolver.

    Raises:
        ImproperlyConfigured: it names none, or one that cannot be made.
    """
    path = get_settings().pii_resolver
    if not path:
        msg = "MAILCONFIG['PII_RESOLVER'] names no resolver"
        raise ImproperlyConfigured(msg)
    return _load(path)


@lru_cache(maxsize=8)
def _load(path: str) -> TokenResolver:
    try:
        made = import_string(path)()
    except ImproperlyConfigured:
        raise
    except Exception as error:
        msg = f"MAILCONFIG['PII_RESOLVER']: {path} cannot be made: {type(error).__name__}: {error}"
        raise ImproperlyConfigured(msg) from error
    if not callable(getattr(made, "resolve", None)):
        msg = f"MAILCONFIG['PII_RESOLVER']: {path} has no method resolve"
        raise ImproperlyConfigured(msg)
    return cast("TokenResolver", made)
