"""Certificates for TLS servers in tests: one that is right, and each way of being wrong."""

import datetime as dt
import ssl
import tempfile
import warnings
from functools import cached_property
from pathlib import Path

import trustme

HOSTS = ("localhost", "127.0.0.1", "mail.test")


class Certificates:
    """An authority of its own; ``ca_file`` is what a client has to trust."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="certificates-")
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.ca_file = str(Path(self._directory.name) / "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca_file)

    def close(self) -> None:
        """Remove the files."""
        self._directory.cleanup()

    @cached_property
    def good(self) -> ssl.SSLContext:
        """For the names in HOSTS."""
        return self._server_context(self._ca.issue_cert(*HOSTS))

    @cached_property
    def expired(self) -> ssl.SSLContext:
        """Ran out yesterday."""
        now = dt.datetime.now(dt.UTC)
        begin, end = now - dt.timedelta(days=9), now - dt.timedelta(days=1)
        return self._server_context(self._ca.issue_cert(*HOSTS, not_before=begin, not_after=end))

    @cached_property
    def wrong_name(self) -> ssl.SSLContext:
        """For another server."""
        return self._server_context(self._ca.issue_cert("elsewhere.test"))

    @cached_property
    def unknown_authority(self) -> ssl.SSLContext:
        """From an authority nobody knows."""
        return self._server_context(trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(*HOSTS))

    @cached_property
    def outdated(self) -> ssl.SSLContext:
        """TLS 1.1 at most."""
        context = self._server_context(self._ca.issue_cert(*HOSTS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def _server_context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context
