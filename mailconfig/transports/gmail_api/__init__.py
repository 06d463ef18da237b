"""The Gmail API (developers.google.com/workspace/gmail/api), over HTTP: mail goes out as it is, and comes in by history.

Six calls, all of them our own over :mod:`mailconfig.transports.http`: ``getProfile``, ``messages.send``, ``messages.list``,
``messages.get``, ``history.list`` and ``labels``. Nothing is ever marked, labelled, moved or deleted.
"""

from .transport import GmailReadingTransport, GmailTransport

TRANSPORT = GmailTransport()
READING_TRANSPORT = GmailReadingTransport()

__all__ = ["READING_TRANSPORT", "TRANSPORT", "GmailReadingTransport", "GmailTransport"]
