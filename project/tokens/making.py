"""Making tokens, and which of them a person sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken

if TYPE_CHECKING:
    from django.db.models import QuerySet

LIFETIME = timedelta(hours=12)
"""Unless somebody says otherwise: a working day."""
LONGEST = timedelta(days=365)
DEMO_PREFIX = "demo_"
"""What the tokens begin with that ``manage.py demo`` makes: so they are known when they have to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made. Its value is nowhere else: whoever has this shows it once."""

    value: str
    user: User
    expires_at: datetime

    def __repr__(self) -> str:
        return f"<NewToken of {self.user}>"


def make_token(user: User, *, lifetime: timedelta = LIFETIME, prefix: str = "") -> NewToken:
    """A new token for ``user``; the expired ones of that user are removed.

    Args:
        user: should be active, since the token of another is refused.
        lifetime: more than nothing; callers see to it that it is at most ``LONGEST``.
        prefix: what it begins with, at most ten characters of ``b64token`` (RFC 6750 §2.1).
    """
    with transaction.atomic():
        AuthToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
        row, value = AuthToken.objects.create(user, expiry=lifetime, prefix=prefix)
    return NewToken(value=value, user=user, expires_at=row.expiry)


def replace_demo_token(user: User) -> NewToken:
    """The token of a new run of the demo; those of earlier runs are no longer valid."""
    with transaction.atomic():
        AuthToken.objects.filter(token_key__startswith=DEMO_PREFIX).delete()
        return make_token(user, prefix=DEMO_PREFIX)


def visible_tokens(user: User) -> QuerySet[Any]:
    """One's own, or for a superuser everybody's; the newest first."""
    tokens: QuerySet[Any] = AuthToken.objects.select_related("user").order_by("-created")
    return tokens if user.is_superuser else tokens.filter(user=user)
