"""Refusals to store, prove, test or delete an account: a code, words and the field, the same for every interface."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from mailconfig.exceptions import (
    AccountChanged,
    AccountInUse,
    DeliveryError,
    MailconfigError,
    NoAccount,
    OnlyByWorkers,
    SecretUnreadable,
    Throttled,
    WrongInstallation,
)


class RefusalCode(enum.StrEnum):
    """Reasons why nothing was done."""

    CHANGED = "changed"
    IN_USE = "in_use"
    NO_ACCOUNT = "no_account"
    ONLY_BY_WORKERS = "only_by_workers"
    SECRET_UNREADABLE = "unreadable"  # noqa: S105 - a word for a failure
    THROTTLED = "throttled"
    WRONG_INSTALLATION = "wrong_installation"
    OTHER = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Refusal to do something, in the active language."""

    code: RefusalCode
    message: str
    """For everybody."""
    detail: str = ""
    """For staff, where there is more to say to them."""
    field: str = ""
    """The account's field that it is about; empty: none."""
    retry_after: int | None = None
    """Seconds until it may be tried again, where that is known."""


_CODES: tuple[tuple[type[MailconfigError], RefusalCode], ...] = (
    (AccountChanged, RefusalCode.CHANGED),
    (AccountInUse, RefusalCode.IN_USE),
    (NoAccount, RefusalCode.NO_ACCOUNT),
    (OnlyByWorkers, RefusalCode.ONLY_BY_WORKERS),
    (SecretUnreadable, RefusalCode.SECRET_UNREADABLE),
    (Throttled, RefusalCode.THROTTLED),
    (WrongInstallation, RefusalCode.WRONG_INSTALLATION),
    (DeliveryError, RefusalCode.OTHER),
)
_SENTENCES = {
    RefusalCode.CHANGED: _(
        "Somebody else changed this at the same moment, so nothing was stored. Read it and try again."
    ),
    RefusalCode.SECRET_UNREADABLE: _("The stored password cannot be read. Enter it again."),
    RefusalCode.WRONG_INSTALLATION: _(
        "This database belongs to another installation: nothing is sent from here."
    ),
}
"""Where the error's own text is for the log, or for staff; everywhere else it is for people."""


def refusal_of(error: Exception) -> Refusal | None:
    """Return what an exception of these operations refuses; ``None``: it is something else.

    Of :class:`~mailconfig.exceptions.NotProved` its check tells more; errors of validation speak for themselves.
    """
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is None:
        return None
    return Refusal(
        code=code,
        message=str(_SENTENCES.get(code) or error),
        detail=str(error) if code is RefusalCode.WRONG_INSTALLATION else "",
        field="secret" if code is RefusalCode.SECRET_UNREADABLE else "",
        retry_after=error.retry_after if isinstance(error, Throttled) else None,
    )
