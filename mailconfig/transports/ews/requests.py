"""Requests as SOAP 1.1 envelopes, in the schema that all versions of Exchange know ([MS-OXWSDLGM])."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from mailconfig.transports.xml import in_xml

USUAL_VERSION = "Exchange2010_SP2"
"""Told where the account names none: Exchange since 2010 and Exchange Online take it."""
MOST_CHANGES = 100
"""Changes that one answer tells; Exchange has at most 512."""

_BEGIN = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">'
)
_ONLY_IDS = "<t:BaseShape>IdOnly</t:BaseShape>"


def envelope(body: str, *, version: str = "", acts_as: str = "") -> bytes:
    """Return a request.

    Args:
        body: the operation.
        version: that the server is to speak (``RequestServerVersion``).
        acts_as: address of the mailbox, where nobody signed in to it (``ExchangeImpersonation``).
    """
    header = f'<t:RequestServerVersion Version="{in_xml(version or USUAL_VERSION)}"/>'
    if acts_as:
        header += (
            "<t:ExchangeImpersonation><t:ConnectingSID>"
            f"<t:PrimarySmtpAddress>{in_xml(acts_as)}</t:PrimarySmtpAddress>"
            "</t:ConnectingSID></t:ExchangeImpersonation>"
        )
    return f"{_BEGIN}<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def known_folder(name: str) -> str:
    """Return a folder that every mailbox has, by the name that Exchange has for it."""
    return f'<t:DistinguishedFolderId Id="{in_xml(name)}"/>'


def folder_with_id(folder_id: str) -> str:
    """Return a folder by its id."""
    return f'<t:FolderId Id="{in_xml(folder_id)}"/>'


def get_folder(folder: str) -> str:
    """Ask for a folder: its id, and how many items are in it."""
    return (
        "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
        f"<m:FolderIds>{folder}</m:FolderIds></m:GetFolder>"
    )


def find_folder(name: str) -> str:
    """Ask for folders of that name directly below the inbox, and beside it."""
    return (
        '<m:FindFolder Traversal="Shallow"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
        '<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:DisplayName"/>'
        f'<t:FieldURIOrConstant><t:Constant Value="{in_xml(name)}"/></t:FieldURIOrConstant>'
        "</t:IsEqualTo></m:Restriction>"
        f"<m:ParentFolderIds>{known_folder('inbox')}{known_folder('msgfolderroot')}</m:ParentFolderIds>"
        "</m:FindFolder>"
    )


def sync_folder_items(folder_id: str, *, state: str) -> str:
    """Ask for what changed in a folder since a state; ``""``: all that is in it."""
    since = f"<m:SyncState>{in_xml(state)}</m:SyncState>" if state else ""
    return (
        f"<m:SyncFolderItems><m:ItemShape>{_ONLY_IDS}<t:AdditionalProperties>"
        '<t:FieldURI FieldURI="item:Size"/><t:FieldURI FieldURI="item:DateTimeReceived"/>'
        "</t:AdditionalProperties></m:ItemShape>"
        f"<m:SyncFolderId>{folder_with_id(folder_id)}</m:SyncFolderId>{since}"
        f"<m:MaxChangesReturned>{MOST_CHANGES}</m:MaxChangesReturned></m:SyncFolderItems>"
    )


def get_items(item_ids: Iterable[str]) -> str:
    """Ask for messages as MIME. It marks none as read."""
    ids = "".join(f'<t:ItemId Id="{in_xml(item_id)}"/>' for item_id in item_ids)
    return (
        f"<m:GetItem><m:ItemShape>{_ONLY_IDS}<t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape>"
        f"<m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
    )


def create_message(octets: bytes, *, besides: Iterable[str], saves_copy: bool) -> str:
    """Ask to send a message.

    Args:
        octets: as MIME; who is in To and Cc of its header gets it.
        besides: others who get it, and of whom nobody sees.
        saves_copy: whether a copy stays in the folder of what was sent.
    """
    hidden = "".join(
        f"<t:Mailbox><t:EmailAddress>{in_xml(address)}</t:EmailAddress></t:Mailbox>" for address in besides
    )
    disposition = "SendAndSaveCopy" if saves_copy else "SendOnly"
    return (
        f'<m:CreateItem MessageDisposition="{disposition}">'
        + (f"<m:SavedItemFolderId>{known_folder('sentitems')}</m:SavedItemFolderId>" if saves_copy else "")
        + "<m:Items><t:Message>"
        f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(octets).decode()}</t:MimeContent>'
        + (f"<t:BccRecipients>{hidden}</t:BccRecipients>" if hidden else "")
        + "</t:Message></m:Items></m:CreateItem>"
    )
