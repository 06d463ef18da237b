"""Files of a mail that are fetched from URLs, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from mailconfig.models import Attachment, Message, MessageState


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file as the page shows it."""

    name: str
    source: str
    """Its URL, or its host for those who may not read what the mail says: a URL may be all that it takes to get the file."""
    what: str
    """Type and size, once it is known."""
    outcome: str
    detail: str


def files_of(message: Message, *, may_read: bool) -> list[FileRow]:
    """Return the files of a mail in their order; a query."""
    rows = Attachment.objects.filter(message_id=message.pk).order_by("position")
    return [_row(row, message, may_read=may_read) for row in rows]


def _row(row: Attachment, message: Message, *, may_read: bool) -> FileRow:
    if row.size is not None:
        outcome = _("fetched")
    elif row.problem:
        outcome = row.get_problem_display()
    else:
        outcome = _("not fetched yet") if message.state == MessageState.PREPARING else _("not fetched")
    what = "" if row.size is None else f"{row.content_type}, {filesizeformat(row.size)}"
    return FileRow(row.name or "–", row.url if may_read else _host(row.url), what, outcome, row.detail)


def _host(url: str) -> str:
    """Return the host of a URL; of a token, the token."""
    return urlsplit(url).hostname or url
