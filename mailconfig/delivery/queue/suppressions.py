"""The suppression list is written: an entry at a time, each for one reason, once."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from mailconfig import signals
from mailconfig.delivery.queue.opt_out_links import Wish, read_wish
from mailconfig.exceptions import InvalidMessage
from mailconfig.hostnames import check_host
from mailconfig.incoming.addresses import normalised, normalised_domain
from mailconfig.models import (
    NO_TENANT,
    Account,
    Message,
    Suppression,
    SuppressionReason,
    Tenant,
    note_recipient_opted_out,
    tenant_key,
)
from mailconfig.rendering.addressing import checked_spec

__all__ = ["checked_entry", "find_wish", "opt_out", "opt_out_message", "suppress"]

LINK = "link"
"""Source of an opting out: the link of a mail, by a person or a mail program."""


def checked_entry(text: str) -> str:
    """Return an address or a domain in the form in which the list has it. Whoever can be sent mail can be listed.

    Raises:
        ValidationError: it is neither.
    """
    text = text.strip()
    if "@" in text:
        try:
            return normalised(checked_spec(normalised(text), what="address"))
        except InvalidMessage:
            raise _not_one() from None
    domain = normalised_domain(text)
    try:
        check_host(domain)
        is_one = "." in domain and not domain.rpartition(".")[2].isdecimal() and ":" not in domain
    except ValueError:
        is_one = False
    if not is_one:
        raise _not_one()
    return domain


def _not_one() -> ValidationError:
    return ValidationError(_("Enter an e-mail address, or a domain such as example.com."), code="invalid")


def suppress(
    *,
    tenant_id: int | None,
    address: str,
    reason: str,
    message_id: int | None = None,
    note: str = "",
    by: AbstractBaseUser | None = None,
) -> tuple[Suppression, bool]:
    """Put an address or a domain on a list. Idempotent: what is there for this reason stays as it is.

    Args:
        tenant_id: whose list; ``None``: that of accounts without tenant.
        address: as :func:`checked_entry` returned it.
        reason: a :class:`~mailconfig.models.SuppressionReason`.
        message_id: the mail it is about.
        note: of a person; at most 255 characters in a line.
        by: who lists it; ``None``: the recipient, or a server.

    Returns:
        The entry, and whether it is new.
    """
    same = Suppression.objects.alias(whose=tenant_key()).filter(
        whose=tenant_id or NO_TENANT, address=address, reason=reason
    )
    if (listed := same.first()) is not None:
        return listed, False
    entry = Suppression(
        tenant_id=tenant_id,
        address=address,
        reason=reason,
        message_id=message_id,
        note=note,
        created_by_id=None if by is None else by.pk,
    )
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        if (earlier := same.first()) is None:
            raise
        return earlier, False
    return entry, True


def find_wish(token: str) -> Wish | None:
    """Return what the token of a link says; ``None``: nothing that counts here. Writes nothing."""
    wish = read_wish(token)
    if wish is None or wish.tenant_id is None:
        return wish
    return wish if Tenant.objects.filter(pk=wish.tenant_id).exists() else None


def opt_out(wish: Wish) -> bool:
    """List the address of somebody who opted out by the link of a mail, and tell whoever listens.

    Returns:
        Whether that is new: the second time nothing is written.
    """
    with transaction.atomic():
        message = Message.objects.filter(uuid=wish.message_uuid).only("pk").first()
        message_id = None if message is None else message.pk
        _entry, is_new = suppress(
            tenant_id=wish.tenant_id,
            address=wish.address,
            reason=SuppressionReason.OPT_OUT,
            message_id=message_id,
        )
        if is_new:
            tell_opted_out(
                tenant_id=wish.tenant_id,
                address=wish.address,
                message_id=message_id,
                account_id=wish.account_id,
                source=LINK,
            )
    return is_new


def tell_opted_out(
    *, tenant_id: int | None, address: str, message_id: int | None, account_id: int | None, source: str
) -> None:
    """Tell webhooks within the transaction, and who listens (``recipient_opted_out``) after it."""
    told = {"address": address, "message_id": message_id, "account_id": account_id, "source": source}
    note_recipient_opted_out(
        tenant_id=tenant_id, address=address, message_id=message_id, account_id=account_id, source=source
    )
    send = partial(signals.recipient_opted_out.send_robust, sender=Suppression, tenant_id=tenant_id, **told)
    transaction.on_commit(lambda: send() and None, robust=True)


def opt_out_message(wish: Wish) -> str:
    """Return what the mailbox that sent the mail says to somebody who opted out; empty: nothing."""
    said = (
        Account.objects.filter(pk=wish.account_id).values_list("mailbox__opt_out_message", flat=True).first()
    )
    return (said or "").strip()
