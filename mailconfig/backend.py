"""``EMAIL_BACKEND`` (or a ``MAILERS`` entry) of a host project: whatever it sends is queued."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import django
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Q
from django.db.models.functions import Lower

from mailconfig.delivery.queue import reports
from mailconfig.delivery.queue.enqueue import enqueue_for, find_account
from mailconfig.delivery.rendering.compose import from_address
from mailconfig.exceptions import NoAccount
from mailconfig.models import Account

logger = logging.getLogger("mailconfig.backend")


class EmailBackend(BaseEmailBackend):
    """Queues each mail through the account of its ``account`` option, else by its From address, else the default.

    Args:
        fail_silently: raise nothing. What cannot be queued is logged as an error, whatever the reason.
        account: the account's UUID (text or :class:`uuid.UUID`), its key (``int``), or its name, which must be
            that of one account only.
        alias: the name in ``MAILERS`` (Django 6.1).
        options: those of Django's own backends (``username`` …) are of no use here; in ``MAILERS`` an unknown one
            is an error.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        account: str | uuid.UUID | int | None = None,
        alias: str | None = None,
        **options: Any,
    ) -> None:
        if django.VERSION >= (6, 1):
            # Those of send_mail(auth_user=…) are not ours to warn of; what MAILERS names wrongly is.
            super().__init__(alias=alias, **(options if alias is not None else {}))
        else:
            super().__init__(fail_silently=fail_silently)
        self.fail_silently = fail_silently
        self._account = account

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the mails, all in the order they come, in one transaction or the caller's.

        What Django mails of a log record is queued past a transaction of the caller's, where the database allows
        that, and raises nothing even without ``fail_silently``.

        Returns:
            How many were queued; a mail without recipients counts for nothing, as with Django's own backends.

        Raises:
            InvalidMessage: one cannot be queued as it is; then none of them is. Not if ``fail_silently``.
            NoAccount: there is no account for one of them; then none of them is queued. Not if ``fail_silently``.
        """
        messages = [message for message in email_messages if message.recipients()]
        if not messages:
            return 0
        if reports.is_report():
            return self._report(messages)
        try:
            return self._queue(messages)
        except Exception:
            if not self.fail_silently:
                raise
            logger.exception("%d mail(s) could not be queued, and the caller wanted no error", len(messages))
            return 0

    def _report(self, messages: Sequence[EmailMessage]) -> int:
        """Queue what Django mails of a log record; whatever goes wrong is logged, with what was logged before."""
        with reports.once() as is_first:
            if not is_first:
                return 0
            try:
                readable = [reports.readable(message) for message in messages]
                if reports.needs_own_connection():
                    return reports.on_own_connection(lambda: self._queue(readable))
                return self._queue(readable)
            except Exception:
                subjects = ", ".join(ascii(str(message.subject)[:200]) for message in messages)
                logger.exception("a report to the administrators could not be queued: %s", subjects)
                return 0

    def _queue(self, messages: Sequence[EmailMessage]) -> int:
        return len(enqueue_for(self._with_accounts(messages), skip_invalid=self.fail_silently))

    def _with_accounts(self, messages: Sequence[EmailMessage]) -> Iterator[tuple[EmailMessage, Account]]:
        if not messages:
            return
        if self._account is not None:
            named = _named_account(self._account)
            yield from ((message, named) for message in messages)
            return
        senders = [from_address(message) for message in messages]
        accounts = _accounts_by_sender(sender for sender in senders if sender)
        default: Account | None = None
        for message, sender in zip(messages, senders, strict=True):
            account = accounts.get(sender.lower())
            if account is None:
                account = default = default or find_account()
            yield message, account


def _named_account(wanted: str | uuid.UUID | int) -> Account:
    """The account an option names.

    Raises:
        NoAccount: there is none, or more than one of that name.
    """
    if isinstance(wanted, int):
        return find_account(wanted)
    try:
        condition = Q(uuid=uuid.UUID(str(wanted)))
    except ValueError:
        condition = Q(name=wanted)
    found = list(Account.objects.kept().filter(condition).defer("secret")[:2])
    if len(found) != 1:
        msg = f"there {'are several accounts' if found else 'is no account'} named {str(wanted)!r}"
        raise NoAccount(msg)
    return found[0]


def _accounts_by_sender(senders: Iterable[str]) -> dict[str, Account]:
    """Which account sends for which address, in lower case.

    Of several with the same address an enabled one goes before a disabled one, then the default one, then one that
    belongs to no tenant, then the one that is there longest. A user's own account never sends for the addresses of
    the project itself: who may add one could name such an address, and read every mail that resets a password.
    """
    wanted = {sender.lower() for sender in senders}
    if not wanted:
        return {}
    lower = Account.objects.kept().annotate(own=Lower("from_email"), login=Lower("username"))
    by_address = Q(own__in=wanted) | Q(from_email="", login__in=wanted)
    accounts = list(lower.filter(by_address).defer("secret"))
    accounts.sort(key=_rank, reverse=True)
    ours = _own_addresses()
    return {
        account.sender.lower(): account
        for account in accounts
        if account.owner_id is None or account.is_default or account.sender.lower() not in ours
    }


def _own_addresses() -> set[str]:
    """The addresses that the project's own mail comes from, in lower case."""
    given = (EmailMessage(from_email=address) for address in (None, settings.SERVER_EMAIL))
    return {from_address(message).lower() for message in given}


def _rank(account: Account) -> tuple[bool, bool, bool, int]:
    return (not account.is_enabled, not account.is_default, account.tenant_id is not None, account.pk)
