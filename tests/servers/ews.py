"""Exchange's web service on loopback, as Microsoft's documents describe it ([MS-OXWSCORE], [MS-OXWSSYNC], [MS-OXWSFOLD]).

It answers GetFolder, FindFolder, CreateItem, FindItem, GetItem and SyncFolderItems over HTTP with Basic or Bearer logins, and may
be made to misbehave. exchangelib is the client that it is proved with (``tests/integration/transports/ews/test_fake.py``).
"""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from xml.etree import ElementTree as ET

from tests.servers.autodiscover import FakeAutodiscover, address_of

T = "http://schemas.microsoft.com/exchange/services/2006/types"
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
S = "http://schemas.xmlsoap.org/soap/envelope/"
NAMES = {"t": T, "m": M, "s": S}
PATH = "/EWS/Exchange.asmx"


@dataclass
class Item:
    """A message in a folder."""

    id: str
    data: bytes
    received: str = "2026-07-17T00:44:25Z"
    size: int = 0
    is_read: bool = False
    kind: str = "Message"

    def __post_init__(self) -> None:
        # Exchange counts properties as well.
        self.size = self.size or len(self.data) + 700


@dataclass
class Folder:
    """A folder, and all that ever happened in it."""

    id: str
    name: str
    parent: str = "msgfolderroot"
    items: dict[str, Item] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    """What happened (Create, Update, Delete, ReadFlagChange) and to which item."""
    epoch: int = 1


@dataclass(frozen=True)
class Sent:
    """A mail that was taken."""

    data: bytes
    recipients: tuple[str, ...]
    saved: bool


@dataclass
class Fault:
    """What is answered instead of doing what is asked."""

    code: str = ""
    """Of a response message; with ``status`` 500 of a SOAP fault."""
    status: int = 200
    back_off: int | None = None
    """Milliseconds."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    does_it: bool = False
    """Whether what was asked is done all the same."""
    hangs_up: bool = False
    """End the connection instead of an answer."""
    hangs: bool = False
    """Say nothing until the server ends."""


class FakeEWS:
    """Listens on loopback while used as a context manager."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        credentials: dict[str, str] | None = None,
        tokens: set[str] | None = None,
    ) -> None:
        self.credentials = {} if credentials is None else credentials
        self.tokens = tokens or set()
        """Access tokens that are good."""
        self.offers: tuple[str, ...] = ('Basic realm="fake"',)
        self.sent: list[Sent] = []
        self.requests: list[str] = []
        """Operations in their order."""
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, Fault] = {}
        """By operation; ``*``: whatever is asked."""
        self.once: set[str] = set()
        """Operations whose fault shows once only."""
        self.page = 512
        """Changes that one answer tells at most."""
        self.autodiscover = FakeAutodiscover()
        self.folders: dict[str, Folder] = {}
        for name in ("root", "inbox", "sentitems", "msgfolderroot"):
            self.folders[name] = Folder(f"AAMk-{name}=", name.title(), parent="root")
        self._count = 0
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self._tls = tls

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def inbox(self) -> Folder:
        """The folder in which mail comes in."""
        return self.folders["inbox"]

    def __enter__(self) -> Self:
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, data: bytes, *, folder: str = "inbox", **values: object) -> Item:
        """Put a message into a folder."""
        self._count += 1
        item = Item(f"AAMkItem{self._count}=", data, **values)  # type: ignore[arg-type]
        self.folders[folder].items[item.id] = item
        self.folders[folder].changes.append(("Create", item.id))
        return item

    def make_folder(self, name: str, *, parent: str = "inbox") -> Folder:
        """Make a folder below another."""
        self.folders[name] = Folder(f"AAMk-{name}-{len(self.folders)}=", name, parent=parent)
        return self.folders[name]

    # Answers.

    def answer(self, operation: str, request: ET.Element) -> Iterator[str]:
        """Yield response messages."""
        yield from getattr(self, f"_{operation}")(request)

    def _GetFolder(self, request: ET.Element) -> Iterator[str]:
        for wanted in request.find("m:FolderIds", NAMES) or ():
            folder = self._folder(wanted)
            if folder is None:
                yield _message("GetFolder", code="ErrorFolderNotFound")
            else:
                yield _message("GetFolder", f"<m:Folders>{_folder(folder)}</m:Folders>")

    def _FindFolder(self, request: ET.Element) -> Iterator[str]:
        constant = request.find(".//t:Constant", NAMES)
        for wanted in request.find("m:ParentFolderIds", NAMES) or ():
            parent = wanted.get("Id")
            found = [
                folder
                for folder in self.folders.values()
                if folder.parent == parent and (constant is None or folder.name == constant.get("Value"))
            ]
            inner = "".join(map(_folder, found))
            yield _message(
                "FindFolder",
                f'<m:RootFolder TotalItemsInView="{len(found)}" IncludesLastItemInRange="true">'
                f"<t:Folders>{inner}</t:Folders></m:RootFolder>",
            )

    def _CreateItem(self, request: ET.Element) -> Iterator[str]:
        for message in request.findall("m:Items/t:Message", NAMES):
            content = message.find("t:MimeContent", NAMES)
            data = base64.b64decode((content.text or "") if content is not None else "")
            parsed = message_from_bytes(data)
            fields = [value for name in ("To", "Cc", "Bcc") for value in parsed.get_all(name, [])]
            addresses = [address for _, address in getaddresses(fields) if address]
            for name in ("ToRecipients", "CcRecipients", "BccRecipients"):
                addresses += [
                    found.text or "" for found in message.findall(f"t:{name}/t:Mailbox/t:EmailAddress", NAMES)
                ]
            saved = request.get("MessageDisposition") == "SendAndSaveCopy"
            self.sent.append(Sent(data, tuple(dict.fromkeys(addresses)), saved))
            if saved:
                self.put(data, folder="sentitems")
            yield _message("CreateItem", "<m:Items/>")

    def _FindItem(self, request: ET.Element) -> Iterator[str]:
        for wanted in request.find("m:ParentFolderIds", NAMES) or ():
            folder = self._folder(wanted)
            items = "".join(map(_item, folder.items.values())) if folder else ""
            count = len(folder.items) if folder else 0
            yield _message(
                "FindItem",
                f'<m:RootFolder TotalItemsInView="{count}" IncludesLastItemInRange="true" IndexedPagingOffset="{count}">'
                f"<t:Items>{items}</t:Items></m:RootFolder>",
            )

    def _GetItem(self, request: ET.Element) -> Iterator[str]:
        by_id = {id_: item for folder in self.folders.values() for id_, item in folder.items.items()}
        for wanted in request.findall("m:ItemIds/t:ItemId", NAMES):
            item = by_id.get(wanted.get("Id", ""))
            if item is None:
                yield _message("GetItem", "<m:Items/>", code="ErrorItemNotFound")
            else:
                yield _message("GetItem", f"<m:Items>{_item(item, with_mime=True)}</m:Items>")

    def _SyncFolderItems(self, request: ET.Element) -> Iterator[str]:
        wanted = request.find("m:SyncFolderId", NAMES)
        folder = self._folder(wanted[0]) if wanted is not None else None
        state = request.findtext("m:SyncState", "", NAMES)
        most = int(request.findtext("m:MaxChangesReturned", "512", NAMES))
        if folder is None:
            yield _message("SyncFolderItems", code="ErrorSyncFolderNotFound")
            return
        epoch, _, at = base64.b64decode(state or b"").decode().partition(":")
        if state and epoch != str(folder.epoch):
            yield _message("SyncFolderItems", code="ErrorInvalidSyncStateData")
            return
        begin = int(at or 0)
        most = min(most, self.page)
        changes = folder.changes[begin : begin + most]
        end = begin + len(changes)
        new_state = base64.b64encode(f"{folder.epoch}:{end}".encode()).decode()
        is_last = "true" if end == len(folder.changes) else "false"
        yield _message(
            "SyncFolderItems",
            f"<m:SyncState>{new_state}</m:SyncState><m:IncludesLastItemInRange>{is_last}</m:IncludesLastItemInRange>"
            f"<m:Changes>{''.join(_change(folder, *change) for change in changes)}</m:Changes>",
        )

    def _folder(self, wanted: ET.Element) -> Folder | None:
        if wanted.tag.endswith("DistinguishedFolderId"):
            return self.folders.get(wanted.get("Id", ""))
        return next((folder for folder in self.folders.values() if folder.id == wanted.get("Id")), None)

    def lets_in(self, authorization: str) -> bool:
        """Whether this login is good."""
        kind, _, value = authorization.partition(" ")
        if kind == "Bearer":
            return value in self.tokens
        with suppress(ValueError):
            name, _, password = base64.b64decode(value).decode().partition(":")
            return kind == "Basic" and self.credentials.get(name) == password
        return False

    def fault_for(self, operation: str) -> Fault | None:
        """What is wrong with it, if anything is."""
        key = operation if operation in self.faults else "*"
        fault = self.faults.get(key)
        if fault is not None and key in self.once:
            del self.faults[key]
            self.once.discard(key)
        return fault


class _Handler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeEWS]
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:  # exchangelib asks so for the ways to log in
        self.reply(401, b"", {"WWW-Authenticate": ", ".join(self.fake.offers)})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path in self.fake.autodiscover.answers:
            self.discover(body)
            return
        self.fake.headers.append(dict(self.headers))
        if not self.fake.lets_in(self.headers.get("Authorization", "")):
            self.fake.requests.append("401")
            self.reply(401, b"", {"WWW-Authenticate": ", ".join(self.fake.offers)})
            return
        request = ET.fromstring(body).find("s:Body", NAMES)  # noqa: S314 - what our own client wrote
        if request is None or not len(request) or self.path != PATH:
            self.reply(404, b"not here", {})
            return
        operation = request[0].tag.rpartition("}")[2]
        self.fake.requests.append(operation)
        self.fake.bodies.append(body)
        self.respond(operation, request[0])

    def discover(self, body: bytes) -> None:
        found, authorization = self.fake.autodiscover, self.headers.get("Authorization", "")
        found.asked.append((self.path, address_of(body), bool(authorization)))
        answer = found.answers[self.path]
        if answer.hangs:
            self.fake.over.wait(60)
            self.close_connection = True
        elif answer.wants_login and not self.fake.lets_in(authorization):
            self.reply(401, b"", {"WWW-Authenticate": ", ".join(self.fake.offers)})
        else:
            self.reply(answer.status, answer.body, answer.headers)

    def respond(self, operation: str, request: ET.Element) -> None:
        fault = self.fake.fault_for(operation)
        content = b""
        if fault is None or fault.does_it:
            content = soap(operation, self.fake.answer(operation, request))
        if fault is None:
            self.reply(200, content, {})
        elif fault.hangs:
            self.fake.over.wait(60)
            self.close_connection = True
        elif fault.hangs_up:
            self.close_connection = True
        elif fault.body is not None:
            self.reply(fault.status, fault.body, fault.headers)
        elif fault.status == 500:
            self.reply(500, soap_fault(fault), fault.headers)
        elif fault.status != 200:
            self.reply(fault.status, b"<html>no</html>", fault.headers)
        else:
            self.reply(200, soap(operation, [_message(operation, fault=fault)]), fault.headers)

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/xml; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


_VERSION = (
    f'<h:ServerVersionInfo xmlns:h="{T}" MajorVersion="15" MinorVersion="20" MajorBuildNumber="1"'
    ' MinorBuildNumber="1" Version="V2017_07_11"/>'
)


def soap(operation: str, messages: Iterator[str] | list[str]) -> bytes:
    """A response with these messages."""
    return _envelope(
        f'<m:{operation}Response xmlns:m="{M}" xmlns:t="{T}"><m:ResponseMessages>{"".join(messages)}'
        f"</m:ResponseMessages></m:{operation}Response>"
    )


def soap_fault(fault: Fault) -> bytes:
    """A fault as Exchange has it, with the code in its detail."""
    return _envelope(
        f"<s:Fault><faultcode>a:{fault.code}</faultcode><faultstring>It went wrong.</faultstring><detail>"
        f'<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">{fault.code}</e:ResponseCode>'
        f'<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">It went wrong.</e:Message>'
        f"{_values(fault)}</detail></s:Fault>"
    )


def _envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{S}"><s:Header>{_VERSION}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _values(fault: Fault) -> str:
    if fault.back_off is None:
        return ""
    return f'<t:MessageXml xmlns:t="{T}"><t:Value Name="BackOffMilliseconds">{fault.back_off}</t:Value></t:MessageXml>'


def _message(operation: str, inner: str = "", *, code: str = "", fault: Fault | None = None) -> str:
    code = fault.code if fault else code
    if not code:
        return (
            f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            f"{inner}</m:{operation}ResponseMessage>"
        )
    values = _values(fault).replace("t:MessageXml", "m:MessageXml") if fault else ""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Error"><m:MessageText>It went wrong.</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{values}{inner}"
        f"</m:{operation}ResponseMessage>"
    )


def _folder(folder: Folder) -> str:
    unread = sum(not item.is_read for item in folder.items.values())
    return (
        f'<t:Folder><t:FolderId Id="{folder.id}" ChangeKey="AQ=="/><t:DisplayName>{folder.name}</t:DisplayName>'
        f"<t:TotalCount>{len(folder.items)}</t:TotalCount><t:ChildFolderCount>0</t:ChildFolderCount>"
        f"<t:UnreadCount>{unread}</t:UnreadCount></t:Folder>"
    )


def _item(item: Item, *, with_mime: bool = False) -> str:
    mime = ""
    if with_mime:
        mime = f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(item.data).decode()}</t:MimeContent>'
    return (
        f'<t:{item.kind}>{mime}<t:ItemId Id="{item.id}" ChangeKey="CQ=="/><t:Size>{item.size}</t:Size>'
        f"<t:DateTimeReceived>{item.received}</t:DateTimeReceived></t:{item.kind}>"
    )


def _change(folder: Folder, what: str, item_id: str) -> str:
    item = folder.items.get(item_id)
    if what == "Delete" or item is None:
        return f'<t:Delete><t:ItemId Id="{item_id}" ChangeKey="CQ=="/></t:Delete>'
    if what == "ReadFlagChange":
        return f'<t:ReadFlagChange><t:ItemId Id="{item_id}" ChangeKey="CQ=="/><t:IsRead>true</t:IsRead></t:ReadFlagChange>'
    return f"<t:{what}>{_item(item)}</t:{what}>"
