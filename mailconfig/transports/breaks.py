"""Errors of a session that breaks: what is said of them, and by which code."""

from __future__ import annotations

import ssl

from mailconfig.exceptions import ProtocolError, SessionLost
from mailconfig.values import Answer, ErrorCode, Stage


def lost(
    stage: Stage, error: OSError, *, reply: Answer | None = None, ambiguous: bool = False
) -> SessionLost:
    """Return the error for a connection that failed in the middle.

    Args:
        stage: how far it had come.
        error: the socket's.
        reply: what the server said last, if anything.
        ambiguous: whether the server may have accepted a message all the same.
    """
    if isinstance(error, TimeoutError):
        code, message = ErrorCode.TIMEOUT, "The server took too long."
    elif isinstance(error, ssl.SSLError):
        code, message = ErrorCode.TLS_FAILED, "The encrypted connection broke."
    else:
        code, message = ErrorCode.CONNECT_FAILED, "The connection was lost."
    detail = error.strerror or str(error) or type(error).__name__
    return SessionLost(message, stage=stage, code=code, detail=detail, reply=reply, ambiguous=ambiguous)


def ended(message: str, stage: Stage, reply: Answer | None = None) -> SessionLost:
    """Return the error for a session that the server does not go on with, or that is over already."""
    return SessionLost(message, stage=stage, code=ErrorCode.CONNECT_FAILED, reply=reply)


def broken(
    message: str,
    stage: Stage,
    *,
    reply: Answer | None = None,
    ambiguous: bool = False,
    temporary: bool = True,
) -> ProtocolError:
    """Return the error for a server that does not keep to the protocol."""
    return ProtocolError(
        message,
        stage=stage,
        code=ErrorCode.PROTOCOL_ERROR,
        field="host",
        reply=reply,
        ambiguous=ambiguous,
        temporary=temporary,
    )
