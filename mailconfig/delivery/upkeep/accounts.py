"""What becomes of accounts as a whole: deleting them, and that a changed connection is proved no longer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailconfig.exceptions import AccountInUse, NoAccount
from mailconfig.models import WAITING_STATES, Account, Lane, Message, MessageState

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AbstractBaseUser


def unsent(account_ids: Collection[int]) -> dict[int, int]:
    """How many mails of each account wait to be sent; accounts without any are left out."""
    mine = Message.objects.filter(account_id__in=list(account_ids)).order_by()
    # Two conditions, as the partial indexes have them.
    queued = mine.filter(state=MessageState.QUEUED)
    others = mine.filter(state__in=sorted(WAITING_STATES - {MessageState.QUEUED}))
    counts: Counter[int] = Counter()
    for rows in (queued, others):
        counts.update(dict(rows.values_list("account_id").annotate(Count("pk"))))
    return dict(counts)


def delete_account(*, account_id: int, by: AbstractBaseUser | None) -> None:
    """Take an account away: its secret is wiped, its row stays for the messages that were sent through it.

    Raises:
        AccountInUse: mail of this account still waits; nothing was changed.
        NoAccount: there is none, or it was deleted already.
    """
    with transaction.atomic():
        # The lock makes an enqueue of the same moment wait: its message's foreign key needs the row.
        accounts = Account.objects.select_for_update().kept()
        account = accounts.only("pk", "name", "from_email", "username").filter(pk=account_id).first()
        if account is None:
            raise NoAccount(_("The account does not exist any more."))
        waiting = unsent([account_id]).get(account_id, 0)
        if waiting:
            text = ngettext(
                "%(count)s mail of this account is not sent yet.",
                "%(count)s mails of this account are not sent yet.",
                waiting,
            )
            raise AccountInUse(text % {"count": waiting}, waiting=waiting)
        Account.objects.filter(pk=account_id).update(
            secret=None,
            is_enabled=False,
            is_default=False,
            deleted_at=Now(),
            updated_at=Now(),
            updated_by=by,
            revision=F("revision") + 1,
        )
        Lane.objects.filter(account_id=account_id).update(due_at=None)
