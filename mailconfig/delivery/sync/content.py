"""The content of a message that came in, for those who may know it."""

from __future__ import annotations

from dataclasses import dataclass

from mailconfig.incoming.harmless import harmless
from mailconfig.models import SyncedContent, SyncedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedText:
    """A message that came in as a person reads it."""

    text: str = ""
    html: str = ""
    """Cleaned of what acts; to be shown in a frame that can do nothing all the same."""
    is_cut: bool = False
    """Whether more was in it."""
    is_kept: bool = True
    """Whether its content is stored: where that is not wanted, or was long ago, there is none."""


def read_synced_content(*, message: SyncedMessage) -> SyncedText:
    """Read what a message says. Whoever calls has asked whether the person may see it."""
    content = SyncedContent.objects.filter(message_id=message.pk).first()
    if content is None:
        return SyncedText(is_kept=False)
    return SyncedText(text=content.text, html=harmless(content.html), is_cut=message.is_cut)
