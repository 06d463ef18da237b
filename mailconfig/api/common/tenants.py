"""Tenants that callers name: theirs, or none."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

from mailconfig.models import Tenant


def tenant_of(user: AbstractBaseUser, slug: str) -> Tenant | None:
    """Return the active tenant of this short name that ``user`` belongs to; ``None``: there is none for them.

    What cannot be a short name is asked of no database.
    """
    try:
        Tenant._meta.get_field("slug").clean(slug, None)
    except ValidationError:
        return None
    return Tenant.objects.for_principal(user).filter(slug=slug).first()
