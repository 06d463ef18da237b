"""Mail services as their public documents describe them, on loopback: what they want, take, and say when they do not.

SendGrid v3 ``mail/send`` and ``scopes``, Postmark ``email`` and ``server``, Mailgun ``messages``, Resend ``emails`` and
``domains``, Brevo ``smtp/email`` and ``account``; those of :mod:`.service_table` by its entries.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from .service_table import KEY, TABLE, Parts, Said

__all__ = ["KEY", "Fault", "Said", "Sent", "ServiceServer"]


@dataclass(frozen=True)
class Sent:
    """A mail that was taken."""

    service: str
    recipients: tuple[str, ...]
    said: dict[str, Any] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    parts: Parts | None = None
    """What the request says, of services of the table."""


Fault = Callable[["ServiceServer"], "Said | None"]


class ServiceServer:
    """Listens on loopback while used as a context manager; ``url(name)`` is where a service's paths begin.

    ``fault`` is the next answers instead of its own: a status, what it says, or ``"hang up"`` (takes the mail and ends the
    connection), ``"cut"`` (an answer shorter than it says), ``"nonsense"`` (200 and a page).
    """

    def __init__(self) -> None:
        self.mails: list[Sent] = []
        self.asked: list[str] = []
        self.connections = 0
        self.faults: list[Said | str] = []
        self.suppressed: set[str] = set()
        """Recipients that Postmark knows as inactive, and the others do not take."""
        self.refused: set[str] = set()
        """Recipients whom a service of the table says that it refuses."""
        self.domains = {"mg.example.com"}
        """Sending domains that Mailgun knows."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, name: str) -> str:
        """Return where the paths of a service begin."""
        return f"http://127.0.0.1:{self.port}/{name}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        """Answer as the service would to which the path belongs."""
        _, service, rest = path.split("/", 2)
        self.asked.append(f"{method} /{service}/{rest}")
        if service in TABLE:
            return self._of_table(service, method, rest, headers, body)
        return {
            "sendgrid": self._sendgrid,
            "postmark": self._postmark,
            "mailgun": self._mailgun,
            "resend": self._resend,
            "brevo": self._brevo,
        }[service](method, rest, headers, body)

    def keep(
        self,
        service: str,
        recipients: list[str],
        said: dict[str, Any],
        headers: Message,
        parts: Parts | None = None,
    ) -> None:
        """Take a mail."""
        kept = {name.lower(): str(value) for name, value in headers.items()}
        self.mails.append(Sent(service, tuple(recipients), said, kept, parts))

    def _sendgrid(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        if headers["Authorization"] != f"Bearer {KEY}":
            wrong = "The provided authorization grant is invalid, expired, or revoked"
            return _sendgrid_error(401, wrong, None)
        if (method, path) == ("GET", "scopes"):
            return Said(200, {"scopes": ["mail.send"]})
        said = json.loads(body)
        recipients: list[str] = []
        for personalization in said["personalizations"]:
            if not personalization.get("to"):
                return _sendgrid_error(400, "The to array is required", "personalizations.0.to")
            each = [one["email"] for name in ("to", "cc", "bcc") for one in personalization.get(name, [])]
            if len({address.lower() for address in each}) != len(each):
                words = "Each email address in the personalization block should be unique between to, cc, and bcc."
                return _sendgrid_error(400, words, "personalizations")
            recipients += each
        if not said.get("subject"):
            return _sendgrid_error(400, "The subject is required.", "subject")
        if not said.get("content"):
            return _sendgrid_error(
                400, "Unless a valid template_id is provided, the content is required", "content"
            )
        reserved = {
            "x-sg-id",
            "x-sg-eid",
            "received",
            "dkim-signature",
            "content-type",
            "to",
            "from",
            "subject",
        }
        reserved |= {"content-transfer-encoding", "reply-to", "cc", "bcc"}
        if reserved & {name.lower() for name in said.get("headers", {})}:
            return _sendgrid_error(400, "The headers contain a reserved header.", "headers")
        self.keep("sendgrid", recipients, said, headers)
        return Said(202, None, (("X-Message-Id", f"sg-{len(self.mails)}"),))

    def _postmark(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        if headers["X-Postmark-Server-Token"] != KEY:
            return Said(401, {"ErrorCode": 10, "Message": "Request does not contain a valid Server token."})
        if (method, path) == ("GET", "server"):
            return Said(200, {"ID": 1, "Name": "Test"})
        said = json.loads(body)
        recipients = [
            parseaddr(one)[1] for name in ("To", "Cc", "Bcc") for one in said.get(name, "").split(", ") if one
        ]
        why = "Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression."
        inactive = [address for address in recipients if address in self.suppressed]
        if len(inactive) == len(recipients):
            found = f"Found inactive addresses: {', '.join(inactive)}"
            words = f"You tried to send to recipient(s) that have been marked as inactive. {found}. {why}"
            return Said(422, {"ErrorCode": 406, "Message": words})
        self.keep("postmark", [one for one in recipients if one not in inactive], said, headers)
        words = "OK"
        if inactive:
            words = (
                f"Message OK, but will not deliver to these inactive addresses: {', '.join(inactive)}. {why}"
            )
        done = {
            "To": said.get("To", ""),
            "MessageID": f"pm-{len(self.mails)}",
            "ErrorCode": 0,
            "Message": words,
        }
        return Said(200, done)

    def _mailgun(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        import base64

        if headers["Authorization"] != "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode():
            return Said(401, "Forbidden")
        if path.removesuffix("/messages") not in self.domains:
            return Said(404, {"message": "Domain not found: other.example.com"})
        said = _form(headers, body)
        recipients = [parseaddr(one)[1] for name in ("to", "cc", "bcc") for one in said.get(name, [])]
        self.keep("mailgun", recipients, said, headers)
        return Said(200, {"id": f"<{len(self.mails)}@mg.example.com>", "message": "Queued. Thank you."})

    def _resend(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        if headers["Authorization"] != f"Bearer {KEY}":
            return Said(403, {"statusCode": 403, "name": "invalid_api_key", "message": "API key is invalid"})
        if (method, path) == ("GET", "domains"):
            words = "This API key is restricted to only send emails"
            return Said(401, {"statusCode": 401, "name": "restricted_api_key", "message": words})
        said = json.loads(body)
        recipients = [parseaddr(one)[1] for name in ("to", "cc", "bcc") for one in said.get(name, [])]
        key = headers["Idempotency-Key"]
        if len(recipients) > 50:
            words = "The `to` field must not exceed 50 recipients."
            return Said(422, {"statusCode": 422, "name": "validation_error", "message": words})
        before = next((mail for mail in self.mails if mail.headers.get("idempotency-key") == key), None)
        if before is not None and before.said != said:
            words = "Same idempotency key used with a different request payload"
            return Said(409, {"statusCode": 409, "name": "invalid_idempotent_request", "message": words})
        if before is None:
            self.keep("resend", recipients, said, headers)
        return Said(200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})

    def _brevo(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        if headers["api-key"] != KEY:
            return Said(401, {"message": "Key not found", "code": "unauthorized"})
        if (method, path) == ("GET", "account"):
            return Said(200, {"email": "owner@example.com"})
        said = json.loads(body)
        recipients = [one["email"] for name in ("to", "cc", "bcc") for one in said.get(name, [])]
        self.keep("brevo", recipients, said, headers)
        return Said(201, {"messageId": f"<{len(self.mails)}@smtp-relay.example.net>"})

    def _of_table(self, service: str, method: str, path: str, headers: Message, body: bytes) -> Said:
        said = json.loads(body or b"{}")
        refused = frozenset(self.suppressed | self.refused)
        answer, parts, taken = TABLE[service].answer(method, path, headers, said, refused)
        if parts is not None:
            self.keep(service, taken, said, headers, parts)
        if service == "mandrill" and isinstance(answer.body, list):
            hidden = {one.lower() for one in self.suppressed}  # of these it says nothing
            answer = Said(answer.status, [one for one in answer.body if one["email"] not in hidden])
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                self.tell(server.answer("GET", self.path, self.headers, b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = server.faults.pop(0) if server.faults else None
                if isinstance(fault, Said):
                    server.asked.append(f"POST {self.path}")
                    self.tell(fault)
                    return
                said = server.answer("POST", self.path, self.headers, body)
                if fault == "hang up":
                    self.close_connection = True
                elif fault == "cut":
                    self.tell(said, longer=10)
                    self.close_connection = True
                elif fault == "nonsense":
                    self.tell(Said(200, "<html>Welcome to the hotel</html>"))
                else:
                    self.tell(said)

            def tell(self, said: Said, *, longer: int = 0) -> None:
                is_text = isinstance(said.body, str)
                body = (
                    b"" if said.body is None else (said.body if is_text else json.dumps(said.body)).encode()
                )
                self.send_response(said.status)
                if "Content-Type" not in dict(said.headers):
                    self.send_header("Content-Type", "text/html" if is_text else "application/json")
                self.send_header("Content-Length", str(len(body) + longer))
                for name, value in said.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler


def _sendgrid_error(status: int, words: str, field: str | None) -> Said:
    return Said(status, {"errors": [{"message": words, "field": field, "help": None}]})


def _form(headers: Message, body: bytes) -> dict[str, Any]:
    """Return the fields of a form, each a list; files as their names."""
    from urllib.parse import parse_qs

    kind = headers["Content-Type"]
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qs(body.decode()))
    parsed = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    found: dict[str, Any] = {}
    for part in parsed.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content: Any = part.get_payload(decode=True)
        found.setdefault(name, []).append(part.get_filename() or content.decode())
    return found
