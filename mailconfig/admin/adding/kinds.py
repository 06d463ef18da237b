"""The kinds of account that a person may see or add, each with a sentence on when to choose it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from mailconfig.admin.account_links import MODEL_OF_KIND
from mailconfig.models import AccountKind

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SENTENCES: dict[str, _StrPromise] = {
    AccountKind.MAILBOX: _(
        "An address that sends, and whose incoming mail is read here. Choose it if answers count."
    ),
    AccountKind.OUTBOUND_EMAIL: _(
        "One person's own way to send. Choose it for mail in somebody's name that nobody reads here."
    ),
    AccountKind.SMTP_PROVIDER: _(
        "A connection of the whole organisation. Choose it for what programs send: receipts, reminders, password resets."
    ),
    AccountKind.TENANT_CONFIG: _(
        "The one way in which all mail of a tenant leaves. Choose it once for each tenant."
    ),
}
"""In the order in which they are offered."""


def kinds_allowed(user: User, *verbs: str) -> list[str]:
    """Return the kinds for which a person has the permission of any of these verbs, such as ``view`` and ``change``."""
    return [
        str(kind)
        for kind in SENTENCES
        if any(user.has_perm(f"mailconfig.{verb}_{MODEL_OF_KIND[str(kind)]}") for verb in verbs)
    ]
