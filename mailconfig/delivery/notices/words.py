"""Words of notices: facts about paused accounts, as text that can do no harm, and the mail that they become."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from mailconfig.delivery.notices.recipients import NoticeRecipient
from mailconfig.delivery.web import public_url
from mailconfig.models import Account, Lane, Purpose, WaitReason
from mailconfig.models.access import MODEL_NAMES

LISTED = 50
"""So many pauses are described in one mail; of more only the number is said."""
LONGEST_NAME = 100
LONGEST_SUBJECT = 250
_JOINERS = "\u200c\u200d"
"""Parts of words in some scripts; they turn no direction and end no line."""
TEMPLATE = "mailconfig/pause_notice"

_GO_ON = _("Then save, or test the connection: once it works, the account goes on by itself.")
CURES: dict[WaitReason, tuple[str | Promise, ...]] = {
    WaitReason.PAUSED_LOGIN: (
        _(
            "Open the account and enter the user name and the password again; the service may want an app password."
        ),
        _GO_ON,
    ),
    WaitReason.PAUSED_CONFIG: (
        _("Open the account and compare server, port and encryption with what the mail service says."),
        _GO_ON,
    ),
    WaitReason.PAUSED_SENDER: (
        _("Choose a from address that the mail service lets this login use, or have the service allow it."),
        _GO_ON,
    ),
    WaitReason.PAUSED_CONSENT: (
        _("Connect the account again: the service asks you to sign in and to agree."),
    ),
    WaitReason.PAUSED_REGISTRATION: (
        _("Whoever looks after the app registration has to check its client ID and its secret."),
        _GO_ON,
    ),
    WaitReason.PAUSED_PROTOCOL: (
        _("Check whether server and port belong to a mail server, or ask whoever runs it."),
        _GO_ON,
    ),
    WaitReason.SECRET_UNREADABLE: (
        _("Open the account and enter the password again, or have the deployment's encryption key restored."),
        _GO_ON,
    ),
}
"""Advice by the reason of a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedAccount:
    """A pause as the templates show it. All of it is plain text; names are somebody's words.

    Attributes:
        name: of the account.
        address: that its mail comes from; empty: none, or the same as the name.
        is_read: whether it is the half of a mailbox that is read which paused.
        since: when, in words.
        reason: why.
        cures: what is to be done, a sentence each.
        waiting: how many of its mails wait.
        url: of its page, or of the one where it is connected; empty: there is none for whoever is told.
    """

    name: str
    address: str
    is_read: bool
    since: str
    reason: str
    cures: Sequence[str]
    waiting: int
    url: str


def notice_for(
    recipient: NoticeRecipient,
    pauses: Sequence[tuple[Lane, bool]],
    *,
    waiting: Mapping[int, int],
    is_digest: bool,
) -> EmailMultiAlternatives:
    """Return the mail that tells somebody of these pauses, in that person's language.

    Args:
        pauses: paused lanes with their accounts, and whether the account's page in the admin opens for this person.
        waiting: the number of mails that wait, by account.
        is_digest: whether it is that of a day.
    """
    with override(recipient.language):
        shown = [_paused(lane, waiting, opens_page=opens) for lane, opens in pauses[:LISTED]]
        context = {
            "accounts": shown,
            "more": len(pauses) - len(shown),
            "count": len({lane.account_id for lane, _opens in pauses}),
            "is_digest": is_digest,
            "language": recipient.language,
        }
        subject = line_of(render_to_string(f"{TEMPLATE}_subject.txt", context), longest=LONGEST_SUBJECT)
        context["subject"] = subject
        text = render_to_string(f"{TEMPLATE}.txt", context).strip() + "\n"
        mail = EmailMultiAlternatives(subject, text, to=[recipient.address])
        mail.attach_alternative(render_to_string(f"{TEMPLATE}.html", context), "text/html")
    # RFC 3834 §5: nobody's absence note answers it.
    mail.extra_headers["Auto-Submitted"] = "auto-generated"
    return mail


def _paused(lane: Lane, waiting: Mapping[int, int], *, opens_page: bool) -> PausedAccount:
    account, is_read = lane.account, lane.purpose == Purpose.SYNC
    name, address = line_of(str(account)), line_of(account.named_sender)
    reason = WaitReason(lane.wait_reason)
    return PausedAccount(
        name=name,
        address="" if address == name else address,
        is_read=is_read,
        since=_moment(lane.wait_since) if lane.wait_since else "",
        reason=str(reason.label),
        cures=[str(cure) for cure in CURES[reason]],
        waiting=0 if is_read else waiting.get(lane.account_id, 0),
        url=_url(account, reason, opens_page=opens_page),
    )


def line_of(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return somebody's words as one line of what can be seen, read in the order in which it is written, and cut.

    A name was checked when it was entered, but rows are also made past forms: a line break would end a header or begin a
    line of its own in the text.
    """
    seen = "".join(char if _is_seen(char) else " " for char in text[: 4 * longest])
    line = " ".join(seen.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _is_seen(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _moment(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{formats.date_format(local, 'DATETIME_FORMAT')} {local.tzname() or ''}".strip()


def _url(account: Account, reason: WaitReason, *, opens_page: bool) -> str:
    """Return the page where this person mends it; ``""``: there is none, or nobody said where the world reaches it."""
    try:
        if opens_page:
            model = MODEL_NAMES[account.kind]  # type: ignore[index]  # a text that equals the member
            return public_url(reverse(f"admin:mailconfig_{model}_change", args=[account.pk]))
        if reason == WaitReason.PAUSED_CONSENT:
            return public_url(reverse("mailconfig-connect", args=[account.uuid]))
    except NoReverseMatch:
        pass  # the project has no such pages
    return ""
