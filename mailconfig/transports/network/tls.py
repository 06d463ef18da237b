"""TLS that is always verified, and what its failures mean."""

from __future__ import annotations

import socket
import ssl
from functools import lru_cache
from pathlib import Path

from mailconfig.exceptions import TLSFailed
from mailconfig.values import ErrorCode, NetworkPolicy, Stage

from . import hints
from .deadline import Deadline

_PLAIN_ANSWERS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}
_OLD_PROTOCOL = {
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "NO_PROTOCOLS_AVAILABLE",
    "NO_SHARED_CIPHER",
    "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "DH_KEY_TOO_SMALL",
}
_WRONG_NAME = {62, 64}
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21, 24}


def secure(
    sock: socket.socket,
    host: str,
    policy: NetworkPolicy,
    *,
    seconds: float = 30.0,
    deadline: Deadline | None = None,
    plain_hint: str = hints.STARTTLS_PORT,
    needs_goodbye: bool = False,
) -> ssl.SSLSocket:
    """Wrap a connected socket in TLS 1.2 or later, its certificate verified for ``host`` unless ``policy`` says otherwise.

    The socket is the caller's to close if this fails. ``plain_hint`` is for a server that talks no TLS here. With
    ``needs_goodbye`` an end that TLS does not announce (close_notify) is an error, since anybody could have cut there.

    Raises:
        TLSFailed: temporary where the connection broke or hung, else something has to be mended.
    """
    context = _context(policy.ca_file) if policy.verify_tls else _unverified_context()
    try:
        sock.settimeout((deadline or Deadline()).seconds(seconds))
        sock.getpeername()  # on a connection that is gone, wrap_socket would leave its own socket unclosed
        # The time-out bounds the whole handshake: OpenSSL's loop in CPython keeps one deadline over it.
        wrapped = context.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=not needs_goodbye)
    except TimeoutError:
        raise _failed("The server did not answer the TLS handshake.", temporary=True, timeout=True) from None
    except ssl.SSLCertVerificationError as error:
        raise _unverified(error) from None
    except ssl.SSLError as error:
        raise _no_tls(error, plain_hint) from None
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise _failed(
            "The connection ended during the TLS handshake.", detail=detail, temporary=True
        ) from None
    if wrapped.version() is None:  # and here it would skip the handshake, and then talk in the clear
        wrapped.close()
        raise _failed("The connection ended during the TLS handshake.", temporary=True)
    return wrapped


def describe(sock: ssl.SSLSocket) -> str:
    """Protocol and cipher, for staff."""
    cipher = sock.cipher()
    return f"{sock.version()} {cipher[0] if cipher else ''}".strip()


def why_no_ca_file(ca_file: str | None) -> str:
    """The reason why no certificate authorities can be read there; ``""``: they can, or none are asked for."""
    try:
        _context(ca_file)
    except TLSFailed as error:
        return error.detail
    return ""


def _context(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return _cached_context(None, 0.0)
    try:
        return _cached_context(ca_file, Path(ca_file).stat().st_mtime)
    except OSError as error:  # ssl.SSLError, for what is no PEM, is one too
        raise _failed(
            "The file of certificate authorities cannot be used.",
            detail=str(error),
            hint="The deployment's ca_file has to be a readable PEM file.",
        ) from None


@lru_cache(maxsize=1)
def _unverified_context() -> ssl.SSLContext:
    """Return a context that verifies nothing: whoever stands between reads and changes everything."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=8)
def _cached_context(ca_file: str | None, _changed: float) -> ssl.SSLContext:
    """Loading the authorities takes 10 ms and more; ``_changed`` makes a renewed file be read again."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _unverified(error: ssl.SSLCertVerificationError) -> TLSFailed:
    """A certificate is the server's affair: nobody shall think that less encryption would mend it."""
    code, detail = error.verify_code, error.verify_message
    message, hint = "The server's certificate could not be verified.", ""
    if code == 10:
        message, hint = "The server's certificate has expired.", "Whoever runs the server has to renew it."
    elif code == 9:
        message, hint = "The server's certificate is not valid yet.", "Is this machine's clock right?"
    elif code in _WRONG_NAME:
        message = "The server's certificate is for another name."
        hint = "Use the name of the server that its provider gives, not an alias or an address."
    elif code in _UNKNOWN_AUTHORITY:
        message = "The server's certificate is not from an authority that is trusted here."
        hint = hints.TRUST_AUTHORITY
    return _failed(message, detail=detail, field="host", hint=hint)


def _no_tls(error: ssl.SSLError, plain_hint: str) -> TLSFailed:
    reason = error.reason or ""
    if reason in _PLAIN_ANSWERS:
        return _failed("The server talks no TLS here.", detail=reason, hint=plain_hint)
    if reason in _OLD_PROTOCOL:
        return _failed(
            "The server offers no TLS that is still safe.",
            detail=reason,
            hint="At least TLS 1.2 is needed.",
        )
    broken = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return _failed("TLS could not be set up.", detail=reason or type(error).__name__, temporary=broken)


def _failed(
    message: str,
    *,
    detail: str = "",
    field: str = "security",
    hint: str = "",
    temporary: bool = False,
    timeout: bool = False,
) -> TLSFailed:
    return TLSFailed(
        message,
        stage=Stage.TLS,
        code=ErrorCode.TIMEOUT if timeout else ErrorCode.TLS_FAILED,
        field=field,
        hint=hint,
        detail=detail,
        temporary=temporary,
    )
