"""``EMAIL_BACKEND`` (or a ``MAILERS`` entry) of a host project: whatever it sends is queued."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any

import django
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mailconfig.delivery import (
    TenantReference,
    checked_tenant,
    choose_accounts,
    enqueue_for,
    enqueue_report,
    is_report,
)

logger = logging.getLogger("mailconfig.backend")


class EmailBackend(BaseEmailBackend):
    """Queues each mail for the account of its ``account`` option, else for one that may send it by its From address.

    Without ``account`` and ``tenant`` those may that an administrator marked for the project, or within
    :func:`mailconfig.delivery.sending_for` the accounts of that tenant: the one with the From address, else one of the
    same domain, else the default one.

    Args:
        fail_silently: raise nothing. What cannot be queued is logged as an error, whatever the reason.
        account: the account's UUID (text or :class:`uuid.UUID`), its key (``int``), or its name, which must be
            that of one only among those that could be chosen without it.
        tenant: only accounts of this tenant are looked at; its row, its key (``int``), or its short name.
        unsubscribe, bulk, transactional: what all its mails are, as for :func:`mailconfig.delivery.enqueue`; a single mail
            says it for itself by an attribute of that name that is ``True``.
        alias: the name in ``MAILERS`` (Django 6.1).
        options: those of Django's own backends (``username`` …) are of no use here; in ``MAILERS`` an unknown one
            is an error.
    """

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        account: str | uuid.UUID | int | None = None,
        tenant: TenantReference | None = None,
        unsubscribe: bool = False,
        bulk: bool = False,
        transactional: bool = False,
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
        self._unsubscribe, self._bulk, self._transactional = unsubscribe, bulk, transactional
        self._tenant = None if tenant is None else checked_tenant(tenant)

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
        if is_report():
            return enqueue_report(messages, enqueue=self._queue)
        try:
            return self._queue(messages)
        except Exception:
            if not self.fail_silently:
                raise
            logger.exception("%d mail(s) could not be queued, and the caller wanted no error", len(messages))
            return 0

    def _queue(self, messages: Sequence[EmailMessage]) -> int:
        pairs = choose_accounts(messages, account=self._account, tenant=self._tenant)
        return len(
            enqueue_for(
                pairs,
                skip_invalid=self.fail_silently,
                unsubscribe=self._unsubscribe,
                bulk=self._bulk,
                transactional=self._transactional,
            )
        )
