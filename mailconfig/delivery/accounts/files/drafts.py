"""Drafts of imports: sealed for one person and one session, taken by one request at a time, gone after minutes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.files.reading import AccountRow
from mailconfig.exceptions import DestinationChanged, SecretUnreadable
from mailconfig.models import AccountImport
from mailconfig.secrets import keyring


def keep_import(
    *, rows: list[AccountRow], by: AbstractBaseUser, session: str, is_trying: bool
) -> AccountImport:
    """Store the rows until they are imported, in place of what the same person uploaded before."""
    text = json.dumps([asdict(row) for row in rows])
    draft = AccountImport(user_id=by.pk, is_trying=is_trying)
    draft.sealed = keyring.seal(text, binding=_binding(draft, session))
    with transaction.atomic():
        purge_imports()
        AccountImport.objects.filter(user_id=by.pk).delete()
        draft.save(force_insert=True)
    return draft


def find_import(
    *, draft_id: UUID, by: AbstractBaseUser, session: str
) -> tuple[AccountImport, list[AccountRow]] | None:
    """Return a draft and its rows, of which there are none any more once all are imported.

    Returns:
        ``None``: there is none of this person and session, or its time is over.
    """
    since = Now() - timedelta(minutes=AccountImport.KEPT_MINUTES)
    draft = AccountImport.objects.filter(pk=draft_id, user_id=by.pk, created_at__gt=since).first()
    if draft is None:
        return None
    if not draft.sealed:
        return draft, []
    try:
        text = keyring.open(draft.sealed, binding=_binding(draft, session))
    except (DestinationChanged, SecretUnreadable):
        return None
    return draft, [AccountRow(**row) for row in json.loads(text)]


def take_import(draft: AccountImport, *, seconds: float) -> bool:
    """Return whether this request alone imports for so long; its numbers are then read anew."""
    longest = seconds + 2 * get_settings().probe_seconds + 5
    is_free = Q(busy_until=None) | Q(busy_until__lt=Now())
    free = AccountImport.objects.filter(is_free, pk=draft.pk)
    if not free.update(busy_until=Now() + timedelta(seconds=longest)):
        return False
    draft.refresh_from_db(fields=["next_row", "outcomes", "sealed"])
    return True


def pass_row(draft: AccountImport) -> None:
    """Go on to the next row, before this one is stored: should the process end here, none is stored twice."""
    draft.next_row += 1
    AccountImport.objects.filter(pk=draft.pk).update(next_row=draft.next_row)


def note_outcome(draft: AccountImport, outcome: dict[str, Any]) -> None:
    """Keep what became of a row."""
    draft.outcomes.append(outcome)
    AccountImport.objects.filter(pk=draft.pk).update(outcomes=draft.outcomes)


def leave_import(draft: AccountImport, *, rows: int) -> None:
    """Let another request go on; what was sealed goes with the last row. The time for which it is kept begins anew."""
    done: dict[str, Any] = {"sealed": ""} if draft.next_row >= rows else {}
    AccountImport.objects.filter(pk=draft.pk).update(busy_until=None, created_at=Now(), **done)


def purge_imports() -> int:
    """Delete drafts whose time is over; return their number."""
    over = Now() - timedelta(minutes=AccountImport.KEPT_MINUTES)
    return AccountImport.objects.filter(created_at__lt=over).delete()[0]


def _binding(draft: AccountImport, session: str) -> str:
    return f"import:{draft.pk}:{draft.user_id}:{hashlib.sha256(session.encode()).hexdigest()}"
