"""Forgetting accounts that were deleted long ago: first what names anybody goes, and with the last mail the row."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from mailconfig.models import Account, Attempt, ConnectionCheck, Lane, Mailbox, Message
from mailconfig.models.account_queries import AccountQuerySet

STEP = 1000
FORGOTTEN_TEXTS = (
    "name",
    "preset",
    "from_email",
    "from_name",
    "reply_to_email",
    "reply_to_name",
    "envelope_from",
    "host",
    "username",
)
"""Besides the secret, which went at once."""
FORGOTTEN_OF_MAILBOX = (
    "email_provider",
    "login_name",
    "smtp_login_name",
    "imap_host",
    "ews_endpoint",
    "signature",
    "sync_exclusions",
    "opt_out_message",
    "opt_out_signature",
)
FORGOTTEN_PEOPLE = ("owner", "tenant", "created_by", "updated_by")


def remove_accounts(before: datetime, *, most: int) -> int:
    """Remove the accounts deleted before that time, by when no window counts what they sent.

    One whose mail or attempts are kept stays as a number that they refer to: who it was, its server and its checks go.

    Args:
        most: rows removed at most in this call.

    Returns:
        How many rows were removed.
    """
    deleted = Account.objects.filter(deleted_at__lt=before)
    _forget(deleted)
    removed = 0
    mine = {"account": OuterRef("pk")}
    kept = [
        Message.objects.filter(**mine),
        Message.objects.filter(failed_over_from=OuterRef("pk")),
        Attempt.objects.filter(**mine),
    ]
    idle = deleted.filter(*(~Exists(rows) for rows in kept))
    while removed < most:
        ids = list(idle.order_by("pk").values_list("pk", flat=True)[:STEP])
        if not ids:
            break
        Account.objects.filter(pk__in=ids).delete()
        removed += len(ids)
    return removed


def _forget(deleted: AccountQuerySet) -> None:
    nothing: dict[str, str | None] = dict.fromkeys(FORGOTTEN_TEXTS, "")
    nothing |= dict.fromkeys(FORGOTTEN_PEOPLE)
    known = deleted.exclude(Q(**nothing))
    while ids := list(known.order_by("pk").values_list("pk", flat=True)[:STEP]):
        with transaction.atomic():
            Account.objects.filter(pk__in=ids).update(**nothing)
            Mailbox.objects.filter(pk__in=ids).update(**dict.fromkeys(FORGOTTEN_OF_MAILBOX, ""))
            Lane.objects.filter(account_id__in=ids).update(wait_text="", last_error_text="")
            ConnectionCheck.objects.filter(account_id__in=ids).delete()
