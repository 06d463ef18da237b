"""The transport that connects to nobody: mail lands in ``mailconfig.testing.outbox``."""

from .transport import OutboxTransport

TRANSPORT = OutboxTransport()

__all__ = ["TRANSPORT"]
