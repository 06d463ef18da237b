"""SMTP (RFC 5321): sessions, transactions and the meanings of replies."""

from .transport import SMTPTransport

TRANSPORT = SMTPTransport()

__all__ = ["TRANSPORT"]
