"""Links by which a recipient opts out: signed, for this purpose alone, without an end.

A token names whose list it is about, the address, and the mail it came with. Nobody can make one but this site, with the
secret key it has now or one of ``SECRET_KEY_FALLBACKS``. It works for as long as the mail may lie in somebody's inbox, also
when the mail is purged here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.core.signing import BadSignature, Signer
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from mailconfig.delivery.web import public_url
from mailconfig.exceptions import InvalidMessage
from mailconfig.incoming.addresses import normalised
from mailconfig.rendering.opting_out import OptingOut

SALT = "mailconfig.opting-out"
LONGEST_TOKEN = 1500
NO_WAY_OUT = "no_way_out"
"""Error code of mail that was queued with a way out, for which there is none when it is rendered."""


class NoWayOut(InvalidMessage):
    """No link can lead to this site: of the deployment's making, and not of the mail's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The wish of a recipient, as a link says it.

    Attributes:
        tenant_id: whose mail is not wanted; ``None``: that of accounts without tenant.
        address: of the recipient, normalised.
        account_id: the account that the mail was queued for.
        message_uuid: of the mail that the link was in.
    """

    tenant_id: int | None
    address: str
    account_id: int
    message_uuid: uuid.UUID


def token_of(wish: Wish) -> str:
    """Return the token of a wish, which fits into a path."""
    values = [wish.tenant_id or 0, wish.address, wish.account_id, wish.message_uuid.hex]
    return Signer(salt=SALT).sign_object(values)


def read_wish(token: str) -> Wish | None:
    """Return what a token says; ``None``: it is none of ours, of another purpose, or not whole."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        tenant, address, account, number = Signer(salt=SALT).unsign_object(token)
    except (BadSignature, ValueError, TypeError):
        return None
    return Wish(
        tenant_id=tenant or None, address=address, account_id=account, message_uuid=uuid.UUID(hex=number)
    )


def own_sentence() -> str:
    """Return our sentence by which one opts out, in the language that is active."""
    return _("You no longer want to receive such mail? <%Unsubscribe%>.")


def opting_out_of(
    *, tenant_id: int | None, account_id: int, address: str, number: uuid.UUID, sentence: str
) -> OptingOut:
    """Return the way out of a mail: the same for the same arguments.

    Args:
        tenant_id, account_id: of whom it is sent for.
        address: of its one recipient.
        number: of the mail.
        sentence: the account's; empty: :func:`own_sentence`.

    Raises:
        NoWayOut: this site does not say where the world reaches it, or has no such page.
    """
    wish = Wish(
        tenant_id=tenant_id,
        address=normalised(address),
        account_id=account_id,
        message_uuid=number,
    )
    try:
        url = public_url(reverse("mailconfig-unsubscribe", args=[token_of(wish)]))
    except NoReverseMatch:
        url = ""
    if not url:
        msg = "no link can lead out of the mail: PUBLIC_BASE_URL is not set, or the page to opt out is not among the URLs"
        raise NoWayOut(msg)
    return OptingOut(url, sentence.strip() or own_sentence(), _("Unsubscribe"))
