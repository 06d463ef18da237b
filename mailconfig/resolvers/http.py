"""The resolver that asks a service by HTTP, through the gate.

Settings: ``PII_RESOLVER_URL``, and ``PII_RESOLVER_HEADERS`` for the fields that authorise us. The request and its answer::

    POST /the/url                       HTTP/1.1 200 OK
    Content-Type: application/json      Content-Type: application/json

    {"tenant": "acme",                  {"values": {"NS-EU-4F2A-1": "anna@example.net"}}
     "tokens": ["NS-EU-4F2A-1"]}

A token that the service does not know, or that is another tenant's, is left out of the answer. Any other status than 200,
and what is no such JSON, means that nobody can say for now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from mailconfig.conf import get_settings
from mailconfig.exceptions import AnswerTooLarge, HostNotAllowed, ResolverAway, TokenInvalid, TransportError
from mailconfig.http_urls import InvalidUrl, check_url
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpRequest, send_request
from mailconfig.transports.network import gate

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t -~]*")
MOST_BYTES = 2 * 1024 * 1024
"""Of an answer: no value may have more."""


class HttpResolver:
    """Asks the service that the settings name; see :class:`mailconfig.resolvers.TokenResolver`."""

    def why_not_usable(self) -> str:
        """Return why the settings cannot be used, in a sentence for whoever writes them; ``""``: they can."""
        settings = get_settings()
        policy = settings.web_policy()
        try:
            url = check_url(
                settings.pii_resolver_url, plain_http=policy.allow_plain_http, listed=policy.allowed_hosts
            )
            gate.vet_host(url.host, url.port, policy)
        except (InvalidUrl, HostNotAllowed) as error:
            return f"MAILCONFIG['PII_RESOLVER_URL'] cannot be used: {error}"
        for name, value in settings.pii_resolver_headers.items():
            if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
                return f"MAILCONFIG['PII_RESOLVER_HEADERS'][{name!r}] cannot be written into a request."
        return ""

    def resolve(self, *, tenant: str, tokens: Sequence[str], seconds: float) -> Mapping[str, str]:
        """Ask for the tokens of one mail, in one request."""
        settings = get_settings()
        asked = json.dumps({"tenant": tenant, "tokens": list(tokens)})
        request = HttpRequest(
            method="POST",
            url=settings.pii_resolver_url,
            headers=(
                ("Content-Type", "application/json"),
                ("Accept", "application/json"),
                *settings.pii_resolver_headers.items(),
            ),
            body=asked.encode(),
        )
        surroundings = Surroundings(
            policy=settings.web_policy(), timeouts=replace(settings.smtp_timeouts(), total=seconds)
        )
        try:
            answer = send_request(request, surroundings, most_bytes=MOST_BYTES)
        except AnswerTooLarge:
            raise TokenInvalid("the service's answer is too long") from None
        except (TransportError, ValueError) as error:
            raise ResolverAway(f"the service cannot be asked: {type(error).__name__}") from None
        if answer.status != HTTPStatus.OK:
            raise ResolverAway(f"the service answers with the status {answer.status}")
        return _values(answer.body)


def _values(body: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(body)["values"]
    except (ValueError, KeyError, TypeError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ResolverAway("the service's answer is not of the form that was asked for")
    return values
