"""Gmail's interface on loopback, as Google's documents describe it (developers.google.com/workspace/gmail/api/reference/rest).

It answers users.getProfile, messages.send (JSON and media upload), messages.list, messages.get, history.list, labels.list and
labels.get, and may be made to misbehave. Google's own client is what it is proved with
(``tests/integration/transports/gmail/test_fake.py``).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

ADDRESS = "me@gmail.test"
TOKEN = "ya29.not-a-real-token"
SEND = "https://www.googleapis.com/auth/gmail.send"
READ = "https://www.googleapis.com/auth/gmail.readonly"
ALL = "https://mail.google.com/"
PAGE = 100
MOST_UPLOAD = 36_700_160


@dataclass
class Stored:
    """A message in the mailbox."""

    id: str
    data: bytes
    labels: set[str]
    received_ms: int = 1784249065000
    thread: str = ""
    size: int | None = None
    """That is told instead of the true one."""


@dataclass(frozen=True)
class Sent:
    """A mail that was taken."""

    data: bytes
    """Without ``Bcc``, as Gmail sends it."""
    recipients: tuple[str, ...]


@dataclass
class Fault:
    """What is answered instead of doing what is asked."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    does_it: bool = False
    """Whether what was asked is done all the same."""
    hangs_up: bool = False
    """End the connection instead of an answer."""
    hangs: bool = False
    """Say nothing until the server ends."""
    left: int = 10**9
    """So many times."""


def error(status: int, reason: str, message: str, *, domain: str = "global", word: str = "") -> Fault:
    """An error as Google writes it."""
    said: dict[str, Any] = {
        "code": status,
        "message": message,
        "errors": [{"message": message, "domain": domain, "reason": reason}],
    }
    if word:
        said["status"] = word
    return Fault(status, json.dumps({"error": said}).encode())


def scope_error() -> Fault:
    """What a token is told whose rights do not reach as far."""
    fault = error(403, "insufficientPermissions", "Insufficient Permission", word="PERMISSION_DENIED")
    said = json.loads(fault.body)
    said["error"]["details"] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": {"service": "gmail.googleapis.com"},
        }
    ]
    fault.body = json.dumps(said).encode()
    return fault


INVALID = error(401, "authError", "Invalid Credentials", word="UNAUTHENTICATED")
NOT_FOUND = error(404, "notFound", "Requested entity was not found.", word="NOT_FOUND")
DOCUMENTED = {
    "badRequest": error(400, "badRequest", "Invalid To header"),
    "invalidArgument": error(400, "invalidArgument", "Invalid value", word="INVALID_ARGUMENT"),
    "failedPrecondition": error(400, "failedPrecondition", "Mail service not enabled"),
    "authError": INVALID,
    "dailyLimitExceeded": error(403, "dailyLimitExceeded", "Daily Limit Exceeded", domain="usageLimits"),
    "userRateLimitExceeded": error(
        403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"
    ),
    "rateLimitExceeded": error(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits"),
    "domainPolicy": error(
        403, "domainPolicy", "The domain administrators have disabled Gmail apps.", domain="global"
    ),
    "accessNotConfigured": error(
        403, "accessNotConfigured", "Gmail API has not been used in project 1 before", domain="usageLimits"
    ),
    "tooMany": error(429, "rateLimitExceeded", "Too many concurrent requests for user", domain="usageLimits"),
    "backendError": error(500, "backendError", "Backend Error"),
    "unavailable": error(503, "backendError", "The service is currently unavailable."),
}
"""Errors of Google's page on them, by what they are about."""


class FakeGmail:
    """Listens on loopback while used as a context manager."""

    def __init__(self, *, address: str = ADDRESS, tokens: dict[str, tuple[str, ...]] | None = None) -> None:
        self.address = address
        self.tokens: dict[str, tuple[str, ...]] = {TOKEN: (ALL,)} if tokens is None else tokens
        """Rights by access token."""
        self.labels = {"INBOX": "INBOX", "SENT": "SENT", "Label_7": "Other"}
        """Names by id."""
        self.messages: dict[str, Stored] = {}
        self.history: list[tuple[int, dict[str, Any], set[str]]] = []
        """Number, record, labels of its messages."""
        self.number = 1000
        self.forgets_before = 0
        """Of what happened up to there nothing is known any more."""
        self.sent: list[Sent] = []
        self.asked: list[str] = []
        """Methods in their order."""
        self.headers: list[dict[str, str]] = []
        self.faults: dict[str, Fault] = {}
        """By method; ``*``: whatever is asked."""
        self.page = PAGE
        self.over = threading.Event()
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where its paths begin."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def rights_of(self, token: str) -> tuple[str, ...] | None:
        """Return what a token lets do; ``None``: it is none."""
        return self.tokens.get(token)

    def put(self, data: bytes, *labels: str, **values: Any) -> str:
        """Let a message come in; without labels to the inbox. Returns its id."""
        self.number += 7
        key = f"{0x18C0000000000000 + self.number:x}"
        under = set(labels or ("INBOX",))
        self.messages[key] = Stored(key, data, under, thread=key, **values)
        self._note({"messagesAdded": [{"message": self._short(key)}]}, under)
        return key

    def label(self, key: str, label: str) -> None:
        """Put a message under a label."""
        self.messages[key].labels.add(label)
        self._note(
            {"labelsAdded": [{"message": self._short(key), "labelIds": [label]}]}, self.messages[key].labels
        )

    def _note(self, record: dict[str, Any], labels: set[str]) -> None:
        self.number += 3
        self.history.append((self.number, {"id": str(self.number), **record}, set(labels)))

    def _short(self, key: str) -> dict[str, Any]:
        found = self.messages[key]
        return {"id": key, "threadId": found.thread, "labelIds": sorted(found.labels)}

    # What is asked.

    def profile(self, _query: dict[str, list[str]]) -> object:
        """users.getProfile."""
        return {
            "emailAddress": self.address,
            "messagesTotal": len(self.messages),
            "threadsTotal": len(self.messages),
            "historyId": str(self.number),
        }

    def list_labels(self, _query: dict[str, list[str]]) -> object:
        """users.labels.list."""
        return {"labels": [{"id": key, "name": name, "type": "user"} for key, name in self.labels.items()]}

    def get_label(self, key: str) -> object:
        """users.labels.get."""
        if key not in self.labels:
            return NOT_FOUND
        total = sum(key in message.labels for message in self.messages.values())
        return {"id": key, "name": self.labels[key], "messagesTotal": total}

    def list_messages(self, query: dict[str, list[str]]) -> object:
        """users.messages.list: the latest first."""
        label = query.get("labelIds", [""])[0]
        found = [key for key, message in self.messages.items() if not label or label in message.labels][::-1]
        return self._paged("messages", [{"id": key, "threadId": key} for key in found], query)

    def list_history(self, query: dict[str, list[str]]) -> object:
        """users.history.list: in the order in which it happened."""
        start = query.get("startHistoryId", [""])[0]
        if not start.isdigit() or int(start) < self.forgets_before or int(start) > self.number:
            return NOT_FOUND
        label = query.get("labelId", [""])[0]
        kinds = {
            {"messageAdded": "messagesAdded", "labelAdded": "labelsAdded"}.get(k)
            for k in query.get("historyTypes", [])
        }
        found = [
            record
            for number, record, labels in self.history
            if number > int(start) and (not label or label in labels) and (not kinds or kinds & set(record))
        ]
        answer = self._paged("history", found, query)
        if isinstance(answer, dict):
            answer["historyId"] = str(self.number)
        return answer

    def _paged(self, name: str, found: list[dict[str, Any]], query: dict[str, list[str]]) -> object:
        token = query.get("pageToken", [""])[0]
        if token and not re.fullmatch(r"page-\d+", token):
            return error(400, "invalidArgument", "Invalid pageToken", word="INVALID_ARGUMENT")
        at, most = (
            int(token[5:] or 0) if token else 0,
            min(self.page, int(query.get("maxResults", ["100"])[0])),
        )
        answer: dict[str, Any] = {name: found[at : at + most]} if found else {}
        if at + most < len(found):
            answer["nextPageToken"] = f"page-{at + most}"
        return answer

    def get_message(self, key: str, query: dict[str, list[str]]) -> object:
        """users.messages.get."""
        found = self.messages.get(key)
        if found is None:
            return NOT_FOUND
        size = len(found.data) if found.size is None else found.size
        answer = {
            **self._short(key),
            "sizeEstimate": size,
            "historyId": str(self.number),
            "internalDate": str(found.received_ms),
        }
        if query.get("format") == ["raw"]:
            answer["raw"] = base64.urlsafe_b64encode(found.data).decode()
        wanted = query.get("fields", [""])[0].split(",")
        return {name: value for name, value in answer.items() if wanted == [""] or name in wanted}

    def send(self, data: bytes) -> object:
        """users.messages.send: to whom the header names."""
        header = message_from_bytes(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        values = [str(value) for name in ("To", "Cc", "Bcc") for value in header.get_all(name, [])]
        recipients = tuple(address for _name, address in getaddresses(values) if address)
        if not recipients:
            return error(400, "invalidArgument", "Recipient address required", word="INVALID_ARGUMENT")
        head, end, text = data.partition(b"\r\n\r\n")
        lines = re.sub(rb"(?im)^Bcc:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + b"\r\n")
        without = lines[:-2] + end + text
        with self.lock:
            self.sent.append(Sent(without, recipients))
            key = self.put(without, "SENT")
        return {"id": key, "threadId": key, "labelIds": ["SENT"]}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGmail
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 30

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Take a mail."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        with suppress(OSError):
            self._say(body)
            self.wfile.flush()

    def _say(self, body: bytes) -> None:
        fake, parts = self.fake, urlsplit(self.path)
        query = parse_qs(parts.query)
        name, rights, answer = _routed(fake, self.command, parts.path)
        fake.asked.append(name)
        fake.headers.append({key.lower(): value for key, value in self.headers.items()})
        fault = fake.faults.get(name) or fake.faults.get("*")
        if fault is not None and fault.left > 0:
            fault.left -= 1
        else:
            fault = None
        told: object = self._refused(rights)
        if told is None and (fault is None or fault.does_it):
            told = answer(query, body)
        if fault is None:
            self._write(told)
        elif fault.hangs_up:
            self.close_connection = True
        elif fault.hangs:
            fake.over.wait(30)
            self.close_connection = True
        else:
            self._write(fault)

    def _refused(self, rights: Iterable[str]) -> Fault | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        granted = self.fake.rights_of(token)
        if granted is None:
            return INVALID
        return None if {ALL, *rights} & set(granted) else scope_error()

    def _write(self, told: object) -> None:
        fault = told if isinstance(told, Fault) else None
        data = fault.body if fault else json.dumps(told, indent=2).encode()
        self.send_response(fault.status if fault else 200)
        for name, value in (fault.headers if fault else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _routed(fake: FakeGmail, verb: str, path: str) -> tuple[str, tuple[str, ...], Any]:
    """Return a method's name, the rights of which it needs one, and what answers it."""
    reads = (READ,)
    match verb, path.removeprefix("/gmail/v1/users/me/").split("/"):
        case "POST", ["messages", "send"]:
            return "messages.send", (SEND,), lambda _query, body: fake.send(_of_json(body))
        case "POST", [*_, "messages", "send"] if path.startswith("/upload/"):
            return "messages.send", (SEND,), lambda _query, body: fake.send(body)
        case "GET", ["profile"]:
            return "getProfile", reads, lambda query, _body: fake.profile(query)
        case "GET", ["labels"]:
            return "labels.list", reads, lambda query, _body: fake.list_labels(query)
        case "GET", ["labels", key]:
            return "labels.get", reads, lambda _query, _body: fake.get_label(key)
        case "GET", ["messages"]:
            return "messages.list", reads, lambda query, _body: fake.list_messages(query)
        case "GET", ["messages", key]:
            return "messages.get", reads, lambda query, _body: fake.get_message(key, query)
        case "GET", ["history"]:
            return "history.list", reads, lambda query, _body: fake.list_history(query)
    return "unknown", (), lambda _query, _body: NOT_FOUND


def _of_json(body: bytes) -> bytes:
    raw = json.loads(body)["raw"]
    return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
