"""A service that gives out access tokens, and mail servers that take them: as Microsoft and Google are, by their documents.

``with Authority() as authority: authority.register("app", "secret")``. Its addresses are those of Microsoft under
``url("")``, and Google's token endpoint is there, too.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote_plus, urlencode, urlsplit

from tests.servers.chaos import ChaosServer
from tests.servers.http import Asked, ScriptedHttpServer, answer
from tests.servers.imap import FakeIMAP

TRACE = (
    "\r\nTrace ID: 0000aaaa-11bb-cccc-dd22-eeeeee333333\r\nCorrelation ID: aaaa0000-bb11-2222-33cc-444444dddddd"
    "\r\nTimestamp: 2026-11-30 02:02:12Z"
)

Reply = tuple[int, dict[str, Any] | str, str]
"""Status, body, further fields."""


def microsoft_error(error: str, number: int, words: str, status: int = 400, **more: Any) -> Reply:
    """Return an error as Microsoft's identity platform writes it (reference of its error codes)."""
    body = {
        "error": error,
        "error_description": f"AADSTS{number}: {words}{TRACE}",
        "error_codes": [number],
        "timestamp": "2026-11-30 02:02:12Z",
        "trace_id": "0000aaaa-11bb-cccc-dd22-eeeeee333333",
        "correlation_id": "aaaa0000-bb11-2222-33cc-444444dddddd",
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return status, {**body, **more}, ""


def google_error(error: str, words: str, status: int = 400, **more: Any) -> Reply:
    """Return an error as Google's token endpoint writes it."""
    return status, {"error": error, "error_description": words, **more}, ""


REVOKED = microsoft_error(
    "invalid_grant",
    50173,
    "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
)
CONSENT = microsoft_error(
    "invalid_grant",
    65001,
    "The user or administrator has not consented to use the application.",
    suberror="consent_required",
)
WRONG_SECRET = microsoft_error("invalid_client", 7000215, "Invalid client secret provided.", 401)
EXPIRED_SECRET = microsoft_error(
    "invalid_client", 7000222, "The provided client secret keys are expired.", 401
)
GOOGLE_REVOKED = google_error("invalid_grant", "Token has been expired or revoked.")
GOOGLE_NO_CLIENT = google_error("invalid_client", "The OAuth client was not found.", 401)
GOOGLE_RAPT = google_error(
    "invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt"
)


@dataclass
class Issued:
    """A token that was given out."""

    user: str
    """Whose mailbox; empty: every one that the app was let into."""
    is_valid: bool = True


@dataclass
class Authority:
    """Gives out tokens while used as a context manager."""

    expires_in: Any = 3600
    rotates: bool = False
    """Whether each refresh token serves once, and brings the next."""
    is_open: threading.Event = field(default_factory=threading.Event)
    """Clear it, and requests wait before they are looked at."""

    def __post_init__(self) -> None:
        self._http = ScriptedHttpServer()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.apps: dict[str, str] = {}
        self.refresh_tokens: dict[str, Issued] = {}
        self.access_tokens: dict[str, Issued] = {}
        self.codes: dict[str, dict[str, str]] = {}
        """What was asked for where somebody agreed, by the code that was given for it. Each serves once."""
        self.forms: list[dict[str, str]] = []
        """What was asked, by names."""
        self.says: list[Reply] = []
        """Answers for the next requests instead of tokens."""
        self.always: Reply | None = None
        self.is_open.set()

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open.set()
        self._http.__exit__()

    @property
    def requests(self) -> int:
        """How many requests came, those among them that wait to be looked at."""
        return len(self._http.asked)

    def url(self, path: str = "") -> str:
        """Return an address here; without a path what a deployment names as its authority."""
        return self._http.url(path)

    def register(self, client_id: str, secret: str, *, directory: str = "contoso.example") -> None:
        """Know an app, in a directory and for Google."""
        self.apps[client_id] = secret
        for path in (f"/{directory}/oauth2/v2.0/token", "/token"):
            self._http.scripts[path] = self._token
        self._http.scripts[f"/{directory}/oauth2/v2.0/authorize"] = self._ask_person
        self._http.scripts["/agree"] = self._agreed
        self._http.scripts["/tokeninfo"] = self._tell

    def agree(self, user: str) -> str:
        """Return a refresh token that somebody agreed to."""
        token = f"refresh-{next(self._numbers)}-{user}"
        self.refresh_tokens[token] = Issued(user)
        return token

    def issue(self, user: str) -> str:
        """Return an access token."""
        token = f"access-{next(self._numbers)}.{user or 'app'}".replace("@", "-at-")
        self.access_tokens[token] = Issued(user)
        return token

    def answer_to(self, url: str) -> dict[str, str]:
        """Return the parameters that the browser comes back with, where somebody agreed at that address."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{next(self._numbers)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def _ask_person(self, asked: Asked) -> bytes:
        """Show a page that asks somebody to agree."""
        query = quote(urlsplit(asked.target).query)
        page = (
            "<!doctype html><title>Sign in</title><h1>Let the app send mail?</h1>"
            f"<form method=get action=/agree><input type=hidden name=query value='{query}'><button>Accept</button></form>"
        )
        return answer(page.encode(), fields="Content-Type: text/html; charset=utf-8\r\n")

    def _agreed(self, asked: Asked) -> bytes:
        query = unquote_plus(parse_qs(urlsplit(asked.target).query)["query"][0])
        back = parse_qs(query)["redirect_uri"][0]
        found = urlencode(self.answer_to(f"?{query}"))
        return answer(status="302 Found", fields=f"Location: {back}?{found}\r\n")

    def _tell(self, asked: Asked) -> bytes:
        """Tell a mail server who a token is for, as Google's endpoint of that name does."""
        issued = self.access_tokens.get(parse_qs(urlsplit(asked.target).query)["access_token"][0])
        if issued is None or not issued.is_valid:
            return answer(b'{"error": "invalid_token"}', status="401 Unauthorized")
        return answer(json.dumps({"user": issued.user}).encode(), fields="Content-Type: application/json\r\n")

    def revoke_all(self) -> None:
        """Let no token that was given out be worth anything."""
        for issued in (*self.refresh_tokens.values(), *self.access_tokens.values()):
            issued.is_valid = False

    def accepts(self, user: str, token: str) -> bool:
        """Return whether a mail server lets this user in with the token."""
        issued = self.access_tokens.get(token)
        return issued is not None and issued.is_valid and issued.user in {"", user}

    def _token(self, asked: Asked) -> bytes:
        self.is_open.wait()
        with self._lock:
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            form |= _from_header(asked.headers.get("authorization", ""))
            self.forms.append(form)
            status, body, fields = self._answer(form)
        text = body if isinstance(body, str) else json.dumps(body)
        return answer(
            text.encode(),
            status=f"{status} X",
            fields=f"Content-Type: application/json\r\nCache-Control: no-store\r\n{fields}",
        )

    def _answer(self, form: dict[str, str]) -> Reply:
        if self.says:
            return self.says.pop(0)
        if self.always is not None:
            return self.always
        if self.apps.get(form.get("client_id", "")) != form.get("client_secret"):
            return WRONG_SECRET
        if form["grant_type"] == "client_credentials":
            return 200, self._body("", form), ""
        if form["grant_type"] == "authorization_code":
            return self._for_code(form)
        issued = self.refresh_tokens.get(form.get("refresh_token", ""))
        if issued is None or not issued.is_valid:
            return REVOKED
        body = self._body(issued.user, form)
        if self.rotates:
            issued.is_valid = False
            body["refresh_token"] = self.agree(issued.user)
        return 200, body, ""

    def _for_code(self, form: dict[str, str]) -> Reply:
        asked = self.codes.pop(form.get("code", ""), {})
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        mine = (form["client_id"], form.get("redirect_uri"), challenge, "S256")
        names = ("client_id", "redirect_uri", "code_challenge", "code_challenge_method")
        if mine != tuple(asked.get(name) for name in names):
            return microsoft_error("invalid_grant", 70000, "The code is not valid.")
        user = asked.get("login_hint", "")
        return 200, {**self._body(user, {"scope": asked["scope"]}), "refresh_token": self.agree(user)}, ""

    def _body(self, user: str, form: dict[str, str]) -> dict[str, Any]:
        found = {"token_type": "Bearer", "scope": form.get("scope", ""), "access_token": self.issue(user)}
        return found if self.expires_in is None else {**found, "expires_in": self.expires_in}


def _from_header(value: str) -> dict[str, str]:
    if not value.startswith("Basic "):
        return {}
    user, secret = base64.b64decode(value.removeprefix("Basic ")).decode().split(":")
    return {"client_id": unquote_plus(user), "client_secret": unquote_plus(secret), "by": "header"}


class TokenSMTP(ChaosServer):
    """An SMTP server that asks an authority about tokens."""

    def __init__(self, accepts: Callable[[str, str], bool], **options: Any) -> None:
        super().__init__(credentials={}, **{"mechanisms": ("PLAIN", "XOAUTH2"), **options})
        self._accepts = accepts

    def accepts(self, user: str, password: str) -> bool:
        """Whether the token is good."""
        return self._accepts(user, password)


class TokenIMAP(FakeIMAP):
    """An IMAP server that asks an authority about tokens."""

    def __init__(self, accepts: Callable[[str, str], bool], **options: Any) -> None:
        super().__init__(**options)
        self._accepts = accepts

    def accepts(self, user: str, secret: str) -> bool:
        """Whether the token is good."""
        return self._accepts(user, secret)
