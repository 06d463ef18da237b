"""A person's pause of an account: nothing is sent until somebody ends it, whatever is edited, tested or connected meanwhile.

It stands in columns of its own on the lane that sends. One conditional UPDATE decides who paused it, another who ended that; the
journal asks for it, so a worker stops after the mail in hand. A mailbox is read all the same: disabling it stops that too.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from mailconfig import signals
from mailconfig.delivery import lanes, trail
from mailconfig.delivery.wake import wake_lane
from mailconfig.exceptions import NoAccount
from mailconfig.models import (
    PAUSES,
    Account,
    Lane,
    Purpose,
    WaitReason,
    note_account_paused,
    note_account_resumed,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

LONGEST_REASON = 200


def pause_account(*, account_id: int, by: AbstractBaseUser | None, because: str) -> bool:
    """Send nothing of this account until :func:`resume_account`. Its mail is queued, or goes over another account as in other pauses.

    Args:
        account_id: of the account.
        by: who wants it; ``None``: the deployment.
        because: why, in that person's words: one line, cut to 200 characters.

    Returns:
        Whether this call paused it; ``False``: it was paused already, and that pause stays as it is.

    Raises:
        NoAccount: there is none, or it was deleted.
    """
    _require_kept(account_id)
    words = " ".join(because.split())[:LONGEST_REASON]
    lanes_that_send = Lane.objects.filter(account_id=account_id, purpose=Purpose.SEND)
    with transaction.atomic():
        lanes.ensure_lane(account_id)
        paused = lanes_that_send.filter(paused_at=None).update(
            paused_at=Now(), paused_by=None if by is None else by.pk, paused_because=words
        )
        if not paused:
            return False
        # What it knows of its connection stays: a refused login is none the better for a pause.
        lanes_that_send.exclude(wait_reason__in=PAUSES).update(
            wait_reason=WaitReason.PAUSED_BY_PERSON, wait_since=Now(), wait_until=None, wait_text=""
        )
        note_account_paused(account_id, purpose=Purpose.SEND, reason=WaitReason.PAUSED_BY_PERSON)
        transaction.on_commit(partial(_tell_paused, account_id, words), robust=True)
    return True


def resume_account(*, account_id: int) -> bool:
    """End a person's pause; mail that is due goes out at once, unless something else holds the account back.

    Returns:
        Whether this call ended it; ``False``: nobody had paused it.

    Raises:
        NoAccount: there is none, or it was deleted.
    """
    _require_kept(account_id)
    lanes_that_send = Lane.objects.filter(account_id=account_id, purpose=Purpose.SEND)
    with transaction.atomic():
        ended = lanes_that_send.filter(~Q(paused_at=None)).update(
            paused_at=None, paused_by=None, paused_because=""
        )
        if not ended:
            return False
        lanes_that_send.filter(wait_reason=WaitReason.PAUSED_BY_PERSON).update(
            wait_reason="", wait_since=None, wait_until=None, wait_text=""
        )
        note_account_resumed(account_id, purpose=Purpose.SEND)
        transaction.on_commit(partial(_tell_resumed, account_id), robust=True)
    return True


def _require_kept(account_id: int) -> None:
    if not Account.objects.kept().filter(pk=account_id).exists():
        raise NoAccount(_("The account does not exist any more."))


def _tell_paused(account_id: int, words: str) -> None:
    trail.waits(
        account_id,
        purpose=Purpose.SEND,
        reason=WaitReason.PAUSED_BY_PERSON,
        newly=True,
        until=None,
        error_code="",
        words=words,
    )
    signals.account_paused.send_robust(
        sender=Lane,
        account_id=account_id,
        purpose=str(Purpose.SEND),
        reason=str(WaitReason.PAUSED_BY_PERSON),
        text=words,
    )


def _tell_resumed(account_id: int) -> None:
    signals.account_resumed.send_robust(sender=Lane, account_id=account_id, purpose=str(Purpose.SEND))
    wake_lane(account_id)
