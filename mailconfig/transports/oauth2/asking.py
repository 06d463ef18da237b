"""The request to a token endpoint (RFC 6749 §4.1.3, §4.4.2, §6)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from mailconfig.exceptions import TokenUnavailable, TransportError
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpRequest, send_request
from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Secret, Stage

from .answers import TokenAnswer, read_answer

MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """Question to a token endpoint, and in whose name it is asked."""

    url: str
    client_id: str
    client_secret: Secret | None = None
    """``None``: a public client, which has none."""
    by_header: bool = False
    """Whether the client proves itself in the header, as each service has to know it (RFC 6749 §2.3.1), or in the body, as
    Microsoft and Google want it."""
    parameters: Mapping[str, str | Secret] = field(default_factory=dict)
    """Besides those of the client; ``grant_type`` first."""


def request_token(request: TokenRequest, surroundings: Surroundings) -> TokenAnswer:
    """Ask for a token.

    Raises:
        TokenUnavailable: none came, and later one may: the service is away, or busy (``retry_after``).
        TokenRefused: the service says no.
        TokenAnswerBroken: its answer is none.
        SecretUnreadable: nothing was connected.
    """
    # The texts are in no variable that outlives its line: error reporters show those of every frame.
    scrubber = Scrubber(secret.reveal() for secret in _secrets(request))
    try:
        answer = send_request(_written(request), surroundings, most_bytes=MOST_BYTES)
    except TransportError as error:
        raise _unavailable(error) from None
    return read_answer(answer, scrubber)


def _secrets(request: TokenRequest) -> list[Secret]:
    given = [request.client_secret, *request.parameters.values()]
    return [secret for secret in given if isinstance(secret, Secret)]


def _written(request: TokenRequest) -> HttpRequest:
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    of_client: dict[str, str] = {"client_id": request.client_id}
    if request.client_secret is not None and request.by_header:
        pair = f"{quote_plus(request.client_id)}:{quote_plus(request.client_secret.reveal())}"
        headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        pair = ""
        of_client = {}
    elif request.client_secret is not None:
        of_client["client_secret"] = request.client_secret.reveal()
    return HttpRequest(
        method="POST",
        url=request.url,
        headers=tuple(headers),
        body=urlencode(
            {
                **{name: _revealed(value) for name, value in request.parameters.items()},
                **of_client,
            }
        ).encode(),
    )


def _revealed(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _unavailable(error: TransportError) -> TokenUnavailable:
    """Return what a failed request is for the account: its mail server is not to blame."""
    return TokenUnavailable(
        "The sign-in service cannot be reached.",
        stage=Stage.LOGIN,
        code=error.code,
        field="authentication",
        detail=" ".join(filter(None, [str(error), error.detail])),
        temporary=error.temporary,
    )
