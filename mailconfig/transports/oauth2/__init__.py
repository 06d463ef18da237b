"""Access tokens of OAuth 2.0: one request to a token endpoint, and what its answer means (RFC 6749)."""

from .answers import CHECK_REGISTRATION, CONNECT_AGAIN, TokenAnswer, refusal_of
from .asking import TokenRequest, request_token

__all__ = [
    "CHECK_REGISTRATION",
    "CONNECT_AGAIN",
    "TokenAnswer",
    "TokenRequest",
    "refusal_of",
    "request_token",
]
