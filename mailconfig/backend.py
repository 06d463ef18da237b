"""``EMAIL_BACKEND`` (or a ``MAILERS`` entry) of a host project: whatever it sends is queued."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import django
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mailconfig.delivery.queue.enqueue import enqueue_for
from mailconfig.delivery.queue.routing import TenantReference, account_named, checked_tenant, routed
from mailconfig.models import Account


class EmailBackend(BaseEmailBackend):
    """Queues each mail for the account of its ``account`` option, else for one that may send it by its From address.

    Without ``account`` and ``tenant`` those may that an administrator marked for the project, or within
    :func:`mailconfig.delivery.sending_for` the accounts of that tenant: the one with the From address, else one of the
    same domain, else the default one.

    Args:
        fail_silently: leave out, instead of raising, a mail that cannot be queued as it is. A missing account is
            a mistake of the deployment, and is raised all the same.
        account: the account's UUID (text or :class:`uuid.UUID`), its key (``int``), or its name, which must be
            that of one only among those that could be chosen without it.
        tenant: only accounts of this tenant are looked at; its row, its key (``int``), or its short name.
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
        self._tenant = None if tenant is None else checked_tenant(tenant)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue the mails, all in the order they come, in one transaction or the caller's.

        Returns:
            How many were queued; a mail without recipients counts for nothing, as with Django's own backends.

        Raises:
            InvalidMessage: one cannot be queued as it is; then none of them is. Not if ``fail_silently``.
            NoAccount: there is no account for one of them; then none of them is queued.
        """
        messages = [message for message in email_messages if message.recipients()]
        return len(enqueue_for(self._with_accounts(messages), skip_invalid=self.fail_silently))

    def _with_accounts(self, messages: Sequence[EmailMessage]) -> Iterator[tuple[EmailMessage, Account]]:
        if self._account is None:
            yield from routed(messages, tenant=self._tenant)
        elif messages:
            named = account_named(self._account, tenant=self._tenant)
            yield from ((message, named) for message in messages)
