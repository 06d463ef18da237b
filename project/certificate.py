"""The certificate of the demo's mail server: made at the first start, trusted by this project alone."""

from __future__ import annotations

import ssl

from .folders import VAR, kept

NAME = "mail-server.pem"
HOSTS = ("127.0.0.1", "::1", "localhost", "mail.localhost")


def certificate_file() -> str:
    """The path of a PEM file with key, certificate and authority; serves as the server's and as ``CA_FILE``."""
    kept(NAME, _make)
    return str(VAR / NAME)


def server_context() -> ssl.SSLContext:
    """TLS as the mail server speaks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file())
    return context


def _make() -> str:
    import trustme

    authority = trustme.CA(organization_name="mailconfig demo", key_type=trustme.KeyType.ECDSA)
    parts = (authority.issue_cert(*HOSTS).private_key_and_cert_chain_pem, authority.cert_pem)
    return "".join(part.bytes().decode("ascii") for part in parts)
