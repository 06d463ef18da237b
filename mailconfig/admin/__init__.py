"""The pages for those who keep mail accounts and look after the queue."""

from . import accounts, connection_checks, messages, tenants, workers

__all__ = ["accounts", "connection_checks", "messages", "tenants", "workers"]
