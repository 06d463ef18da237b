"""Mail of the email service: a recipient, a subject and a text, each of which may be a token.

Without tokens it is rendered when it is queued, as all mail is. With tokens its source is kept, and it is rendered at each
attempt: what they stand for is in no row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from mailconfig.conf import get_settings
from mailconfig.delivery.queue import attached, bodies
from mailconfig.delivery.queue.enqueue import (
    NO_TEXTS,
    checked_key,
    compose_for,
    find_account,
    insert_or_find,
    new_message,
    stored_bytes,
)
from mailconfig.delivery.queue.file_urls import check_attachments
from mailconfig.delivery.queue.insertion import NewMessage
from mailconfig.delivery.queue.opt_out_links import own_sentence
from mailconfig.delivery.queue.tokens import is_token, tokens_among
from mailconfig.delivery.wake import ring_on_commit
from mailconfig.exceptions import InvalidMessage, KeyReused
from mailconfig.models import (
    Account,
    AccountKind,
    Message,
    MessageKind,
    MessageSource,
    MessageState,
    Priority,
    Tenant,
    WaitReason,
)
from mailconfig.rendering.compose import Rendered

__all__ = ["find_service_mail", "queue_service_mail"]

STAND_IN = "token@example.invalid"
"""Takes the place of a recipient who is not known yet, where everything else is checked."""


def queue_service_mail(
    account: Account | int,
    *,
    recipient: str,
    subject: str = "",
    text: str = "",
    attachments: Sequence[str] = (),
    unsubscribe: bool = False,
    idempotency_key: str | None = None,
) -> Message:
    """Queue a mail of the email service, as :func:`mailconfig.delivery.enqueue` does.

    A value that is wholly a token (``NS-EU-…-…``) stays one in every row; the worker asks the deployment's resolver what it
    stands for.

    Args:
        account: its row or key; with a tenant, if there are tokens.
        recipient: one address.
        subject, text: may be empty.
        attachments: the URLs of files, ten at most. A worker fetches them before the mail may go; until then it is
            ``preparing``.
        unsubscribe: the recipient is told how to opt out, and it is bulk mail.
        idempotency_key: with a key the account has seen, nothing is queued and the earlier message returned.

    Raises:
        InvalidAttachment: there are too many, or a URL cannot be used; ``position`` says which.
        InvalidMessage, KeyReused, NoAccount, OSError: see there.
    """
    sender = find_account(account)
    key = checked_key(idempotency_key)
    tokens = tokens_among((recipient, subject, text))
    check_attachments(attachments)
    if tokens_among([*tokens, *attachments]):
        _require_resolver(sender)
    rendered = _rendered(sender, recipient, subject, text, unsubscribe=unsubscribe)
    kind = MessageKind.BULK if unsubscribe else MessageKind.ORDINARY
    new = new_message(rendered, sender, Priority.NORMAL, None, is_test=False, kind=kind)
    if key is not None:
        new.idempotency_key = key
        new.content_digest = _digest(recipient, subject, text, attachments, unsubscribe=unsubscribe)
    if not tokens and not attachments:
        with stored_bytes([(new, rendered)]) as (row,):
            return _insert_and_ring(row)
    new.has_tokens, new.size, new.eight_bit = bool(tokens), 0, False
    if attachments:
        new.state, new.wait_reason = MessageState.PREPARING, WaitReason.FILES
    new.subject = subject[:998] if is_token(subject) else new.subject
    source = MessageSource(
        recipient=recipient,
        subject=subject,
        text=text,
        from_email=sender.sender,
        from_name=sender.from_name,
        reply_to_email=sender.reply_to_email,
        reply_to_name=sender.reply_to_name,
        opt_out_sentence=own_sentence() if unsubscribe else "",
    )
    addresses = (recipient,) if is_token(recipient) else rendered.recipients
    return _insert_and_ring(NewMessage(new, addresses, None, source, tuple(attachments)))


def _require_resolver(sender: Account) -> None:
    if not get_settings().pii_resolver:
        msg = "nobody here can resolve tokens: PII_RESOLVER is not set"
        raise InvalidMessage(msg)
    if sender.tenant_id is None:
        msg = "tokens belong to a tenant, and the account has none"
        raise InvalidMessage(msg)


def _rendered(sender: Account, recipient: str, subject: str, text: str, *, unsubscribe: bool) -> Rendered:
    """Render it as it stands. What the tokens stand for is checked when it is known; all else is now."""
    shown = STAND_IN if is_token(recipient) else recipient
    mail = EmailMessage(subject, text, from_email="", to=[shown])
    mail.from_email = ""  # Django fills in a default; none at all means the account's own
    rendered = compose_for(sender, mail, texts=NO_TEXTS, unsubscribe=unsubscribe)
    if "@" not in rendered.recipients[0]:
        msg = "the recipient is not an e-mail address"
        raise InvalidMessage(msg)
    return rendered


def find_service_mail(
    *,
    tenant: Tenant,
    idempotency_key: str,
    recipient: str,
    subject: str = "",
    text: str = "",
    attachments: Sequence[str] = (),
    unsubscribe: bool = False,
) -> Message | None:
    """Return the mail that came with this key before, whatever became of the tenant's configuration since.

    A key belongs to an account, and a tenant may have had several, one after the other.

    Raises:
        KeyReused: another mail came with it.
    """
    # As the constraint has it: another account may send it by now.
    home_key = Coalesce(F("failed_over_from"), F("account"))
    configurations = Account.objects.filter(kind=AccountKind.TENANT_CONFIG, tenant=tenant).values("pk")
    rows = Message.objects.alias(home_key=home_key).filter(
        home_key__in=configurations, idempotency_key=idempotency_key
    )
    earlier = rows.order_by("pk").last()
    digest = _digest(recipient, subject, text, attachments, unsubscribe=unsubscribe)
    if earlier is not None and earlier.content_digest != digest:
        msg = "another mail was queued under this idempotency key"
        raise KeyReused(msg)
    return earlier


def _insert_and_ring(row: NewMessage) -> Message:
    """Write it, or find the one that has its key, and let its account be looked at on commit."""
    new = row.message
    with transaction.atomic():
        written = insert_or_find(row)
        if written is new and row.attachments:
            attached.call_for_files(new.pk)
        elif written is new:
            ring_on_commit([(new.account_id, None)])
        else:
            bodies.delete(new.stored_as)
    return written


def _digest(recipient: str, subject: str, text: str, attachments: Sequence[str], *, unsubscribe: bool) -> str:
    """SHA-256 of what the caller gave, in hex: whatever the account's From is by now, it is the same mail."""
    given = [recipient, subject, text, list(attachments)]
    if unsubscribe:
        given.append("unsubscribe")
    return hashlib.sha256(json.dumps(given).encode()).hexdigest()
