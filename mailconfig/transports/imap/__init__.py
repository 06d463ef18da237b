"""IMAP (RFC 3501, RFC 9051), to look into mailboxes and change nothing.

The dialogue is our own, because neither IMAPClient nor imaplib below it writes a user name or password beyond ASCII or
forgets the lines of a login, and their parsers recurse as deep as a server likes and keep all that comes unasked.
"""

from .folders import Folder, FolderState, KnownState
from .limits import Limits
from .messages import MessageFlags, MessageHead, MessageStart
from .searching import Criteria
from .session import IMAPSession
from .transport import STAGES, IMAPTransport, check_folder, open_imap
from .uids import UIDSet

READING_TRANSPORT = IMAPTransport()

__all__ = [
    "READING_TRANSPORT",
    "STAGES",
    "Criteria",
    "Folder",
    "FolderState",
    "IMAPSession",
    "KnownState",
    "Limits",
    "MessageFlags",
    "MessageHead",
    "MessageStart",
    "UIDSet",
    "check_folder",
    "open_imap",
]
