"""The demo's sign-in service: asks somebody to agree, and gives out tokens (RFC 6749, RFC 7636), as Microsoft and Google do.

Whoever comes is believed to be the one that the app names: there is nothing on this machine to protect from who sits at it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, quote, unquote, unquote_plus, urlencode, urlsplit

from .listeners import HOST

CLIENT_ID = "mailconfig-demo"
EXPIRES_IN = 300
"""Seconds; short, so that a token is seen to be renewed while somebody looks."""
MOST_BYTES = 16 * 1024
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in – demo</title>
<h1>Sign in to the demo's mail service</h1>
<p>The app <b>{app}</b> asks to send mail as <b>{user}</b>, also when nobody is there.</p>
<form method="post" action="/agree"><input type="hidden" name="query" value="{query}">
<button name="agrees" value="yes">Accept</button> <button name="agrees" value="">Refuse</button></form>"""


@dataclass(frozen=True, slots=True)
class _Agreed:
    """An agreement of somebody, and what has to come with the code for it."""

    user: str
    redirect_uri: str
    challenge: str


class Authority:
    """Listens on loopback from a thread of its own.

    Args:
        redirect_uri: the only address that browsers are sent back to.
    """

    def __init__(self, *, redirect_uri: str) -> None:
        self.client_secret = token_urlsafe(24)
        self._redirect_uri = redirect_uri
        self._lock = threading.Lock()
        self._codes: dict[str, _Agreed] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._access_tokens: dict[str, str] = {}
        self._server = ThreadingHTTPServer((HOST, 0), type("Handler", (_Handler,), {"authority": self}))
        self._server.daemon_threads = True

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="sign-in-service", daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        """Return an address here."""
        return f"http://{HOST}:{self._server.server_address[1]}{path}"

    def accepts(self, user: str, token: str) -> bool:
        """Return whether a mail server lets this user in with an access token."""
        return bool(user) and self._access_tokens.get(token) == user

    def asks(self, query: dict[str, str]) -> str:
        """Return whom the page asks for which mailbox; ``""``: the app is not known, or would be answered elsewhere."""
        is_ours = query.get("client_id") == CLIENT_ID and query.get("redirect_uri") == self._redirect_uri
        is_whole = query.get("response_type") == "code" and query.get("code_challenge_method") == "S256"
        return query.get("login_hint", "") if is_ours and is_whole else ""

    def agree(self, query: dict[str, str], *, agrees: bool) -> str:
        """Return where the browser is sent back to."""
        answer = {"state": query.get("state", ""), "error": "access_denied"}
        if agrees:
            code = token_urlsafe(24)
            challenge = query.get("code_challenge", "")
            self._codes[code] = _Agreed(query["login_hint"], query["redirect_uri"], challenge)
            answer = {"state": query.get("state", ""), "code": code}
        return f"{self._redirect_uri}?{urlencode(answer)}"

    def token(self, form: dict[str, str], *, client: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a question to the token endpoint (RFC 6749 §5)."""
        if not hmac.compare_digest(client.encode(), f"{CLIENT_ID}:{self.client_secret}".encode()):
            return 401, {"error": "invalid_client"}
        with self._lock:
            if form.get("grant_type") == "authorization_code":
                user = self._of_code(form)
            elif form.get("grant_type") == "refresh_token":
                # Each serves once: the next one comes along.
                user = self._refresh_tokens.pop(form.get("refresh_token", ""), "")
            else:
                return 400, {"error": "unsupported_grant_type"}
            if not user:
                return 400, {"error": "invalid_grant", "error_description": "Sign in once more."}
            access, refresh = token_urlsafe(32), token_urlsafe(32)
            self._access_tokens[access], self._refresh_tokens[refresh] = user, user
        return 200, {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": EXPIRES_IN,
        }

    def _of_code(self, form: dict[str, str]) -> str:
        agreed = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if agreed is None or (agreed.redirect_uri, agreed.challenge) != (form.get("redirect_uri"), challenge):
            return ""
        return agreed.user


class _Handler(BaseHTTPRequestHandler):
    """Requests to the service."""

    authority: Authority
    timeout = 10

    def do_GET(self) -> None:
        """Show the page that asks."""
        asked = urlsplit(self.path)
        user = self.authority.asks(_fields(asked.query)) if asked.path == "/authorize" else ""
        if not user:
            self._answer(400, "text/plain", "This is no question of the demo's app.")
            return
        page = PAGE.format(app=CLIENT_ID, user=escape(user), query=escape(quote(asked.query)))
        self._answer(200, "text/html", page)

    def do_POST(self) -> None:
        """Take the answer of the page, or give out a token."""
        form = _fields(
            self.rfile.read(min(MOST_BYTES, int(self.headers.get("Content-Length") or 0))).decode()
        )
        if self.path == "/token":
            status, body = self.authority.token(form, client=_client(self.headers.get("Authorization", "")))
            self._answer(status, "application/json", json.dumps(body))
            return
        query = _fields(unquote(form.get("query", "")))
        if self.path != "/agree" or not self.authority.asks(query):
            self._answer(400, "text/plain", "This is no answer to a question of the demo's app.")
            return
        self.send_response(302)
        self.send_header("Location", self.authority.agree(query, agrees=form.get("agrees") == "yes"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: addresses have codes in them."""


def _fields(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


def _client(header: str) -> str:
    """Return id and secret with a colon between them, as a Basic header has them (RFC 6749 §2.3.1); ``""``: there is none."""
    try:
        said = base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        return ""
    return unquote_plus(said) if header.startswith("Basic ") else ""
